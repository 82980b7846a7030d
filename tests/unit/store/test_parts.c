/* Part arithmetic, as the contract of uploads states it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "store/store.h"

#define MIB         (1LL << 20)
#define S3_PART_MIN (5 * MIB) /* S3 takes no smaller part but the last */

static void assert_whole(int64_t size)
{
    int64_t part = mr_part_size(size), sum = 0;
    int count = mr_part_count(size);
    assert_true(part >= S3_PART_MIN);
    assert_true(part % MR_PART_SIZE_MIN == 0 &&
                (part / MR_PART_SIZE_MIN & (part / MR_PART_SIZE_MIN - 1)) == 0);
    assert_in_range(count, 1, MR_PARTS_MAX);
    for (int i = 1; i <= count; i++) {
        assert_int_equal(mr_part_offset(size, i), sum);
        int64_t length = mr_part_length(size, i);
        assert_true(i == count ? length <= part && (length > 0 || size == 0) : length == part);
        sum += length;
    }
    assert_int_equal(sum, size);
    /* The smallest that works: half of it would need too many parts. */
    if (part > MR_PART_SIZE_MIN)
        assert_true((size + part / 2 - 1) / (part / 2) > MR_PARTS_MAX);
}

static void named_sizes(void **state)
{
    (void)state;
    assert_int_equal(mr_part_count(0), 1);
    assert_int_equal(mr_part_length(0, 1), 0);
    assert_int_equal(mr_part_count(8 * MIB), 1);
    assert_int_equal(mr_part_count(8 * MIB + 1), 2);
    assert_int_equal(mr_part_length(8 * MIB + 1, 2), 1);
    assert_int_equal(mr_part_size(50000000000), 8 * MIB);
    assert_int_equal(mr_part_count(50000000000), 5961);
    assert_int_equal(mr_part_size(1LL << 40), 128 * MIB);
    assert_int_equal(mr_part_size(5LL << 40), 1024 * MIB);
    const int64_t sizes[] = {0,           1,          8 * MIB - 1, 8 * MIB,  8 * MIB + 1,
                             50000000000, 50LL << 30, 1LL << 40,   5LL << 40};
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++)
        assert_whole(sizes[i]);
}

static void around_every_doubling(void **state)
{
    (void)state;
    for (int64_t part = MR_PART_SIZE_MIN; part * MR_PARTS_MAX <= (5LL << 40); part *= 2) {
        int64_t full = part * MR_PARTS_MAX;
        assert_int_equal(mr_part_size(full), part);
        assert_int_equal(mr_part_count(full), MR_PARTS_MAX);
        assert_int_equal(mr_part_size(full + 1), 2 * part);
        assert_int_equal(mr_part_count(full + 1), MR_PARTS_MAX / 2 + 1);
        for (int64_t d = -2; d <= 2; d++)
            assert_whole(full + d);
    }
}

static void sizes_at_random(void **state)
{
    (void)state;
    uint64_t seed = 42;
    for (int i = 0; i < 300; i++) {
        seed = seed * 6364136223846793005u + 1442695040888963407u;
        assert_whole((int64_t)(seed >> (23 + i % 40)));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(named_sizes),
        cmocka_unit_test(around_every_doubling),
        cmocka_unit_test(sizes_at_random),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
