#include "client/pool.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>

#include "support/cmocka.h"

#define FILES 9000 /* more than may be queued */
#define PARTS 7

static atomic_int files, parts, at_once, most;
static struct mr_pool *pool;

static void busy(int by)
{
    int now = atomic_fetch_add(&at_once, by) + by;
    int seen = atomic_load(&most);
    while (now > seen && !atomic_compare_exchange_weak(&most, &seen, now))
        continue;
}

static void part(void *arg, int number, struct mr_worker *w)
{
    busy(1);
    char *buffer = mr_worker_buffer(w, (size_t)number * 1000);
    buffer[number * 1000 - 1] = 'x';
    atomic_fetch_add((atomic_int *)arg, number);
    busy(-1);
}

static void file(void *arg, int number, struct mr_worker *w)
{
    assert_int_equal(number, 0);
    assert_non_null(w->web);
    atomic_fetch_add((atomic_int *)arg, 1);
}

static void file_with_parts(void *arg, int number, struct mr_worker *w)
{
    file(arg, number, w);
    for (int n = 1; n <= PARTS; n++)
        mr_pool_add_part(pool, part, &parts, n);
}

static void everything_is_done_before_it_ends(void **state)
{
    const struct mr_web_options web = {0};
    (void)state;
    mr_web_library_open();
    pool = mr_pool_start(3, 5, &web);
    for (int i = 0; i < FILES; i++) {
        mr_pool_add(pool, MR_LANE_SMALL, file, &files);
        if (i % 10 == 0)
            mr_pool_add(pool, MR_LANE_LARGE, file_with_parts, &files);
    }
    mr_pool_finish(&pool);
    mr_web_library_close();
    assert_null(pool);
    assert_int_equal(atomic_load(&files), FILES + FILES / 10);
    assert_int_equal(atomic_load(&parts), FILES / 10 * (PARTS * (PARTS + 1) / 2));
    assert_in_range(atomic_load(&most), 1, 3);
}

static void an_idle_pool_ends(void **state)
{
    const struct mr_web_options web = {0};
    (void)state;
    pool = mr_pool_start(1, 1, &web);
    mr_pool_finish(&pool);
    assert_null(pool);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(everything_is_done_before_it_ends),
        cmocka_unit_test(an_idle_pool_ends),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
