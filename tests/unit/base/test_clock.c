#include "base/clock.h"

#include <string.h>
#include <time.h>

#include "support/cmocka.h"

static const struct {
    int64_t us;
    const char *text;
} known[] = {
    {0, "1970-01-01T00:00:00.000000Z"},
    {1, "1970-01-01T00:00:00.000001Z"},
    {-1, "1969-12-31T23:59:59.999999Z"},
    {INT64_C(951782400000000), "2000-02-29T00:00:00.000000Z"},
    {INT64_C(1767323045678901), "2026-01-02T03:04:05.678901Z"},
    {INT64_C(4107542399999999), "2100-02-28T23:59:59.999999Z"},
    {INT64_C(4107542400000000), "2100-03-01T00:00:00.000000Z"},
    {INT64_C(253402300799999999), "9999-12-31T23:59:59.999999Z"},
    {INT64_C(-62167219200000000), "0000-01-01T00:00:00.000000Z"},
};

static void known_times_both_ways(void **state)
{
    (void)state;
    for (size_t i = 0; i < CASES(known); i++) {
        char text[MR_RFC3339_SIZE];
        int64_t us;
        assert_string_equal(mr_rfc3339(known[i].us, text), known[i].text);
        assert_true(mr_rfc3339_parse(known[i].text, &us));
        assert_int_equal(us, known[i].us);
    }
}

static void agrees_with_the_c_library(void **state)
{
    (void)state;
    for (int64_t day = -200000; day < 200000; day += 13) {
        time_t seconds = (time_t)(day * 86400 + day % 86400);
        struct tm tm;
        char expected[MR_RFC3339_SIZE], text[MR_RFC3339_SIZE];
        int64_t us;
        gmtime_r(&seconds, &tm);
        strftime(expected, sizeof(expected), "%Y-%m-%dT%H:%M:%S.000000Z", &tm);
        assert_string_equal(mr_rfc3339(seconds * INT64_C(1000000), text), expected);
        assert_true(mr_rfc3339_parse(text, &us));
        assert_int_equal(us, seconds * INT64_C(1000000));
    }
}

static void now_survives_the_round_trip(void **state)
{
    (void)state;
    char text[MR_RFC3339_SIZE];
    int64_t us, now = mr_wall_us();
    assert_true(mr_rfc3339_parse(mr_rfc3339(now, text), &us));
    assert_int_equal(us, now);
}

static void years_outside_four_digits_are_clamped(void **state)
{
    (void)state;
    char text[MR_RFC3339_SIZE];
    assert_string_equal(mr_rfc3339(INT64_MAX, text), "9999-12-31T23:59:59.999999Z");
    assert_string_equal(mr_rfc3339(INT64_MIN, text), "0000-01-01T00:00:00.000000Z");
}

static void what_else_rfc3339_allows(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        int64_t us;
    } cases[] = {
        {"1970-01-01T00:00:01Z", 1000000},         {"1970-01-01t00:00:01z", 1000000},
        {"1970-01-01T01:00:01+01:00", 1000000},    {"1969-12-31T19:30:00-04:30", 0},
        {"1970-01-01T00:00:00.5Z", 500000},        {"1970-01-01T00:00:00.123456789Z", 123456},
        {"1998-12-31T23:59:60Z", 915148800000000},
    };
    for (size_t i = 0; i < CASES(cases); i++) {
        int64_t us = -1;
        assert_true(mr_rfc3339_parse(cases[i].text, &us));
        assert_int_equal(us, cases[i].us);
    }
}

static void nonsense_is_refused(void **state)
{
    (void)state;
    static const char *const cases[] = {
        "",
        "2026",
        "2026-01-02",
        "2026-01-02T03:04:05",
        "2026-01-02 03:04:05Z",
        "2026-13-02T03:04:05Z",
        "2026-00-02T03:04:05Z",
        "2026-02-29T03:04:05Z",
        "2100-02-29T03:04:05Z",
        "2026-04-31T03:04:05Z",
        "2026-01-00T03:04:05Z",
        "2026-01-02T24:04:05Z",
        "2026-01-02T03:60:05Z",
        "2026-01-02T03:04:61Z",
        "2026-01-02T03:04:05.Z",
        "2026-01-02T03:04:05.1",
        "2026-01-02T03:04:05Zx",
        "2026-01-02T03:04:05+1:00",
        "2026-01-02T03:04:05+24:00",
        "2026-01-02T03:04:05+01:60",
        "2026-01-02T03:04:05+0100",
        "+026-01-02T03:04:05Z",
    };
    for (size_t i = 0; i < CASES(cases); i++) {
        int64_t us;
        assert_false(mr_rfc3339_parse(cases[i], &us));
    }
}

static void sleeping_takes_as_long_as_said(void **state)
{
    (void)state;
    int64_t before = mr_mono_us();
    mr_sleep_ms(20);
    assert_true(mr_mono_us() - before >= 20000);
    before = mr_mono_ms();
    mr_sleep_ms(0);
    mr_sleep_ms(-5);
    assert_true(mr_mono_ms() - before < 1000);
}

static void backoff_stays_in_its_bounds(void **state)
{
    (void)state;
    for (int attempt = 0; attempt < 80; attempt++) {
        int64_t high = attempt < 20 ? INT64_C(100) << attempt : 5000;
        high = high > 5000 ? 5000 : high;
        int64_t least = INT64_MAX, most = 0;
        for (int i = 0; i < 300; i++) {
            int64_t ms = mr_backoff_ms(attempt, 100, 5000);
            assert_in_range(ms, 50, high);
            least = ms < least ? ms : least;
            most = ms > most ? ms : most;
        }
        assert_true(most > least); /* jitter */
    }
}

static void backoff_at_the_edges(void **state)
{
    (void)state;
    assert_int_equal(mr_backoff_ms(3, 0, 0), 0);
    assert_int_equal(mr_backoff_ms(0, 100, 10), 10);
    assert_in_range(mr_backoff_ms(0, 1, 1), 0, 1);
    assert_true(mr_backoff_ms(1000, INT64_MAX / 2, INT64_MAX) > 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(known_times_both_ways),
        cmocka_unit_test(agrees_with_the_c_library),
        cmocka_unit_test(now_survives_the_round_trip),
        cmocka_unit_test(years_outside_four_digits_are_clamped),
        cmocka_unit_test(what_else_rfc3339_allows),
        cmocka_unit_test(nonsense_is_refused),
        cmocka_unit_test(sleeping_takes_as_long_as_said),
        cmocka_unit_test(backoff_stays_in_its_bounds),
        cmocka_unit_test(backoff_at_the_edges),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
