#include "base/crash.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "support/child.h"
#include "support/cmocka.h"

static const char *const points[] = {"upload.before", "upload.after", "relay.once", NULL};

struct visit {
    const char *setting; /* MR_CRASH_AT; NULL: not set */
    const char *point;
    int passes;
    const char *const *names;
};

/* Prints a dot for each pass that was survived. */
static void pass_points(void *ctx)
{
    const struct visit *v = ctx;
    if (v->setting)
        setenv("MR_CRASH_AT", v->setting, 1);
    else
        unsetenv("MR_CRASH_AT");
    mr_crash_open(v->names);
    for (int i = 0; i < v->passes; i++) {
        mr_crash_point(v->point);
        if (write(STDOUT_FILENO, ".", 1) != 1)
            abort();
    }
}

static struct child result;

static void visit(const char *setting, const char *point, int passes)
{
    struct visit v = {setting, point, passes, points};
    child_run(pass_points, &v, &result);
}

static void dies_at_the_named_point_only(void **state)
{
    (void)state;
    visit("upload.before", "upload.before", 3);
    assert_int_equal(result.exit_status, 137);
    assert_string_equal(result.out, "");
    visit("upload.before", "upload.after", 3);
    assert_int_equal(result.exit_status, 0);
    assert_string_equal(result.out, "...");
}

static void dies_at_the_nth_pass(void **state)
{
    (void)state;
    for (int n = 1; n <= 3; n++) {
        char setting[32];
        snprintf(setting, sizeof(setting), "upload.after:%d", n);
        visit(setting, "upload.after", 5);
        assert_int_equal(result.exit_status, 137);
        assert_int_equal(strlen(result.out), n - 1);
    }
    visit("upload.after:6", "upload.after", 5);
    assert_int_equal(result.exit_status, 0);
}

static void every_point_of_a_program_can_be_visited(void **state)
{
    (void)state;
    for (size_t i = 0; points[i]; i++) {
        visit(points[i], points[i], 1);
        assert_int_equal(result.exit_status, 137);
    }
}

static void a_foreign_name_is_ignored(void **state)
{
    (void)state;
    visit("metadata.before", "upload.after", 2);
    assert_int_equal(result.exit_status, 0);
    visit("", "upload.after", 2);
    assert_int_equal(result.exit_status, 0);
    visit(NULL, "upload.after", 2);
    assert_int_equal(result.exit_status, 0);
}

static void a_bad_count_is_refused(void **state)
{
    (void)state;
    static const char *const settings[] = {"upload.after:", "upload.after:0", "upload.after:-1",
                                           "upload.after:2x"};
    for (size_t i = 0; i < CASES(settings); i++) {
        visit(settings[i], "upload.after", 1);
        assert_int_equal(result.exit_status, 2);
        assert_non_null(strstr(result.err, "MR_CRASH_AT"));
    }
}

static void an_unlisted_point_is_a_bug(void **state)
{
    (void)state;
    visit("upload.after", "upload.unknown", 1);
    assert_int_equal(result.signal, SIGABRT);
    assert_non_null(strstr(result.err, "upload.unknown"));
}

static void a_program_without_points_lives(void **state)
{
    (void)state;
    struct visit v = {"upload.after", "upload.after", 0, NULL};
    child_run(pass_points, &v, &result);
    assert_int_equal(result.exit_status, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(dies_at_the_named_point_only),
        cmocka_unit_test(dies_at_the_nth_pass),
        cmocka_unit_test(every_point_of_a_program_can_be_visited),
        cmocka_unit_test(a_foreign_name_is_ignored),
        cmocka_unit_test(a_bad_count_is_refused),
        cmocka_unit_test(an_unlisted_point_is_a_bug),
        cmocka_unit_test(a_program_without_points_lives),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
