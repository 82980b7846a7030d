#include "base/clock.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>
#include <time.h>

#define US_PER_S  INT64_C(1000000)
#define S_PER_DAY INT64_C(86400)

int64_t mr_wall_us(void)
{
    struct timespec t;
    clock_gettime(CLOCK_REALTIME, &t);
    return (int64_t)t.tv_sec * US_PER_S + t.tv_nsec / 1000;
}

int64_t mr_mono_us(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * US_PER_S + t.tv_nsec / 1000;
}

int64_t mr_mono_ms(void)
{
    return mr_mono_us() / 1000;
}

void mr_sleep_ms(int64_t ms)
{
    if (ms <= 0)
        return;
    struct timespec left = {.tv_sec = (time_t)(ms / 1000), .tv_nsec = (long)(ms % 1000) * 1000000};
    while (clock_nanosleep(CLOCK_MONOTONIC, 0, &left, &left) == EINTR)
        continue;
}

/* Proleptic Gregorian days since 1970-01-01 and back, in closed form (Howard Hinnant, "chrono-compatible
 * low-level date algorithms"): years start in March, so that the leap day is a year's last. */
static int64_t days_of_date(int64_t year, int month, int day)
{
    year -= month <= 2;
    int64_t era = (year >= 0 ? year : year - 399) / 400;
    int64_t of_era = year - era * 400;
    int64_t of_year = (153 * (month + (month > 2 ? -3 : 9)) + 2) / 5 + day - 1;
    return era * 146097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719468;
}

static void date_of_days(int64_t days, int64_t *year, int *month, int *day)
{
    days += 719468;
    int64_t era = (days >= 0 ? days : days - 146096) / 146097;
    int64_t of_era = days - era * 146097;
    int64_t year_of_era = (of_era - of_era / 1460 + of_era / 36524 - of_era / 146096) / 365;
    int64_t of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    int64_t from_march = (5 * of_year + 2) / 153;
    *day = (int)(of_year - (153 * from_march + 2) / 5 + 1);
    *month = (int)(from_march < 10 ? from_march + 3 : from_march - 9);
    *year = year_of_era + era * 400 + (*month <= 2);
}

const char *mr_rfc3339(int64_t us, char *out)
{
    int64_t seconds = us / US_PER_S - (us % US_PER_S < 0);
    int64_t micros = us % US_PER_S + (us % US_PER_S < 0 ? US_PER_S : 0);
    int64_t days = seconds / S_PER_DAY - (seconds % S_PER_DAY < 0);
    unsigned of_day = (unsigned)(seconds - days * S_PER_DAY);
    int64_t year;
    int month, day;
    date_of_days(days, &year, &month, &day);
    /* RFC 3339 has four-digit years; what lies outside is clamped rather than written as something else. */
    if (year < 0 || year > 9999)
        return strcpy(out, year < 0 ? "0000-01-01T00:00:00.000000Z" : "9999-12-31T23:59:59.999999Z");
    snprintf(out, MR_RFC3339_SIZE, "%04u-%02u-%02uT%02u:%02u:%02u.%06uZ", (unsigned)year % 10000,
             (unsigned)month % 100, (unsigned)day % 100, of_day / 3600 % 24, of_day / 60 % 60, of_day % 60,
             (unsigned)micros % 1000000);
    return out;
}

/* Exactly n digits; moves *s past them. */
static bool digits(const char **s, int n, int *out)
{
    int value = 0;
    for (int i = 0; i < n; i++, (*s)++) {
        if (**s < '0' || **s > '9')
            return false;
        value = value * 10 + (**s - '0');
    }
    *out = value;
    return true;
}

static bool literal(const char **s, char c)
{
    char have = **s;
    if (have >= 'a' && have <= 'z')
        have = (char)(have - 'a' + 'A'); /* RFC 3339 allows t and z */
    if (have != c)
        return false;
    (*s)++;
    return true;
}

static int days_in_month(int year, int month)
{
    static const int days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    bool leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
    return month == 2 && leap ? 29 : days[month - 1];
}

static bool fraction(const char **s, int64_t *us)
{
    *us = 0;
    if (**s != '.')
        return true;
    (*s)++;
    int64_t unit = US_PER_S / 10;
    const char *start = *s;
    for (; **s >= '0' && **s <= '9'; (*s)++, unit /= 10)
        *us += (**s - '0') * unit;
    return *s > start;
}

static bool zone(const char **s, int64_t *seconds)
{
    *seconds = 0;
    if (literal(s, 'Z'))
        return true;
    int sign = **s == '-' ? -1 : 1;
    int hours, minutes;
    if (**s != '+' && **s != '-')
        return false;
    (*s)++;
    if (!digits(s, 2, &hours) || !literal(s, ':') || !digits(s, 2, &minutes) || hours > 23 || minutes > 59)
        return false;
    *seconds = sign * (hours * 3600 + minutes * 60);
    return true;
}

bool mr_rfc3339_parse(const char *s, int64_t *us)
{
    int year, month, day, hour, minute, second;
    int64_t micros, offset;
    if (!digits(&s, 4, &year) || !literal(&s, '-') || !digits(&s, 2, &month) || !literal(&s, '-') ||
        !digits(&s, 2, &day) || !literal(&s, 'T') || !digits(&s, 2, &hour) || !literal(&s, ':') ||
        !digits(&s, 2, &minute) || !literal(&s, ':') || !digits(&s, 2, &second) || !fraction(&s, &micros) ||
        !zone(&s, &offset) || *s != '\0')
        return false;
    if (month < 1 || month > 12 || day < 1 || day > days_in_month(year, month) || hour > 23 || minute > 59 ||
        second > 60)
        return false;
    int64_t seconds =
        days_of_date(year, month, day) * S_PER_DAY + hour * 3600 + minute * 60 + second - offset;
    *us = seconds * US_PER_S + micros;
    return true;
}

int64_t mr_backoff_ms(int attempt, int64_t base_ms, int64_t cap_ms)
{
    int64_t high = base_ms;
    for (int i = 0; i < attempt && high < cap_ms; i++)
        high = high > INT64_MAX / 2 ? INT64_MAX : high * 2;
    if (high > cap_ms)
        high = cap_ms;
    int64_t low = base_ms / 2;
    if (high <= low)
        return high;
    uint64_t random = 0;
    if (getrandom(&random, sizeof(random), GRND_NONBLOCK) != (ssize_t)sizeof(random))
        random = (uint64_t)mr_mono_us(); /* before the pool is seeded any spread will do */
    return low + (int64_t)(random % (uint64_t)(high - low + 1));
}
