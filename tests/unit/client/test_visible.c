#include "client/visible.h"

#include <stdlib.h>
#include <string.h>

#include "support/cmocka.h"

static void check(const char *in, const char *out)
{
    char *got = mr_visible(in);
    assert_string_equal(got, out);
    free(got);
}

static void what_people_can_read_stays(void **state)
{
    (void)state;
    check("", "");
    check("plain name.txt", "plain name.txt");
    check("Ümläut 東京 🙂", "Ümläut 東京 🙂");
    check("back\\slash", "back\\slash");
}

static void what_drives_a_terminal_is_escaped(void **state)
{
    (void)state;
    check("a\nb\tc\rd", "a\\nb\\tc\\x0dd");
    check("\033]0;title\007", "\\x1b]0;title\\x07");
    check("del\x7f", "del\\x7f");
    check("c1 \xc2\x9b"
          "31m",
          "c1 \\xc2\\x9b31m"); /* CSI as one character */
    check("gpj.\xe2\x80\xae"
          "exe",
          "gpj.\\xe2\\x80\\xae"
          "exe");                             /* right-to-left override */
    check("\xe2\x81\xa6", "\\xe2\\x81\\xa6"); /* isolate */
    check("\xe2\x80\xa8", "\\xe2\\x80\\xa8"); /* line separator */
}

static void bytes_that_are_not_utf8_are_escaped_one_by_one(void **state)
{
    (void)state;
    check("\xff\xfe", "\\xff\\xfe");
    check("caf\xe9", "caf\\xe9");
    check("\xc3", "\\xc3");                   /* cut */
    check("\xc0\xaf", "\\xc0\\xaf");          /* overlong "/" */
    check("\xed\xa0\x80", "\\xed\\xa0\\x80"); /* a surrogate */
}

static void json_takes_any_name(void **state)
{
    (void)state;
    json_t *good = mr_json_name("ü");
    json_t *bad = mr_json_name("\xff");
    assert_string_equal(json_string_value(good), "ü");
    assert_string_equal(json_string_value(bad), "\\xff");
    json_decref(good);
    json_decref(bad);
}

static void the_ceiling_holds(void **state)
{
    struct mr_buf b;
    (void)state;
    mr_buf_init(&b, 10);
    mr_visible_add(&b, "123456789\n123456789");
    assert_true(b.len <= 10);
    mr_buf_free(&b);
}

static void sizes_and_durations(void **state)
{
    char out[MR_SIZE_TEXT];
    (void)state;
    assert_string_equal(mr_size_text(0, out), "0 B");
    assert_string_equal(mr_size_text(999, out), "999 B");
    assert_string_equal(mr_size_text(1000, out), "1.0 KiB");
    assert_string_equal(mr_size_text(1536, out), "1.5 KiB");
    assert_string_equal(mr_size_text(8 << 20, out), "8.0 MiB");
    assert_string_equal(mr_size_text(500LL << 20, out), "500 MiB");
    assert_string_equal(mr_size_text(INT64_MAX, out), "8192 PiB");
    assert_string_equal(mr_duration_text(-5, out), "0:00");
    assert_string_equal(mr_duration_text(7, out), "0:07");
    assert_string_equal(mr_duration_text(754, out), "12:34");
    assert_string_equal(mr_duration_text(3723, out), "1:02:03");
    assert_string_equal(mr_duration_text(INT64_MAX, out), "99:59:59");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_people_can_read_stays),
        cmocka_unit_test(what_drives_a_terminal_is_escaped),
        cmocka_unit_test(bytes_that_are_not_utf8_are_escaped_one_by_one),
        cmocka_unit_test(json_takes_any_name),
        cmocka_unit_test(the_ceiling_holds),
        cmocka_unit_test(sizes_and_durations),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
