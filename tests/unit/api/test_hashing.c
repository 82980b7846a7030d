/* Places for password hashes: never more at once than allowed, few wait, the rest is told to come again. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <pthread.h>
#include <stdatomic.h>
#include <string.h>

#include "api/hashing.h"
#include "base/clock.h"
#include "http/internal.h"

static struct mr_hashing *hashing;
static atomic_int inside, most, entered, refused;

static void *work(void *arg)
{
    struct mr_http_reply rp = {0};
    if (!mr_hashing_enter(hashing, &rp)) {
        atomic_fetch_add(&refused, 1);
        assert_int_equal(rp.status, 429);
        mr_http_reply_reset(&rp);
        return NULL;
    }
    int now = atomic_fetch_add(&inside, 1) + 1, seen = atomic_load(&most);
    while (now > seen && !atomic_compare_exchange_weak(&most, &seen, now))
        ;
    mr_sleep_ms(*(int *)arg);
    atomic_fetch_sub(&inside, 1);
    atomic_fetch_add(&entered, 1);
    mr_hashing_leave(hashing);
    return NULL;
}

static void run(int at_once, int threads, int ms)
{
    pthread_t t[32];
    struct mr_error err;
    atomic_store(&most, 0);
    atomic_store(&entered, 0);
    atomic_store(&refused, 0);
    assert_int_equal(mr_hashing_open(at_once, &hashing, &err), MR_OK);
    for (int i = 0; i < threads; i++)
        pthread_create(&t[i], NULL, work, &ms);
    for (int i = 0; i < threads; i++)
        pthread_join(t[i], NULL);
    assert_int_equal(atomic_load(&entered) + atomic_load(&refused), threads);
    assert_true(atomic_load(&most) <= at_once);
    mr_hashing_close(&hashing);
    assert_null(hashing);
}

static void test_few_wait(void **state)
{
    (void)state;
    run(2, 6, 100); /* two run, four wait */
    assert_int_equal(atomic_load(&refused), 0);
}

static void test_more_are_refused(void **state)
{
    (void)state;
    run(2, 20, 200);
    assert_true(atomic_load(&refused) >= 10);
    assert_true(atomic_load(&entered) >= 6);
}

static void test_no_one_waits_for_long(void **state)
{
    (void)state;
    int64_t begin = mr_mono_ms();
    run(1, 2, 2500);
    assert_int_equal(atomic_load(&refused), 1); /* after a second */
    assert_true(mr_mono_ms() - begin < 4000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_few_wait),
                                       cmocka_unit_test(test_more_are_refused),
                                       cmocka_unit_test(test_no_one_waits_for_long)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
