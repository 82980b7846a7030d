#include "base/error.h"

#include <string.h>

#include "support/cmocka.h"

static void set_fills_all(void **state)
{
    (void)state;
    struct mr_error err;
    assert_int_equal(mr_error_set(&err, MR_CLASS_REJECT, 413, "part %d: %s", 7, "too large"), MR_FAIL);
    assert_int_equal(err.class, MR_CLASS_REJECT);
    assert_int_equal(err.code, 413);
    assert_string_equal(err.text, "part 7: too large");
    mr_error_clear(&err);
    assert_int_equal(err.class, MR_CLASS_NONE);
    assert_int_equal(err.code, 0);
    assert_string_equal(err.text, "");
}

static void null_is_nobody_listening(void **state)
{
    (void)state;
    assert_int_equal(mr_error_set(NULL, MR_CLASS_RETRY, 0, "x"), MR_FAIL);
    assert_int_equal(mr_error_prefix(NULL, "x"), MR_FAIL);
    mr_error_clear(NULL);
}

static void prefix_keeps_class_and_code(void **state)
{
    (void)state;
    struct mr_error err;
    mr_error_set(&err, MR_CLASS_RETRY, 5, "timeout");
    assert_int_equal(mr_error_prefix(&err, "upload %s", "u1"), MR_FAIL);
    assert_string_equal(err.text, "upload u1: timeout");
    assert_int_equal(err.class, MR_CLASS_RETRY);
    assert_int_equal(err.code, 5);
}

static void a_text_may_be_wrapped_in_itself(void **state)
{
    (void)state;
    struct mr_error err;
    mr_error_set(&err, MR_CLASS_RETRY, 0, "inner");
    mr_error_set(&err, MR_CLASS_FATAL, 1, "outer (%s)", err.text);
    assert_string_equal(err.text, "outer (inner)");
    mr_error_prefix(&err, "%s", err.text);
    assert_string_equal(err.text, "outer (inner): outer (inner)");
}

static void long_texts_are_cut(void **state)
{
    (void)state;
    struct mr_error err;
    char big[2000];
    memset(big, 'x', sizeof(big) - 1);
    big[sizeof(big) - 1] = '\0';
    mr_error_set(&err, MR_CLASS_RETRY, 0, "%s", big);
    assert_int_equal(strlen(err.text), sizeof(err.text) - 1);
    mr_error_prefix(&err, "first");
    assert_int_equal(strlen(err.text), sizeof(err.text) - 1);
    assert_memory_equal(err.text, "first: xxx", 10);
    mr_error_prefix(&err, "%s", big);
    assert_int_equal(strlen(err.text), sizeof(err.text) - 1);
}

static void classes_have_names(void **state)
{
    (void)state;
    assert_string_equal(mr_error_class_name(MR_CLASS_NONE), "none");
    assert_string_equal(mr_error_class_name(MR_CLASS_RETRY), "retry");
    assert_string_equal(mr_error_class_name(MR_CLASS_REJECT), "reject");
    assert_string_equal(mr_error_class_name(MR_CLASS_FATAL), "fatal");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(set_fills_all),
        cmocka_unit_test(null_is_nobody_listening),
        cmocka_unit_test(prefix_keeps_class_and_code),
        cmocka_unit_test(a_text_may_be_wrapped_in_itself),
        cmocka_unit_test(long_texts_are_cut),
        cmocka_unit_test(classes_have_names),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
