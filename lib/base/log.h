/* Logging: one JSON object a line on stderr, written with a single write(2) so that lines never mix.
 *
 * Fixed members: ts (RFC 3339 UTC, µs), level, program, msg; then the fields given. Strings are escaped and
 * cut at 2 KiB. Any thread may call. Secrets never go into a field. */
#ifndef MR_BASE_LOG_H
#define MR_BASE_LOG_H

#include <stddef.h>
#include <stdint.h>

enum mr_log_level { MR_LOG_DEBUG, MR_LOG_INFO, MR_LOG_WARN, MR_LOG_ERROR };

struct mr_log_field {
    const char *name;
    const char *text; /* a string value; NULL means `number` is the value */
    int64_t number;
};

/* Called once at start, before threads. `program` must outlive the process. */
void mr_log_open(const char *program, enum mr_log_level least);

void mr_log_fields(enum mr_log_level level, const char *msg, const struct mr_log_field *fields, size_t n);

/* Fields for the macros below; a NULL string is written as "". */
static inline struct mr_log_field mr_log_str(const char *name, const char *text)
{
    return (struct mr_log_field){name, text ? text : "", 0};
}
static inline struct mr_log_field mr_log_int(const char *name, int64_t number)
{
    return (struct mr_log_field){name, NULL, number};
}

/* mr_log(MR_LOG_INFO, "listening", mr_log_str("address", a), mr_log_int("threads", n)); a macro only because
 * C has no typed variadic functions. */
#define mr_log(level, msg, ...)                                                                              \
    mr_log_fields((level), (msg), (const struct mr_log_field[]){{0}, ##__VA_ARGS__} + 1,                     \
                  sizeof((const struct mr_log_field[]){{0}, ##__VA_ARGS__}) / sizeof(struct mr_log_field) -  \
                      1)

#endif
