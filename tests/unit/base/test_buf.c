/* The buffer's own source is built in here, so that every allocation can be made to fail. */
#include <stdlib.h>

static int allocations_left = -1; /* -1: all succeed */

static void *failing_realloc(void *p, size_t n)
{
    if (allocations_left == 0)
        return NULL;
    if (allocations_left > 0)
        allocations_left--;
    return realloc(p, n);
}
#define realloc failing_realloc
#include "../../../lib/base/buf.c"
#undef realloc

#include "support/cmocka.h"

/* The same script of appends is run against every ceiling and every failing allocation. After each step the
 * buffer must hold exactly the steps that succeeded. */
static int run_script(struct mr_buf *b, char *expected)
{
    int failed = 0;
    char block[200];
    memset(block, 'b', sizeof(block));
    *expected = '\0';
    for (int step = 0; step < 12; step++) {
        char text[256];
        enum mr_status status;
        if (step % 3 == 0) {
            snprintf(text, sizeof(text), "[%d:%s]", step, "printf");
            status = mr_buf_printf(b, "[%d:%s]", step, "printf");
        } else if (step % 3 == 1) {
            snprintf(text, sizeof(text), "puts%d", step);
            status = mr_buf_puts(b, text);
        } else {
            size_t n = (size_t)step * 7;
            snprintf(text, sizeof(text), "%.*s", (int)n, block);
            status = mr_buf_add(b, block, n);
        }
        if (status == MR_OK)
            strcat(expected, text);
        else
            failed++;
        assert_int_equal(b->len, strlen(expected));
        assert_true(b->len <= b->max);
        assert_memory_equal(mr_buf_span(b).p, expected, b->len);
        if (b->data)
            assert_int_equal(b->data[b->len], '\0');
    }
    return failed;
}

static void every_ceiling(void **state)
{
    (void)state;
    char expected[4096];
    struct mr_buf b;
    int without_failure = 0;
    for (size_t max = 0; max < 400; max++) {
        mr_buf_init(&b, max);
        without_failure += run_script(&b, expected) == 0;
        mr_buf_free(&b);
        assert_int_equal(b.max, max);
    }
    assert_true(without_failure > 0);
}

static void every_allocation(void **state)
{
    (void)state;
    char expected[4096];
    struct mr_buf b;
    for (int n = 0;; n++) {
        mr_buf_init(&b, 4096);
        allocations_left = n;
        int failed = run_script(&b, expected);
        allocations_left = -1;
        mr_buf_free(&b);
        if (failed == 0)
            break;
        assert_true(n < 100);
    }
}

static void the_ceiling_itself_fits(void **state)
{
    (void)state;
    struct mr_buf b;
    mr_buf_init(&b, 5);
    assert_int_equal(mr_buf_puts(&b, "12345"), MR_OK);
    assert_int_equal(mr_buf_add(&b, "6", 1), MR_FAIL);
    assert_int_equal(mr_buf_add(&b, "", 0), MR_OK);
    assert_string_equal(b.data, "12345");
    assert_true(b.cap <= 6);
    mr_buf_free(&b);
}

static void lengths_that_overflow_fail(void **state)
{
    (void)state;
    struct mr_buf b;
    volatile size_t huge = SIZE_MAX; /* the compiler must not see through it */
    mr_buf_init(&b, SIZE_MAX - 1);
    assert_int_equal(mr_buf_puts(&b, "x"), MR_OK);
    assert_int_equal(mr_buf_add(&b, "x", huge), MR_FAIL);
    assert_int_equal(mr_buf_add(&b, "x", huge - 1), MR_FAIL);
    mr_buf_free(&b);
    mr_buf_init(&b, SIZE_MAX);
    assert_int_equal(mr_buf_add(&b, "x", 1), MR_FAIL); /* no room for the NUL could ever be counted */
    mr_buf_free(&b);
}

static void reset_keeps_memory_and_take_gives_it(void **state)
{
    (void)state;
    struct mr_buf b;
    mr_buf_init(&b, 100);
    mr_buf_reset(&b);
    mr_buf_puts(&b, "hello");
    char *before = b.data;
    mr_buf_reset(&b);
    assert_int_equal(b.len, 0);
    assert_ptr_equal(b.data, before);
    mr_buf_puts(&b, "bye");
    char *taken = mr_buf_take(&b);
    assert_string_equal(taken, "bye");
    assert_null(b.data);
    assert_int_equal(b.len, 0);
    assert_int_equal(b.max, 100);
    free(taken);
    taken = mr_buf_take(&b);
    assert_string_equal(taken, "");
    free(taken);
}

static void binary_is_kept(void **state)
{
    (void)state;
    struct mr_buf b;
    mr_buf_init(&b, 100);
    assert_int_equal(mr_buf_span(&b).len, 0);
    assert_non_null(mr_buf_span(&b).p);
    mr_buf_add(&b, "a\0b", 3);
    assert_true(mr_span_eq(mr_buf_span(&b), (struct mr_span){"a\0b", 3}));
    assert_false(mr_span_is(mr_buf_span(&b), "a"));
    mr_buf_free(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_ceiling),
        cmocka_unit_test(every_allocation),
        cmocka_unit_test(the_ceiling_itself_fits),
        cmocka_unit_test(lengths_that_overflow_fail),
        cmocka_unit_test(reset_keeps_memory_and_take_gives_it),
        cmocka_unit_test(binary_is_kept),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
