/* A growing byte buffer with a stated ceiling (curl's dynbuf is the model). Not thread-safe: one owner. */
#ifndef MR_BASE_BUF_H
#define MR_BASE_BUF_H

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>

#include "base/error.h"
#include "base/span.h"

struct mr_buf {
    char *data; /* always NUL-terminated once anything was appended; NULL while empty */
    size_t len;
    size_t cap;
    size_t max; /* ceiling of len in bytes */
};

void mr_buf_init(struct mr_buf *b, size_t max_bytes);
void mr_buf_free(struct mr_buf *b);  /* frees, keeps the ceiling; usable again */
void mr_buf_reset(struct mr_buf *b); /* len = 0, keeps the memory */

/* All appends fail with MR_CLASS_REJECT past the ceiling and leave the content as it was. */
enum mr_status mr_buf_add(struct mr_buf *b, const void *p, size_t n);
enum mr_status mr_buf_puts(struct mr_buf *b, const char *s);
enum mr_status mr_buf_printf(struct mr_buf *b, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* Gives the bytes to the caller, who frees them with free(); the buffer is empty after. Never NULL. */
char *mr_buf_take(struct mr_buf *b);

struct mr_span mr_buf_span(const struct mr_buf *b);

#endif
