#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
/* cmocka.h needs what is above. */
#include <cmocka.h>

#include "random.h"
#include "stream/offset_map.h"

#define OFFSETS 4000

static void test_nothing_is_known_at_first(void **state)
{
    (void)state;
    struct mr_offset_map map;
    mr_offset_map_init(&map, -1);
    assert_int_equal(mr_offset_map_mark(&map), -1);
    mr_offset_map_init(&map, -1001); /* librdkafka's "invalid" */
    assert_int_equal(mr_offset_map_mark(&map), -1);
    mr_offset_map_init(&map, 17);
    assert_int_equal(mr_offset_map_mark(&map), 17);
}

static void test_the_mark_waits_for_the_oldest(void **state)
{
    (void)state;
    struct mr_offset_map map;
    struct mr_offset_entry e[3];
    mr_offset_map_init(&map, 10);
    for (int i = 0; i < 3; i++) {
        assert_true(mr_offset_map_add(&map, &e[i], 10 + i));
    }
    mr_offset_map_done(&map, &e[1]);
    assert_int_equal(mr_offset_map_mark(&map), 10);
    mr_offset_map_done(&map, &e[0]);
    assert_int_equal(mr_offset_map_mark(&map), 12);
    mr_offset_map_done(&map, &e[2]);
    assert_int_equal(mr_offset_map_mark(&map), 13);
}

static void test_gaps_are_passed(void **state)
{
    (void)state;
    struct mr_offset_map map;
    struct mr_offset_entry a;
    struct mr_offset_entry b;
    mr_offset_map_init(&map, 0);
    mr_offset_map_add(&map, &a, 5);
    mr_offset_map_add(&map, &b, 1000000000000);
    assert_int_equal(mr_offset_map_mark(&map), 5);
    mr_offset_map_done(&map, &a);
    assert_int_equal(mr_offset_map_mark(&map), 1000000000000);
    mr_offset_map_done(&map, &b);
    assert_int_equal(mr_offset_map_mark(&map), 1000000000001);
    /* A transaction's control record is the last thing on the log. */
    mr_offset_map_reached(&map, 1000000000002);
    assert_int_equal(mr_offset_map_mark(&map), 1000000000002);
    mr_offset_map_reached(&map, 3);
    assert_int_equal(mr_offset_map_mark(&map), 1000000000002);
}

static void test_an_empty_partition_has_its_end(void **state)
{
    (void)state;
    struct mr_offset_map map;
    mr_offset_map_init(&map, -1);
    mr_offset_map_reached(&map, 0);
    assert_int_equal(mr_offset_map_mark(&map), 0);
}

static void test_what_was_read_before_is_not_taken(void **state)
{
    (void)state;
    struct mr_offset_map map;
    struct mr_offset_entry a;
    struct mr_offset_entry b;
    mr_offset_map_init(&map, 10);
    assert_false(mr_offset_map_add(&map, &a, 9));
    assert_true(mr_offset_map_add(&map, &a, 10));
    assert_false(mr_offset_map_add(&map, &b, 10));
    assert_int_equal(map.n, 1);
}

static void test_the_mark_never_passes_what_was_given_up(void **state)
{
    (void)state;
    struct mr_offset_map map;
    struct mr_offset_entry e[4];
    mr_offset_map_init(&map, 0);
    for (int i = 0; i < 4; i++) {
        mr_offset_map_add(&map, &e[i], i);
    }
    mr_offset_map_give_up(&map, &e[3]);
    mr_offset_map_give_up(&map, &e[1]);
    assert_int_equal(mr_offset_map_mark(&map), 0);
    mr_offset_map_done(&map, &e[0]);
    mr_offset_map_done(&map, &e[2]);
    assert_int_equal(mr_offset_map_mark(&map), 1);
    mr_offset_map_reached(&map, 100);
    assert_int_equal(mr_offset_map_mark(&map), 1);
}

/* The naive model: a flag for each offset, looked through from the start every time. */
enum offset_state { UNSEEN, GAP, IN_FLIGHT, DONE };

static int64_t naive_mark(const enum offset_state *offsets, int64_t seen)
{
    int64_t mark = 0;
    while (mark < seen && offsets[mark] != IN_FLIGHT) {
        mark++;
    }
    return mark;
}

static void one_random_run(void)
{
    static enum offset_state offsets[OFFSETS];
    static struct mr_offset_entry entries[OFFSETS];
    static int64_t flying[OFFSETS];
    struct mr_offset_map map;
    size_t n_flying = 0;
    int64_t seen = 0;
    memset(offsets, 0, sizeof offsets);
    mr_offset_map_init(&map, 0);
    while (seen < OFFSETS - 10 || n_flying > 0) {
        size_t dice = random_below(100);
        if (dice < 45 && seen < OFFSETS - 10) {
            size_t gap = random_below(10) == 0 ? random_below(9) : 0;
            for (; gap > 0; gap--) {
                offsets[seen++] = GAP;
            }
            offsets[seen] = IN_FLIGHT;
            assert_true(mr_offset_map_add(&map, &entries[seen], seen));
            flying[n_flying++] = seen++;
        } else if (dice < 50 && seen < OFFSETS - 10) {
            offsets[seen++] = GAP;
            mr_offset_map_reached(&map, seen);
        } else if (n_flying > 0) {
            size_t i = random_below(n_flying);
            int64_t offset = flying[i];
            flying[i] = flying[--n_flying];
            offsets[offset] = DONE;
            mr_offset_map_done(&map, &entries[offset]);
        }
        assert_int_equal(mr_offset_map_mark(&map), naive_mark(offsets, map.next));
        assert_int_equal(map.n, n_flying);
    }
    assert_int_equal(mr_offset_map_mark(&map), map.next);
}

static void test_as_the_naive_model(void **state)
{
    (void)state;
    for (int i = 0; i < 20; i++) {
        one_random_run();
    }
}

int main(void)
{
    random_seed();
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_nothing_is_known_at_first),
        cmocka_unit_test(test_the_mark_waits_for_the_oldest),
        cmocka_unit_test(test_gaps_are_passed),
        cmocka_unit_test(test_an_empty_partition_has_its_end),
        cmocka_unit_test(test_what_was_read_before_is_not_taken),
        cmocka_unit_test(test_the_mark_never_passes_what_was_given_up),
        cmocka_unit_test(test_as_the_naive_model),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
