#include "cache/url.h"

#include <stdio.h>
#include <string.h>

#include "support/cmocka.h"

static void what_a_url_says(void **state)
{
    (void)state;
    static const struct {
        const char *url, *host, *user, *password;
        int port, db;
    } cases[] = {
        {"redis://h", "h", "", "", 6379, 0},
        {"redis://h/", "h", "", "", 6379, 0},
        {"redis://127.0.0.1:7000/3", "127.0.0.1", "", "", 7000, 3},
        {"redis://:secret@h:1/0", "h", "", "secret", 1, 0},
        {"redis://ann:p%40ss%2Fw@h", "h", "ann", "p@ss/w", 6379, 0},
        {"redis://ann@h", "h", "ann", "", 6379, 0},
        {"redis://a:b@c@h", "h", "a", "b@c", 6379, 0},
        {"redis://[::1]:7000", "::1", "", "", 7000, 0},
        {"redis://[::1]", "::1", "", "", 6379, 0},
    };
    for (size_t i = 0; i < CASES(cases); i++) {
        struct mr_cache_url u;
        assert_true(mr_cache_url_parse(cases[i].url, &u));
        assert_string_equal(u.host, cases[i].host);
        assert_string_equal(u.user, cases[i].user);
        assert_string_equal(u.password, cases[i].password);
        assert_int_equal(u.port, cases[i].port);
        assert_int_equal(u.db, cases[i].db);
    }
}

static void other_urls_are_refused(void **state)
{
    (void)state;
    static const char *const cases[] = {"",
                                        "h:6379",
                                        "http://h",
                                        "rediss://h",
                                        "redis://",
                                        "redis:///1",
                                        "redis://:6379",
                                        "redis://h:",
                                        "redis://h:x",
                                        "redis://h:65536",
                                        "redis://h/x",
                                        "redis://h/1/2",
                                        "redis://h/99999999999",
                                        "redis://u%4@h",
                                        "redis://u%4x@h",
                                        "redis://u%00@h",
                                        "redis://[::1",
                                        "redis://[::1]x",
                                        "redis://[]"};
    for (size_t i = 0; i < CASES(cases); i++) {
        struct mr_cache_url u;
        if (mr_cache_url_parse(cases[i], &u))
            fail_msg("%s was taken", cases[i]);
    }
}

static void parts_have_a_ceiling(void **state)
{
    (void)state;
    char url[400];
    struct mr_cache_url u;
    snprintf(url, sizeof(url), "redis://:%0255d@h", 0);
    assert_true(mr_cache_url_parse(url, &u));
    assert_int_equal(strlen(u.password), 255);
    snprintf(url, sizeof(url), "redis://:%0256d@h", 0);
    assert_false(mr_cache_url_parse(url, &u));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_a_url_says),
        cmocka_unit_test(other_urls_are_refused),
        cmocka_unit_test(parts_have_a_ceiling),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
