#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <sodium.h>
#include <stdlib.h>
#include <string.h>

#include "api/cursor.h"

static void comes_back(const char *position)
{
    char back[MR_CURSOR_MAX + 1];
    json_t *cursor = mr_cursor_json('f', position);
    assert_non_null(cursor);
    assert_int_equal(
        strspn(json_string_value(cursor), "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"),
        json_string_length(cursor));
    assert_true(mr_cursor_read(json_string_value(cursor), 'f', back));
    assert_string_equal(back, position);
    assert_false(mr_cursor_read(json_string_value(cursor), 'd', back));
    json_decref(cursor);
}

static void test_back_and_forth(void **state)
{
    (void)state;
    char longest[MR_CURSOR_MAX + 2];
    comes_back("");
    comes_back("7");
    comes_back("/a/b\x01");
    comes_back("/\xc3\xa4/\xe6\x97\xa5"
               "0");
    memset(longest, 'x', MR_CURSOR_MAX);
    longest[MR_CURSOR_MAX] = '\0';
    comes_back(longest);
    memset(longest, 'x', sizeof(longest) - 1);
    longest[sizeof(longest) - 1] = '\0';
    assert_null(mr_cursor_json('f', longest));
}

static bool taken(const char *bytes, size_t n)
{
    char text[8192], back[MR_CURSOR_MAX + 1];
    sodium_bin2base64(text, sizeof(text), (const unsigned char *)bytes, n,
                      sodium_base64_VARIANT_URLSAFE_NO_PADDING);
    return mr_cursor_read(text, 'f', back);
}

static void test_made_elsewhere(void **state)
{
    (void)state;
    static char big[4096];
    char back[MR_CURSOR_MAX + 1];
    memset(big, 'f', sizeof(big));
    assert_true(taken("f/a", 3));
    assert_false(taken("", 0));
    assert_false(taken("f/a\0b", 5)); /* PostgreSQL takes no NUL in a text */
    assert_false(taken("f/a\0", 4));
    assert_false(taken("f/\x01/b", 5)); /* U+0001 only at the end */
    assert_true(taken("f/a\x01", 4));
    assert_false(taken("f/a\x01\x01", 5));
    assert_false(taken("f/\n", 3));
    assert_false(taken("f/\xff", 3)); /* nor what is not UTF-8 */
    assert_false(taken("f/\xc3", 3));
    assert_false(taken("f/\xed\xa0\x80", 5));
    assert_false(taken(big, sizeof(big)));
    assert_false(taken(big, MR_CURSOR_MAX + 2));
    assert_true(taken(big, MR_CURSOR_MAX + 1));
    const char *const bad[] = {"", "=", "Zg==", "Z g", "Zi9h\n", "Zi9h=", "!", "\xff", "Z"};
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        assert_false(mr_cursor_read(bad[i], 'f', back));
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_back_and_forth),
                                       cmocka_unit_test(test_made_elsewhere)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
