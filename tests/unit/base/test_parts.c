#include "base/parts.h"

#include <stdlib.h>

#include "support/cmocka.h"

#define MIB (1LL << 20)

static void check(int64_t size, int64_t part_size, int parts)
{
    assert_int_equal(mr_part_size(size), part_size);
    assert_int_equal(mr_part_count(size), parts);
}

static void known_sizes(void **state)
{
    (void)state;
    check(0, 8 * MIB, 1);
    check(1, 8 * MIB, 1);
    check(8 * MIB, 8 * MIB, 1);
    check(8 * MIB + 1, 8 * MIB, 2);
    check(50000000000LL, 8 * MIB, 5961);    /* 50 GB */
    check(50LL << 30, 8 * MIB, 6400);       /* 50 GiB */
    check(10000 * 8 * MIB, 8 * MIB, 10000); /* the last size of this part size */
    check(10000 * 8 * MIB + 1, 16 * MIB, 5001);
    check(1LL << 40, 128 * MIB, 8192);  /* 1 TiB */
    check(5LL << 40, 1024 * MIB, 5120); /* S3's largest object */
}

/* Parts follow each other without gap or overlap, none is larger than the part size, only the last is
 * smaller. */
static void check_parts_tile(int64_t size)
{
    int n = mr_part_count(size);
    int64_t at = 0;
    assert_in_range(n, 1, MR_PARTS_MAX);
    for (int i = 1; i <= n; i++) {
        assert_int_equal(mr_part_offset(size, i), at);
        if (i < n)
            assert_int_equal(mr_part_length(size, i), mr_part_size(size));
        at += mr_part_length(size, i);
    }
    assert_int_equal(at, size);
    assert_true(mr_part_length(size, n) <= mr_part_size(size));
    assert_true(size == 0 || mr_part_length(size, n) > 0);
}

static void parts_tile_the_file(void **state)
{
    (void)state;
    for (int64_t base = 8 * MIB; base <= 1LL << 50; base *= 2)
        for (int64_t delta = -1; delta <= 1; delta++) {
            check_parts_tile(base + delta);
            check_parts_tile(base / 16 * 10000 + delta);
        }
    srandom(4711);
    for (int i = 0; i < 2000; i++)
        check_parts_tile((int64_t)(((uint64_t)random() << 31 | (uint64_t)random()) >> (random() % 40)));
}

static void the_largest_size_does_not_overflow(void **state)
{
    (void)state;
    assert_in_range(mr_part_count(INT64_MAX), 1, MR_PARTS_MAX);
    assert_true(mr_part_length(INT64_MAX, mr_part_count(INT64_MAX)) > 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(known_sizes),
        cmocka_unit_test(parts_tile_the_file),
        cmocka_unit_test(the_largest_size_does_not_overflow),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
