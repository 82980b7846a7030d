/* The store's list of parts against a session's arithmetic. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "producer/assemble.h"

#define PART (8LL << 20)

static struct mr_session session_of(int64_t size)
{
    struct mr_session s = {.size = size, .part_size = mr_part_size(size), .part_count = mr_part_count(size)};
    return s;
}

static struct mr_part part(int number, int64_t size)
{
    return (struct mr_part){.number = number, .size = size, .has_sha256 = true};
}

static void all_there(void **state)
{
    (void)state;
    struct mr_assembly a;
    struct mr_session s = session_of(2 * PART + 5);
    const struct mr_part parts[] = {part(1, PART), part(2, PART), part(3, 5)};
    assert_true(mr_parts_whole(&s, parts, 3, &a));
    s = session_of(0);
    const struct mr_part empty[] = {part(1, 0)};
    assert_true(mr_parts_whole(&s, empty, 1, &a));
    assert_false(mr_parts_whole(&s, empty, 0, &a));
    assert_int_equal(a.missing[0], 1);
}

static void gaps_are_named(void **state)
{
    (void)state;
    struct mr_assembly a;
    struct mr_session s = session_of(6 * PART);
    const struct mr_part parts[] = {part(2, PART), part(5, PART)};
    assert_false(mr_parts_whole(&s, parts, 2, &a));
    const int missing[] = {1, 3, 4, 6};
    assert_int_equal(a.n_missing, 4);
    assert_memory_equal(a.missing, missing, sizeof missing);
    assert_int_equal(a.n_wrong, 0);
}

static void wrong_ones_are_named(void **state)
{
    (void)state;
    struct mr_assembly a;
    struct mr_session s = session_of(2 * PART + 5);
    struct mr_part parts[] = {part(1, PART - 1), part(2, PART), part(3, 6), part(4, 1), part(9, 1)};
    parts[1].has_sha256 = false;
    assert_false(mr_parts_whole(&s, parts, 5, &a));
    const int wrong[] = {1, 2, 3, 4, 9};
    assert_int_equal(a.n_wrong, 5);
    assert_memory_equal(a.wrong, wrong, sizeof wrong);
    assert_int_equal(a.total_missing, 0);
}

static void past_the_end_hides_nothing(void **state)
{
    (void)state;
    struct mr_assembly a;
    struct mr_session s = session_of(3 * PART);
    const struct mr_part parts[] = {part(1, PART), part(7, PART)};
    assert_false(mr_parts_whole(&s, parts, 2, &a));
    const int missing[] = {2, 3};
    assert_int_equal(a.n_missing, 2);
    assert_memory_equal(a.missing, missing, sizeof missing);
    assert_int_equal(a.wrong[0], 7);
}

static void lists_are_bounded(void **state)
{
    (void)state;
    struct mr_assembly a;
    struct mr_session s = session_of(50000000000);
    assert_false(mr_parts_whole(&s, NULL, 0, &a));
    assert_int_equal(a.total_missing, 5961);
    assert_int_equal(a.n_missing, MR_MISSING_MAX);
    assert_int_equal(a.missing[MR_MISSING_MAX - 1], MR_MISSING_MAX);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(all_there),
        cmocka_unit_test(gaps_are_named),
        cmocka_unit_test(wrong_ones_are_named),
        cmocka_unit_test(past_the_end_hides_nothing),
        cmocka_unit_test(lists_are_bounded),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
