#include "stream/letters.h"

#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "stream/part.h"

#define CONNECT(name) "__connect.errors." name
#define ATTEMPTS_MAX  1000000

/* What letters add; a record that comes back from retry.<worker> has the old ones taken off first. */
static const char *const ours[] = {
    MR_HEADER_ATTEMPTS,
    MR_HEADER_ORIGIN_TOPIC,
    MR_HEADER_ORIGIN_PARTITION,
    MR_HEADER_ORIGIN_OFFSET,
    MR_HEADER_RETRY_AT,
    MR_HEADER_VALUE_DROPPED,
    CONNECT("topic"),
    CONNECT("partition"),
    CONNECT("offset"),
    CONNECT("connector.name"),
    CONNECT("task.id"),
    CONNECT("exception.class.name"),
    CONNECT("exception.message"),
};

/* A decimal number from 0 and nothing else; `fallback` for what is none. */
static int64_t number(struct mr_span text, int64_t most, int64_t fallback)
{
    int64_t n = 0;
    if (!text.p || text.len == 0 || text.len > 18) {
        return fallback;
    }
    for (size_t i = 0; i < text.len; i++) {
        if (text.p[i] < '0' || text.p[i] > '9') {
            return fallback;
        }
        n = n * 10 + (text.p[i] - '0');
    }
    return n <= most ? n : fallback;
}

static void read_origin_topic(struct mr_item *item, const char *const *known)
{
    struct mr_span name = mr_record_header(&item->r, MR_HEADER_ORIGIN_TOPIC);
    if (!name.p || name.len == 0 || name.len > 249 || memchr(name.p, '\0', name.len)) {
        return;
    }
    for (size_t i = 0; known[i]; i++) {
        if (mr_span_is(name, known[i])) {
            item->r.origin_topic = known[i];
            return;
        }
    }
    item->origin_name = strndup(name.p, name.len);
    if (item->origin_name) {
        item->r.origin_topic = item->origin_name;
    }
}

void mr_letter_read(struct mr_item *item, const char *const *known)
{
    const struct mr_record *r = &item->r;
    item->r.attempt = (int)number(mr_record_header(r, MR_HEADER_ATTEMPTS), ATTEMPTS_MAX, 0) + 1;
    item->origin_partition =
        (int32_t)number(mr_record_header(r, MR_HEADER_ORIGIN_PARTITION), INT32_MAX, r->partition);
    item->origin_offset = number(mr_record_header(r, MR_HEADER_ORIGIN_OFFSET), INT64_MAX, r->offset);
    read_origin_topic(item, known);
    int64_t wait_us = number(mr_record_header(r, MR_HEADER_RETRY_AT), INT64_MAX, 0) - mr_wall_us();
    if (wait_us > 0) {
        item->parked_ms = mr_mono_ms();
        item->not_before_ms = item->parked_ms + wait_us / 1000 + 1;
    }
}

static rd_kafka_headers_t *copy_headers(const struct mr_item *item)
{
    rd_kafka_headers_t *own = item->bare ? NULL : mr_item_headers(item);
    rd_kafka_headers_t *copy = own ? rd_kafka_headers_copy(own) : rd_kafka_headers_new(16);
    for (size_t i = 0; own && item->part->is_retry && i < sizeof ours / sizeof ours[0]; i++) {
        rd_kafka_header_remove(copy, ours[i]);
    }
    return copy;
}

static void add_text(rd_kafka_headers_t *headers, const char *name, const char *value)
{
    rd_kafka_header_add(headers, name, -1, value, (ssize_t)strlen(value));
}

static void add_number(rd_kafka_headers_t *headers, const char *name, int64_t value)
{
    char text[24];
    snprintf(text, sizeof text, "%lld", (long long)value);
    add_text(headers, name, text);
}

rd_kafka_headers_t *mr_letter_dead(const struct mr_item *item, const char *worker, const char *task_id)
{
    rd_kafka_headers_t *headers = copy_headers(item);
    add_text(headers, CONNECT("topic"), item->r.origin_topic);
    add_number(headers, CONNECT("partition"), item->origin_partition);
    add_number(headers, CONNECT("offset"), item->origin_offset);
    add_text(headers, CONNECT("connector.name"), worker);
    add_text(headers, CONNECT("task.id"), task_id);
    add_text(headers, CONNECT("exception.class.name"),
             mr_error_class_name(item->why ? item->why->class : MR_CLASS_NONE));
    add_text(headers, CONNECT("exception.message"), item->why ? item->why->text : "");
    add_number(headers, MR_HEADER_ATTEMPTS, item->r.attempt);
    if (item->bare) {
        add_number(headers, MR_HEADER_VALUE_DROPPED, (int64_t)item->r.value.len);
    }
    return headers;
}

rd_kafka_headers_t *mr_letter_retry(const struct mr_item *item, int64_t at_us)
{
    rd_kafka_headers_t *headers = copy_headers(item);
    add_number(headers, MR_HEADER_ATTEMPTS, item->r.attempt - 1);
    add_text(headers, MR_HEADER_ORIGIN_TOPIC, item->r.origin_topic);
    add_number(headers, MR_HEADER_ORIGIN_PARTITION, item->origin_partition);
    add_number(headers, MR_HEADER_ORIGIN_OFFSET, item->origin_offset);
    add_number(headers, MR_HEADER_RETRY_AT, at_us);
    return headers;
}
