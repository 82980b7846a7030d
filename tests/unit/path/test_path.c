#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "path/path.h"

static void taken(struct mr_span path)
{
    struct mr_error err = {0};
    if (mr_path_check(path, &err) != MR_OK)
        fail_msg("%.*s: %s", (int)path.len, path.p, err.text);
    assert_int_equal(mr_folder_check(path, &err), MR_OK);
}

static void refused(struct mr_span path, const char *why)
{
    struct mr_error err = {0};
    if (mr_path_check(path, &err) != MR_FAIL)
        fail_msg("%.*s was taken", (int)path.len, path.p);
    assert_int_equal(err.class, MR_CLASS_REJECT);
    if (!strstr(err.text, why))
        fail_msg("%.*s: %s, wanted %s", (int)path.len, path.p, err.text, why);
}

#define LITERAL(s) ((struct mr_span){"" s, sizeof(s) - 1})

static void test_good(void **state)
{
    (void)state;
    taken(LITERAL("/a"));
    taken(LITERAL("/a/b c/.hidden/..."));
    taken(LITERAL("/\xc3\xa4/\xe6\x97\xa5\xe6\x9c\xac/\xf0\x9f\x98\x80"));
    taken(LITERAL("/100% sure/a+b=c&d?e#f\\g"));
    taken(LITERAL("/\xea\xb0\x80"));     /* a precomposed Hangul syllable */
    taken(LITERAL("/\xf4\x8f\xbf\xbd")); /* U+10FFFD, the last private one */
}

static void test_shape(void **state)
{
    (void)state;
    struct mr_error err = {0};
    refused(LITERAL(""), "must start");
    refused(LITERAL("a/b"), "must start");
    refused(LITERAL("/"), "empty segment");
    refused(LITERAL("/a/"), "empty segment");
    refused(LITERAL("//a"), "empty segment");
    refused(LITERAL("/a//b"), "empty segment");
    refused(LITERAL("/."), "\".\"");
    refused(LITERAL("/.."), "\"..\"");
    refused(LITERAL("/a/../b"), "\"..\"");
    refused(LITERAL("/a/./b"), "\".\"");
    assert_int_equal(mr_folder_check(LITERAL("/"), &err), MR_OK);
    assert_int_equal(mr_folder_check(LITERAL("/a/"), &err), MR_FAIL);
}

static void test_lengths(void **state)
{
    (void)state;
    char path[MR_PATH_MAX + 2];
    memset(path, 'a', sizeof(path));
    path[0] = '/';
    taken((struct mr_span){path, 256});
    refused((struct mr_span){path, 257}, "more than 255 bytes");
    for (size_t i = 0; i < sizeof(path); i += 200)
        path[i] = '/';
    taken((struct mr_span){path, MR_PATH_MAX});
    refused((struct mr_span){path, MR_PATH_MAX + 1}, "more than 1024 bytes");
}

static void test_characters(void **state)
{
    (void)state;
    refused(LITERAL("/a\0b"), "U+0000 at byte 2");
    refused(LITERAL("/a\n"), "U+000A");
    refused(LITERAL("/\x1f"), "U+001F");
    refused(LITERAL("/\x7f"), "U+007F");
    refused(LITERAL("/\xc2\x85"), "U+0085");
    refused(LITERAL("/\xc2\x9f"), "U+009F");
    refused(LITERAL("/\xc0\xaf"), "not UTF-8 at byte 1"); /* overlong "/" */
    refused(LITERAL("/\xe0\x80\xaf"), "not UTF-8");       /* longer still */
    refused(LITERAL("/\xf0\x80\x80\xaf"), "not UTF-8");
    refused(LITERAL("/\xed\xa0\x80"), "not UTF-8");     /* a high surrogate */
    refused(LITERAL("/\xed\xbf\xbf"), "not UTF-8");     /* a low one */
    refused(LITERAL("/\xf4\x90\x80\x80"), "not UTF-8"); /* past U+10FFFF */
    refused(LITERAL("/\xff"), "not UTF-8");
    refused(LITERAL("/a\xc3"), "not UTF-8 at byte 2"); /* cut off */
    refused(LITERAL("/\x80"), "not UTF-8");
}

static void test_nfc(void **state)
{
    (void)state;
    refused(LITERAL("/a\xcc\x88"), "normalization form C");                 /* a + U+0308 */
    refused(LITERAL("/\xe1\x84\x80\xe1\x85\xa1"), "normalization form C");  /* conjoining Hangul */
    refused(LITERAL("/\xe2\x84\xab"), "normalization form C");              /* ANGSTROM SIGN */
    refused(LITERAL("/a\xcc\xa3\xcc\x87\xcc\xa3"), "normalization form C"); /* marks out of order */
    taken(LITERAL("/\xcc\x88"));                                            /* a mark alone is what it is */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_good),       cmocka_unit_test(test_shape), cmocka_unit_test(test_lengths),
        cmocka_unit_test(test_characters), cmocka_unit_test(test_nfc),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
