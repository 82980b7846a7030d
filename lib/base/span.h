/* Bytes that someone else owns. Not NUL-terminated. */
#ifndef MR_BASE_SPAN_H
#define MR_BASE_SPAN_H

#include <stdbool.h>
#include <stddef.h>
#include <string.h>

struct mr_span {
    const char *p;
    size_t len;
};

static inline struct mr_span mr_span_of(const char *s)
{
    return (struct mr_span){s, s ? strlen(s) : 0};
}
static inline bool mr_span_eq(struct mr_span a, struct mr_span b)
{
    return a.len == b.len && (a.len == 0 || memcmp(a.p, b.p, a.len) == 0);
}
static inline bool mr_span_is(struct mr_span a, const char *s)
{
    return mr_span_eq(a, mr_span_of(s));
}

#endif
