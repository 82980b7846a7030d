#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "producer/content_type.h"

static void valid_types(void **state)
{
    (void)state;
    static const char *const good[] = {"a/b", "text/plain; charset=utf-8", "application/vnd.api+json",
                                       "text/plain;charset=utf-8", "x/y ; q=1"};
    static const char *const bad[] = {
        "", "a", "a/", "/b", "a/b c", "a b/c", "a/b,c/d", "a/b\n", "a/b;\x7f", "a/b; \xc3\xa9", "a//b"};
    for (size_t i = 0; i < sizeof good / sizeof good[0]; i++)
        assert_true(mr_content_type_valid(good[i]));
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        assert_false(mr_content_type_valid(bad[i]));
    char longest[MR_CONTENT_TYPE_MAX + 2];
    memset(longest, 'a', sizeof longest);
    longest[1] = '/';
    longest[MR_CONTENT_TYPE_MAX] = '\0';
    assert_true(mr_content_type_valid(longest));
    longest[MR_CONTENT_TYPE_MAX] = 'a';
    longest[MR_CONTENT_TYPE_MAX + 1] = '\0';
    assert_false(mr_content_type_valid(longest));
}

static void taken_types(void **state)
{
    (void)state;
    static const struct {
        const char *allowed, *type;
        bool taken;
    } cases[] = {
        {"*/*", "a/b", true},
        {"image/*", "image/png", true},
        {"image/*", "IMAGE/PNG", true},
        {"image/*", "image/png; x=y", true},
        {"image/*", "imagex/png", false},
        {"image/*", "text/plain", false},
        {"text/plain", "text/plain; charset=utf-8", true},
        {"text/plain", "text/plainer", false},
        {"text/plain", "text/plai", false},
        {"text/plain , image/*,,", "image/gif", true},
        {"", "a/b", false},
        {"nonsense", "a/b", false},
        {"a/*", "a/*", true},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
        assert_int_equal(mr_content_type_taken(cases[i].allowed, cases[i].type), cases[i].taken);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(valid_types), cmocka_unit_test(taken_types)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
