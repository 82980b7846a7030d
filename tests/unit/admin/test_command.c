/* The command line taken apart; what each command does is tested on real servers. */
#include <stdlib.h>
#include <string.h>

#include "admin/command.h"
#include "support/cmocka.h"

static struct mr_admin admin;
static struct mr_error err;

static int parse(int argc, char **argv)
{
    mr_error_clear(&err);
    return mr_admin_parse(&admin, argc, argv, &err);
}

#define PARSE(...)                                                                                           \
    parse((int)(sizeof((char *[]){"mr-admin", __VA_ARGS__}) / sizeof(char *)),                               \
          (char *[]){"mr-admin", __VA_ARGS__, NULL})

static void finds_commands_of_one_and_two_words(void **state)
{
    (void)state;
    assert_int_equal(PARSE("migrate"), MR_ADMIN_RUN);
    assert_string_equal(admin.command->name, "migrate");
    assert_int_equal(PARSE("topics", "describe", "a", "b"), MR_ADMIN_RUN);
    assert_string_equal(admin.command->name, "topics describe");
    assert_int_equal(admin.n_args, 2);
    assert_string_equal(admin.args[1], "b");
}

static void settings_go_anywhere_and_take_their_value(void **state)
{
    (void)state;
    assert_int_equal(
        PARSE("--brokers", "topics", "topics", "--profile", "local", "apply", "--topics-file=x.json"),
        MR_ADMIN_RUN);
    assert_string_equal(admin.command->name, "topics apply");
    assert_string_equal(admin.cfg.brokers, "topics");
    assert_string_equal(admin.cfg.topics_file, "x.json");
    assert_string_equal(admin.opt.profile, "local");
}

static void options_know_whether_they_were_given(void **state)
{
    (void)state;
    assert_int_equal(PARSE("dlq", "replay", "metadata", "--partition=3", "--offset", "17"), MR_ADMIN_RUN);
    assert_true(mr_admin_given(&admin, MR_OPT_PARTITION));
    assert_false(mr_admin_given(&admin, MR_OPT_ALL));
    assert_string_equal(admin.opt.partition, "3");
    assert_string_equal(admin.opt.offset, "17");
    assert_int_equal(PARSE("dlq", "replay", "metadata", "--all"), MR_ADMIN_RUN);
    assert_true(mr_admin_given(&admin, MR_OPT_ALL));
    assert_null(admin.opt.partition);
}

static void misuse_says_what_is_wrong(void **state)
{
    (void)state;
    assert_int_equal(PARSE("nothing"), MR_ADMIN_MISUSE);
    assert_non_null(strstr(err.text, "`nothing`"));
    assert_int_equal(PARSE("topics"), MR_ADMIN_MISUSE);
    assert_non_null(strstr(err.text, "which of the topics commands"));
    assert_int_equal(PARSE("migrate", "extra"), MR_ADMIN_MISUSE);
    assert_int_equal(PARSE("dlq", "show", "metadata"), MR_ADMIN_MISUSE);
    assert_non_null(strstr(err.text, "usage: mr-admin dlq show"));
    assert_int_equal(PARSE("user", "list", "--worker", "x"), MR_ADMIN_MISUSE);
    assert_non_null(strstr(err.text, "no option --worker"));
    assert_int_equal(PARSE("dlq", "list", "--worker"), MR_ADMIN_MISUSE);
    assert_int_equal(PARSE("migrate", "--such-a-thing", "1"), MR_ADMIN_MISUSE);
}

static void too_many_words_are_refused(void **state)
{
    (void)state;
    char *argv[200] = {"mr-admin", "topics", "describe"};
    for (int i = 3; i < 199; i++)
        argv[i] = "t";
    assert_int_equal(parse(199, argv), MR_ADMIN_MISUSE);
    assert_non_null(strstr(err.text, "more than"));
}

static void numbers_are_whole_and_in_range(void **state)
{
    (void)state;
    int64_t n = 0;
    assert_int_equal(mr_admin_number("17", "an offset", 0, 100, &n, &err), MR_OK);
    assert_int_equal(n, 17);
    const char *const bad[] = {"", "x", "1x", "-1", "101", "99999999999999999999"};
    for (size_t i = 0; i < CASES(bad); i++) {
        assert_int_equal(mr_admin_number(bad[i], "an offset", 0, 100, &n, &err), MR_FAIL);
        assert_non_null(strstr(err.text, "is not an offset"));
    }
}

int main(void)
{
    const struct CMUnitTest cases[] = {
        cmocka_unit_test(finds_commands_of_one_and_two_words),
        cmocka_unit_test(settings_go_anywhere_and_take_their_value),
        cmocka_unit_test(options_know_whether_they_were_given),
        cmocka_unit_test(misuse_says_what_is_wrong),
        cmocka_unit_test(too_many_words_are_refused),
        cmocka_unit_test(numbers_are_whole_and_in_range),
    };
    return cmocka_run_group_tests(cases, NULL, NULL);
}
