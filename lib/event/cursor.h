/* Reading Avro binary (Avro 1.11, "Binary Encoding") from hostile bytes: every read says whether it could,
 * and why not. One owner. */
#ifndef MR_EVENT_CURSOR_H
#define MR_EVENT_CURSOR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/span.h"
#include "event/schema.h"

#define MR_CURSOR_DEPTH_MAX 64

struct mr_cursor {
    const uint8_t *p;
    const uint8_t *end;
    const char *why; /* set by the first read that failed */
    int depth;
    uint64_t budget; /* steps left: items of zero bytes may not cost time without end */
};

static inline bool mr_cursor_refuse(struct mr_cursor *c, const char *why)
{
    c->why = why;
    return false;
}

bool mr_cursor_long_slow(struct mr_cursor *c, int64_t *out);

/* Zigzag varint; most are of one byte. */
static inline bool mr_cursor_long(struct mr_cursor *c, int64_t *out)
{
    /* An empty cursor is NULL to NULL. NOLINTNEXTLINE(clang-analyzer-core.NullDereference) */
    if (c->p < c->end && *c->p < 0x80) {
        uint64_t n = *c->p++;
        *out = (int64_t)(n >> 1) ^ -(int64_t)(n & 1);
        return true;
    }
    return mr_cursor_long_slow(c, out);
}

bool mr_cursor_int(struct mr_cursor *c, int32_t *out);
bool mr_cursor_take(struct mr_cursor *c, size_t n, const uint8_t **at);
/* A length and so many bytes. */
bool mr_cursor_bytes(struct mr_cursor *c, struct mr_span *out);
/* An index below `n`, as a union's branch or an enum's symbol. */
bool mr_cursor_index(struct mr_cursor *c, uint32_t n, uint32_t *out);
/* The head of an array's or map's block: number of items (0: the end), and where it ends when the writer said
 * so. */
bool mr_cursor_block(struct mr_cursor *c, uint64_t *items, const uint8_t **block_end);
/* Whatever the node is. */
bool mr_cursor_skip(struct mr_cursor *c, const struct mr_schema *s, uint32_t node);

#endif
