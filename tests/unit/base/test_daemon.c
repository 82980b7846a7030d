#include "base/daemon.h"

#include <stdlib.h>
#include <string.h>

#include "base/crash.h"
#include "base/log.h"
#include "base/stop.h"
#include "support/child.h"
#include "support/cmocka.h"

static const char *const points[] = {"test.before", "test.after", NULL};
static const struct mr_daemon daemon_ = {MR_P_API, "mr-api", "serves the namespace", points};

static struct child result;

struct start {
    char *argv[8];
    const char *crash_at;
};

static void start(void *ctx)
{
    struct start *s = ctx;
    struct mr_config cfg;
    int argc = 0;
    while (s->argv[argc])
        argc++;
    if (s->crash_at)
        setenv("MR_CRASH_AT", s->crash_at, 1);
    mr_daemon_start(&daemon_, argc, s->argv, &cfg);
    mr_crash_point("test.before");
    mr_log(MR_LOG_DEBUG, "seen when asked for");
    mr_stop_request();
    if (!mr_stop_wait(-1))
        abort();
}

static void run(struct start s)
{
    child_run(start, &s, &result);
}

static void starts_with_all_that_a_daemon_has(void **state)
{
    (void)state;
    run((struct start){.argv = {"mr-api"}});
    assert_int_equal(result.exit_status, 0);
    assert_non_null(
        strstr(result.err, "\"program\":\"mr-api\",\"msg\":\"starting\",\"version\":\"" MR_VERSION "\""));
    assert_null(strstr(result.err, "seen when asked for"));
}

static void the_log_level_is_a_setting(void **state)
{
    (void)state;
    static const struct {
        char *level;
        int lines;
    } cases[] = {{"debug", 2}, {"info", 1}, {"warn", 0}, {"error", 0}};
    for (size_t i = 0; i < CASES(cases); i++) {
        int lines = 0;
        run((struct start){.argv = {"mr-api", "--log-level", cases[i].level}});
        for (const char *p = result.err; *p; p++)
            lines += *p == '\n';
        assert_int_equal(lines, cases[i].lines);
    }
}

static void a_bad_configuration_is_one_clear_line(void **state)
{
    (void)state;
    run((struct start){.argv = {"mr-api", "--http-threads", "0"}});
    assert_int_equal(result.exit_status, 2);
    assert_string_equal(result.err, "mr-api: http.threads (--http-threads): 0 is out of range, 1 to 256\n");
    run((struct start){.argv = {"mr-api", "word"}});
    assert_int_equal(result.exit_status, 2);
    assert_string_equal(result.err, "mr-api: unexpected argument word\n");
}

static void kill_points_are_listed_and_work(void **state)
{
    (void)state;
    run((struct start){.argv = {"mr-api", "--kill-points"}});
    assert_int_equal(result.exit_status, 0);
    assert_string_equal(result.out, "test.before\ntest.after\n");
    run((struct start){.argv = {"mr-api"}, .crash_at = "test.before"});
    assert_int_equal(result.exit_status, 137);
    run((struct start){.argv = {"mr-api"}, .crash_at = "test.after"});
    assert_int_equal(result.exit_status, 0);
}

static void end_with(void *ctx)
{
    struct mr_error err;
    mr_log_open("mr-api", MR_LOG_INFO);
    mr_error_set(&err, *(enum mr_error_class *)ctx, 7, "no such bucket");
    exit(mr_daemon_fail(&daemon_, &err));
}

static void failing_says_why(void **state)
{
    (void)state;
    enum mr_error_class fatal = MR_CLASS_FATAL, retry = MR_CLASS_RETRY;
    child_run(end_with, &fatal, &result);
    assert_int_equal(result.exit_status, 70);
    assert_non_null(strstr(result.err, "\"msg\":\"no such bucket\",\"class\":\"fatal\",\"code\":7}"));
    child_run(end_with, &retry, &result);
    assert_int_equal(result.exit_status, 75);
}

static int set_up(void **state)
{
    (void)state;
    return clearenv();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(starts_with_all_that_a_daemon_has),
        cmocka_unit_test(the_log_level_is_a_setting),
        cmocka_unit_test(a_bad_configuration_is_one_clear_line),
        cmocka_unit_test(kill_points_are_listed_and_work),
        cmocka_unit_test(failing_says_why),
    };
    return cmocka_run_group_tests(tests, set_up, NULL);
}
