#include "base/log.h"

#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "support/child.h"
#include "support/cmocka.h"

static struct child result;

/* The single line a function logged, as JSON. */
static json_t *line_of(void (*fn)(void *), void *ctx)
{
    json_error_t why;
    child_run(fn, ctx, &result);
    assert_int_equal(result.exit_status, 0);
    size_t n = strlen(result.err);
    assert_true(n > 0 && result.err[n - 1] == '\n');
    assert_ptr_equal(strchr(result.err, '\n'), result.err + n - 1);
    json_t *line = json_loads(result.err, JSON_REJECT_DUPLICATES, &why);
    assert_non_null(line);
    return line;
}

static const char *text_of(json_t *line, const char *name)
{
    return json_string_value(json_object_get(line, name));
}

static void log_plain(void *ctx)
{
    (void)ctx;
    mr_log_open("mr-test", MR_LOG_INFO);
    errno = ENOENT;
    mr_log(MR_LOG_WARN, "it \"works\"", mr_log_str("path", "a\\b"), mr_log_int("n", INT64_MIN),
           mr_log_str("none", NULL));
    if (errno != ENOENT)
        mr_log(MR_LOG_ERROR, "errno was changed");
}

static void a_line_has_its_members(void **state)
{
    (void)state;
    int64_t us;
    json_t *line = line_of(log_plain, NULL);
    assert_true(mr_rfc3339_parse(text_of(line, "ts"), &us));
    assert_string_equal(text_of(line, "level"), "warn");
    assert_string_equal(text_of(line, "program"), "mr-test");
    assert_string_equal(text_of(line, "msg"), "it \"works\"");
    assert_string_equal(text_of(line, "path"), "a\\b");
    assert_string_equal(text_of(line, "none"), "");
    assert_int_equal(json_integer_value(json_object_get(line, "n")), INT64_MIN);
    json_decref(line);
}

static void log_text(void *ctx)
{
    mr_log(MR_LOG_INFO, "m", mr_log_str("t", ctx));
}

static void assert_logged_as(const char *given, const char *expected)
{
    char copy[64];
    snprintf(copy, sizeof(copy), "%s", given);
    json_t *line = line_of(log_text, copy);
    assert_string_equal(text_of(line, "t"), expected);
    json_decref(line);
}

#define BAD "\xef\xbf\xbd"

static void strings_are_escaped(void **state)
{
    (void)state;
    assert_logged_as("\b\f\n\r\t\"\\/\x01\x1f\x7f", "\b\f\n\r\t\"\\/\x01\x1f\x7f");
    assert_logged_as("gr\xc3\xbc\xc3\x9f \xe2\x82\xac \xf0\x9f\x8c\x8a",
                     "gr\xc3\xbc\xc3\x9f \xe2\x82\xac \xf0\x9f\x8c\x8a");
}

static void invalid_utf8_is_replaced(void **state)
{
    (void)state;
    assert_logged_as("a\xff"
                     "b",
                     "a" BAD "b");
    assert_logged_as("\xc3", BAD);
    assert_logged_as("\xc0\xaf", BAD BAD);                 /* overlong */
    assert_logged_as("\xe0\x80\xaf", BAD BAD BAD);         /* overlong */
    assert_logged_as("\xed\xa0\x80", BAD BAD BAD);         /* a surrogate */
    assert_logged_as("\xf4\x90\x80\x80", BAD BAD BAD BAD); /* above U+10FFFF */
    assert_logged_as("\xf0\x9f\x8c", BAD BAD BAD);         /* cut short */
    assert_logged_as("\xe2\x82z", BAD BAD "z");
    assert_logged_as("\xf4\x8f\xbf\xbf\xed\x9f\xbf", "\xf4\x8f\xbf\xbf\xed\x9f\xbf");
}

static void log_long(void *ctx)
{
    static char text[6001];
    const char *unit = ctx;
    for (size_t i = 0; i + strlen(unit) < sizeof(text); i += strlen(unit))
        memcpy(text + i, unit, strlen(unit));
    mr_log(MR_LOG_INFO, "m", mr_log_str("t", text), mr_log_int("after", 1));
}

static void long_strings_are_cut_between_characters(void **state)
{
    (void)state;
    json_t *line = line_of(log_long, "x");
    assert_int_equal(strlen(text_of(line, "t")), 2048);
    assert_int_equal(json_integer_value(json_object_get(line, "after")), 1);
    json_decref(line);
    line = line_of(log_long, "\xe2\x82\xac");
    assert_int_equal(strlen(text_of(line, "t")), 2046);
    json_decref(line);
    line = line_of(log_long, "\x01");
    assert_int_equal(strlen(text_of(line, "t")), 2048);
    json_decref(line);
}

static void log_too_much(void *ctx)
{
    (void)ctx;
    static char text[3000];
    memset(text, 1, sizeof(text) - 1);
    mr_log(MR_LOG_INFO, "m", mr_log_str("a", text), mr_log_str("b", text), mr_log_int("c", 1));
}

static void a_line_too_long_says_so(void **state)
{
    (void)state;
    json_t *line = line_of(log_too_much, NULL);
    assert_non_null(text_of(line, "a"));
    assert_null(text_of(line, "b"));
    assert_true(json_is_true(json_object_get(line, "truncated")));
    json_decref(line);
}

static void log_all_levels(void *ctx)
{
    mr_log_open("mr-test", *(enum mr_log_level *)ctx);
    mr_log(MR_LOG_DEBUG, "d");
    mr_log(MR_LOG_INFO, "i");
    mr_log(MR_LOG_WARN, "w");
    mr_log(MR_LOG_ERROR, "e");
}

static void lower_levels_are_left_out(void **state)
{
    (void)state;
    for (enum mr_log_level least = MR_LOG_DEBUG; least <= MR_LOG_ERROR; least++) {
        child_run(log_all_levels, &least, &result);
        int lines = 0;
        for (const char *p = result.err; *p; p++)
            lines += *p == '\n';
        assert_int_equal(lines, MR_LOG_ERROR - least + 1);
    }
}

enum { THREADS = 4, EACH = 200 };

static void *log_many(void *ctx)
{
    char text[300];
    memset(text, 'a' + *(int *)ctx, sizeof(text) - 1);
    text[sizeof(text) - 1] = '\0';
    for (int i = 0; i < EACH; i++)
        mr_log(MR_LOG_INFO, "m", mr_log_str("t", text));
    return NULL;
}

static void log_from_threads(void *ctx)
{
    (void)ctx;
    pthread_t threads[THREADS];
    int numbers[THREADS];
    for (int i = 0; i < THREADS; i++) {
        numbers[i] = i;
        pthread_create(&threads[i], NULL, log_many, &numbers[i]);
    }
    for (int i = 0; i < THREADS; i++)
        pthread_join(threads[i], NULL);
}

/* A file opened to append, as a log is: each write(2) is one line. */
static void to_a_file(void *ctx)
{
    int fd = *(int *)ctx;
    dup2(fd, STDERR_FILENO);
    log_from_threads(NULL);
}

static void lines_of_threads_do_not_mix(void **state)
{
    (void)state;
    char path[] = "/tmp/mr-log.XXXXXX", text[1000];
    int fd = mkostemp(path, O_APPEND);
    assert_true(fd >= 0);
    child_run(to_a_file, &fd, &result);
    FILE *f = fopen(path, "r");
    int lines = 0;
    while (fgets(text, sizeof(text), f)) {
        json_t *line = json_loads(text, 0, NULL);
        assert_non_null(line);
        assert_int_equal(strlen(text_of(line, "t")), 299);
        json_decref(line);
        lines++;
    }
    assert_int_equal(lines, THREADS * EACH);
    fclose(f);
    close(fd);
    unlink(path);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_line_has_its_members),
        cmocka_unit_test(strings_are_escaped),
        cmocka_unit_test(invalid_utf8_is_replaced),
        cmocka_unit_test(long_strings_are_cut_between_characters),
        cmocka_unit_test(a_line_too_long_says_so),
        cmocka_unit_test(lower_levels_are_left_out),
        cmocka_unit_test(lines_of_threads_do_not_mix),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
