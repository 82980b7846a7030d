#include "stream/item.h"

#include <stdlib.h>
#include <string.h>

#define CHUNK_ITEMS 256

struct mr_item_chunk {
    struct mr_item_chunk *next;
    struct mr_item items[CHUNK_ITEMS];
};

void mr_item_pool_free(struct mr_item_pool *pool)
{
    struct mr_item_chunk *next;
    for (struct mr_item_chunk *c = pool->chunks; c; c = next) {
        next = c->next;
        free(c);
    }
    *pool = (struct mr_item_pool){0};
}

static void grow(struct mr_item_pool *pool)
{
    struct mr_item_chunk *chunk = malloc(sizeof *chunk);
    if (!chunk) {
        return;
    }
    chunk->next = pool->chunks;
    pool->chunks = chunk;
    for (size_t i = CHUNK_ITEMS; i > 0; i--) {
        chunk->items[i - 1].next = pool->free;
        pool->free = &chunk->items[i - 1];
    }
}

struct mr_item *mr_item_new(struct mr_item_pool *pool)
{
    if (!pool->free) {
        grow(pool);
    }
    struct mr_item *item = pool->free;
    if (item) {
        pool->free = item->next;
        memset(item, 0, sizeof *item);
        item->r.internal = item;
    }
    return item;
}

void mr_item_release(struct mr_item *item)
{
    if (item->message) {
        rd_kafka_message_destroy(item->message);
        item->message = NULL;
    }
    if (item->headers) {
        rd_kafka_headers_destroy(item->headers);
        item->headers = NULL;
    }
    free(item->bytes);
    item->bytes = NULL;
}

void mr_item_recycle(struct mr_item_pool *pool, struct mr_item *item)
{
    mr_item_release(item);
    free(item->origin_name);
    free(item->why);
    item->next = pool->free;
    pool->free = item;
}

/* Null and empty stay apart: an empty value keeps an address. */
static struct mr_span copy_span(struct mr_span from, char *to)
{
    if (!from.p) {
        return from;
    }
    memcpy(to, from.p, from.len);
    return (struct mr_span){to, from.len};
}

void mr_item_detach(struct mr_item *item)
{
    if (!item->message) {
        return;
    }
    char *bytes = malloc(item->r.key.len + item->r.value.len + 1);
    if (!bytes) {
        return; /* it stays where it is, which is only dearer */
    }
    item->r.key = copy_span(item->r.key, bytes);
    item->r.value = copy_span(item->r.value, bytes + item->r.key.len);
    item->bytes = bytes;
    if (rd_kafka_message_detach_headers(item->message, &item->headers) != RD_KAFKA_RESP_ERR_NO_ERROR) {
        item->headers = NULL;
    }
    rd_kafka_message_destroy(item->message);
    item->message = NULL;
}

rd_kafka_headers_t *mr_item_headers(const struct mr_item *item)
{
    rd_kafka_headers_t *headers = item->headers;
    if (item->message && rd_kafka_message_headers(item->message, &headers) != RD_KAFKA_RESP_ERR_NO_ERROR) {
        return NULL;
    }
    return headers;
}

void mr_item_fail(struct mr_item *item, const struct mr_error *err)
{
    item->outcome = MR_OUTCOME_FAILED;
    if (!item->why) {
        item->why = malloc(sizeof *item->why);
    }
    if (item->why) {
        *item->why = *err;
    }
}

struct mr_span mr_record_header(const struct mr_record *r, const char *name)
{
    const void *value;
    size_t size;
    rd_kafka_headers_t *headers = mr_item_headers(r->internal);
    if (!headers || rd_kafka_header_get_last(headers, name, &value, &size) != RD_KAFKA_RESP_ERR_NO_ERROR) {
        return (struct mr_span){NULL, 0};
    }
    return (struct mr_span){value, size};
}
