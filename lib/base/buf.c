#include "base/buf.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define FIRST_CAPACITY 64

void mr_buf_init(struct mr_buf *b, size_t max_bytes)
{
    *b = (struct mr_buf){.max = max_bytes};
}

void mr_buf_free(struct mr_buf *b)
{
    free(b->data);
    mr_buf_init(b, b->max);
}

void mr_buf_reset(struct mr_buf *b)
{
    b->len = 0;
    if (b->data)
        b->data[0] = '\0';
}

/* Room for n more bytes and the NUL; doubles, so that appending is linear overall. */
static enum mr_status reserve(struct mr_buf *b, size_t n)
{
    if (n > b->max || b->len > b->max - n || b->max == SIZE_MAX)
        return MR_FAIL;
    size_t need = b->len + n + 1;
    if (need <= b->cap)
        return MR_OK;
    size_t cap = b->cap ? b->cap : FIRST_CAPACITY;
    while (cap < need)
        cap = cap > SIZE_MAX / 2 ? need : cap * 2;
    if (cap > b->max + 1)
        cap = b->max + 1;
    char *data = realloc(b->data, cap);
    if (!data)
        return MR_FAIL;
    b->data = data;
    b->cap = cap;
    return MR_OK;
}

enum mr_status mr_buf_add(struct mr_buf *b, const void *p, size_t n)
{
    if (reserve(b, n) != MR_OK)
        return MR_FAIL;
    if (n > 0)
        memcpy(b->data + b->len, p, n);
    b->len += n;
    b->data[b->len] = '\0';
    return MR_OK;
}

enum mr_status mr_buf_puts(struct mr_buf *b, const char *s)
{
    return mr_buf_add(b, s, strlen(s));
}

enum mr_status mr_buf_printf(struct mr_buf *b, const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    int n = vsnprintf(NULL, 0, fmt, args);
    va_end(args);
    if (n < 0 || reserve(b, (size_t)n) != MR_OK)
        return MR_FAIL;
    va_start(args, fmt);
    vsnprintf(b->data + b->len, (size_t)n + 1, fmt, args);
    va_end(args);
    b->len += (size_t)n;
    return MR_OK;
}

char *mr_buf_take(struct mr_buf *b)
{
    char *data = b->data ? b->data : calloc(1, 1);
    if (!data)
        abort(); /* the promise is "never NULL", and one byte is not to be had */
    mr_buf_init(b, b->max);
    return data;
}

struct mr_span mr_buf_span(const struct mr_buf *b)
{
    return (struct mr_span){b->data ? b->data : "", b->len};
}
