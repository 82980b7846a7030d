/* What one setting's text may be. */
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/config_table.h"
#include "base/span.h"

struct unit {
    const char *suffix;
    int64_t factor;
};

static const struct unit byte_units[] = {{"TiB", INT64_C(1) << 40},
                                         {"GiB", INT64_C(1) << 30},
                                         {"MiB", INT64_C(1) << 20},
                                         {"KiB", INT64_C(1) << 10},
                                         {"", 1},
                                         {NULL, 0}};
static const struct unit time_units[] = {{"d", 86400000}, {"h", 3600000}, {"min", 60000}, {"s", 1000},
                                         {"ms", 1},       {"", 1},        {NULL, 0}};
static const struct unit no_units[] = {{"", 1}, {NULL, 0}};

static const struct unit *units_of(const struct mr_setting *s)
{
    if (s->type == MR_SETTING_BYTES)
        return byte_units;
    return s->type == MR_SETTING_MS ? time_units : no_units;
}

static const char *kind_of(const struct mr_setting *s)
{
    if (s->type == MR_SETTING_BYTES)
        return "a number of bytes (KiB, MiB, GiB, TiB)";
    return s->type == MR_SETTING_MS ? "a time (ms, s, min, h, d)" : "a whole number";
}

static bool parse_number(const char *text, const struct unit *units, int64_t *out)
{
    const char *digits = text + (*text == '-');
    if (*digits < '0' || *digits > '9')
        return false; /* strtoll() would take spaces and a plus */
    char *end;
    errno = 0;
    long long value = strtoll(text, &end, 10);
    if (errno)
        return false;
    for (const struct unit *u = units; u->suffix; u++) {
        if (strcmp(end, u->suffix) == 0)
            return !__builtin_mul_overflow(value, u->factor, out);
    }
    return false;
}

static const char *format_number(const struct mr_setting *s, int64_t value, char *out, size_t size)
{
    const struct unit *u = units_of(s);
    while (u->factor > 1 && (value == 0 || value % u->factor != 0))
        u++;
    snprintf(out, size, "%" PRId64 "%s", value / u->factor, u->suffix);
    return out;
}

/* The values of a CHOICE are the words before the colon of its prose. */
static struct mr_span choices_of(const struct mr_setting *s)
{
    return (struct mr_span){s->prose, strcspn(s->prose, ":")};
}

static bool is_choice(const struct mr_setting *s, const char *text)
{
    struct mr_span rest = choices_of(s);
    while (rest.len > 0) {
        const char *bar = memchr(rest.p, '|', rest.len);
        size_t len = bar ? (size_t)(bar - rest.p) : rest.len;
        if (mr_span_is((struct mr_span){rest.p, len}, text))
            return true;
        rest.p += bar ? len + 1 : len;
        rest.len -= bar ? len + 1 : len;
    }
    return false;
}

static enum mr_status store_number(const struct mr_setting *s, const char *text, const char *origin,
                                   int64_t *out, struct mr_error *err)
{
    if (!parse_number(text, units_of(s), out))
        return mr_error_set(err, MR_CLASS_FATAL, 0, "%s (%s): \"%s\" is not %s", s->name, origin, text,
                            kind_of(s));
    char range[64];
    if (*out < s->low || *out > s->high)
        return mr_error_set(err, MR_CLASS_FATAL, 0, "%s (%s): %s is out of range, %s", s->name, origin, text,
                            mr_setting_range(s, range, sizeof(range)));
    return MR_OK;
}

enum mr_status mr_setting_store(const struct mr_setting *s, const char *text, const char *origin,
                                struct mr_config *cfg, struct mr_error *err)
{
    void *field = (char *)cfg + s->offset;
    switch (s->type) {
    case MR_SETTING_INT:
    case MR_SETTING_BYTES:
    case MR_SETTING_MS:
        return store_number(s, text, origin, field, err);
    case MR_SETTING_BOOL:
        if (strcmp(text, "true") != 0 && strcmp(text, "false") != 0)
            return mr_error_set(err, MR_CLASS_FATAL, 0, "%s (%s): \"%s\" is not true or false", s->name,
                                origin, text);
        *(bool *)field = *text == 't';
        return MR_OK;
    case MR_SETTING_CHOICE:
        if (!is_choice(s, text))
            return mr_error_set(err, MR_CLASS_FATAL, 0, "%s (%s): \"%s\" is not one of %.*s", s->name, origin,
                                text, (int)choices_of(s).len, choices_of(s).p);
        break;
    case MR_SETTING_STRING:
    case MR_SETTING_SECRET:
        break;
    }
    *(const char **)field = text;
    return MR_OK;
}

const char *mr_setting_range(const struct mr_setting *s, char *out, size_t size)
{
    char low[32], high[32];
    out[0] = '\0';
    switch (s->type) {
    case MR_SETTING_INT:
    case MR_SETTING_BYTES:
    case MR_SETTING_MS:
        snprintf(out, size, "%s to %s", format_number(s, s->low, low, sizeof(low)),
                 format_number(s, s->high, high, sizeof(high)));
        break;
    case MR_SETTING_BOOL:
        snprintf(out, size, "true|false");
        break;
    case MR_SETTING_CHOICE:
        snprintf(out, size, "%.*s", (int)choices_of(s).len, choices_of(s).p);
        break;
    case MR_SETTING_STRING:
    case MR_SETTING_SECRET:
        break;
    }
    return out;
}

/* Levenshtein's distance, one row at a time; names longer than a row are never near. */
static size_t edit_distance(const char *a, const char *b)
{
    size_t row[MR_SETTING_NAME_SIZE + 8];
    size_t n = strlen(b);
    if (n >= sizeof(row) / sizeof(row[0]))
        return SIZE_MAX;
    for (size_t j = 0; j <= n; j++)
        row[j] = j;
    for (size_t i = 0; a[i]; i++) {
        size_t diagonal = row[0];
        row[0] = i + 1;
        for (size_t j = 0; j < n; j++) {
            size_t best = diagonal + (a[i] != b[j]);
            diagonal = row[j + 1];
            best = row[j + 1] + 1 < best ? row[j + 1] + 1 : best;
            row[j + 1] = row[j] + 1 < best ? row[j] + 1 : best;
        }
    }
    return row[n];
}

const char *mr_setting_nearest(const char *name, const char *const *candidates, size_t n)
{
    const char *nearest = NULL;
    size_t least = strlen(name) / 4 + 2;
    for (size_t i = 0; i < n; i++) {
        size_t distance = edit_distance(name, candidates[i]);
        if (distance < least) {
            least = distance;
            nearest = candidates[i];
        }
    }
    return nearest;
}
