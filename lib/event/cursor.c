#include "event/cursor.h"

bool mr_cursor_long_slow(struct mr_cursor *c, int64_t *out)
{
    uint64_t n = 0;
    for (unsigned shift = 0; shift < 70; shift += 7) {
        if (c->p == c->end) {
            return mr_cursor_refuse(c, "the bytes end inside a number");
        }
        uint8_t b = *c->p++;
        if (shift == 63 && b > 1) {
            break;
        }
        n |= (uint64_t)(b & 0x7f) << shift;
        if (b < 0x80) {
            *out = (int64_t)(n >> 1) ^ -(int64_t)(n & 1);
            return true;
        }
    }
    return mr_cursor_refuse(c, "a number of more than 64 bits");
}

bool mr_cursor_int(struct mr_cursor *c, int32_t *out)
{
    int64_t n;
    if (!mr_cursor_long(c, &n)) {
        return false;
    }
    if (n < INT32_MIN || n > INT32_MAX) {
        return mr_cursor_refuse(c, "an int of more than 32 bits");
    }
    *out = (int32_t)n;
    return true;
}

bool mr_cursor_take(struct mr_cursor *c, size_t n, const uint8_t **at)
{
    if (n > (size_t)(c->end - c->p)) {
        return mr_cursor_refuse(c, "the bytes end too early");
    }
    *at = c->p;
    c->p += n;
    return true;
}

bool mr_cursor_bytes(struct mr_cursor *c, struct mr_span *out)
{
    int64_t n;
    if (!mr_cursor_long(c, &n)) {
        return false;
    }
    if (n < 0) {
        return mr_cursor_refuse(c, "a negative length");
    }
    if ((uint64_t)n > (uint64_t)(c->end - c->p)) {
        return mr_cursor_refuse(c, "a length past the end of the bytes");
    }
    *out = (struct mr_span){(const char *)c->p, (size_t)n};
    c->p += n;
    return true;
}

bool mr_cursor_index(struct mr_cursor *c, uint32_t n, uint32_t *out)
{
    int64_t i;
    if (!mr_cursor_long(c, &i)) {
        return false;
    }
    if (i < 0 || i >= (int64_t)n) {
        return mr_cursor_refuse(c, "an index that the schema does not have");
    }
    *out = (uint32_t)i;
    return true;
}

bool mr_cursor_block(struct mr_cursor *c, uint64_t *items, const uint8_t **block_end)
{
    int64_t n;
    int64_t bytes;
    *block_end = NULL;
    if (!mr_cursor_long(c, &n)) {
        return false;
    }
    if (n >= 0) {
        *items = (uint64_t)n;
        return true;
    }
    /* A negative count is followed by the block's size in bytes, for those who skip it. */
    if (!mr_cursor_long(c, &bytes)) {
        return false;
    }
    if (n == INT64_MIN || bytes < 0 || bytes > c->end - c->p) {
        return mr_cursor_refuse(c, "a block past the end of the bytes");
    }
    *items = (uint64_t)-n;
    *block_end = c->p + bytes;
    return true;
}

static bool skip_blocks(struct mr_cursor *c, const struct mr_schema *s, const struct mr_schema_node *node)
{
    uint64_t items;
    const uint8_t *block_end;
    struct mr_span key;
    uint32_t item = mr_schema_child_at(s, node, 0)->node;
    for (;;) {
        if (!mr_cursor_block(c, &items, &block_end)) {
            return false;
        }
        if (items == 0) {
            return true;
        }
        for (uint64_t i = 0; i < items; i++) {
            if (node->kind == MR_SCHEMA_MAP && !mr_cursor_bytes(c, &key)) {
                return false;
            }
            if (!mr_cursor_skip(c, s, item)) {
                return false;
            }
        }
        /* A size would let us jump, but then we would take what readers who walk the items refuse. */
        if (block_end && c->p != block_end) {
            return mr_cursor_refuse(c, "a block that is not as long as it says");
        }
    }
}

static bool skip_record(struct mr_cursor *c, const struct mr_schema *s, const struct mr_schema_node *node)
{
    for (uint32_t i = 0; i < node->n_children; i++) {
        if (!mr_cursor_skip(c, s, mr_schema_child_at(s, node, i)->node)) {
            return false;
        }
    }
    return true;
}

static bool skip_node(struct mr_cursor *c, const struct mr_schema *s, const struct mr_schema_node *node)
{
    const uint8_t *at;
    struct mr_span bytes;
    int64_t whole;
    int32_t half;
    uint32_t index;
    switch (node->kind) {
    case MR_SCHEMA_NULL:
        return true;
    case MR_SCHEMA_BOOLEAN:
        return mr_cursor_take(c, 1, &at);
    case MR_SCHEMA_INT:
        return mr_cursor_int(c, &half);
    case MR_SCHEMA_LONG:
        return mr_cursor_long(c, &whole);
    case MR_SCHEMA_FLOAT:
        return mr_cursor_take(c, 4, &at);
    case MR_SCHEMA_DOUBLE:
        return mr_cursor_take(c, 8, &at);
    case MR_SCHEMA_BYTES:
    case MR_SCHEMA_STRING:
        return mr_cursor_bytes(c, &bytes);
    case MR_SCHEMA_FIXED:
        return mr_cursor_take(c, node->size, &at);
    case MR_SCHEMA_ENUM:
        return mr_cursor_index(c, node->size, &index);
    case MR_SCHEMA_ARRAY:
    case MR_SCHEMA_MAP:
        return skip_blocks(c, s, node);
    case MR_SCHEMA_UNION:
        return mr_cursor_index(c, node->n_children, &index) &&
               mr_cursor_skip(c, s, mr_schema_child_at(s, node, index)->node);
    case MR_SCHEMA_RECORD:
        return skip_record(c, s, node);
    }
    return false;
}

bool mr_cursor_skip(struct mr_cursor *c, const struct mr_schema *s, uint32_t node)
{
    if (c->depth == MR_CURSOR_DEPTH_MAX) {
        return mr_cursor_refuse(c, "values nested too deep");
    }
    if (c->budget == 0) {
        return mr_cursor_refuse(c, "more values than its bytes can hold");
    }
    c->depth++;
    c->budget--;
    bool ok = skip_node(c, s, &s->nodes[node]);
    c->depth--;
    return ok;
}
