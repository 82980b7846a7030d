#include "stream/internal.h"

#include <string.h>

#include "base/log.h"
#include "stream/broker_log.h"
#include "stream/letters.h"

/* Keys lie in buffers that another thread filled: asked for this many records ahead, they are there when
 * hashed. */
#define PREFETCH_AHEAD 8

static struct mr_part *part_of(struct mr_consumer *c, const rd_kafka_message_t *m)
{
    if (m->rkt != c->last_topic || !c->last_part || c->last_part->partition != m->partition) {
        c->last_topic = m->rkt;
        c->last_part = m->rkt ? mr_part_find(c, rd_kafka_topic_name(m->rkt), m->partition) : NULL;
    }
    return c->last_part;
}

/* The committed offset is not on the log: records that nobody has handled are gone, or the topic was made
 * anew. Going on would hide that, so a person decides. */
static void lost_records(struct mr_consumer *c, const rd_kafka_message_t *m)
{
    struct mr_error err;
    mr_error_set(
        &err, MR_CLASS_FATAL, m->err,
        "group millrace.%s: its position in %s/%d is not on the log (records lost to retention, or the topic "
        "was made anew): %s; reset the group's offset to go on",
        c->w.name, m->rkt ? rd_kafka_topic_name(m->rkt) : "?", m->partition, rd_kafka_message_errstr(m));
    mr_failure_fatal(c, &err);
}

static void intake_error(struct mr_consumer *c, const rd_kafka_message_t *m)
{
    struct mr_part *part;
    struct mr_error err;
    switch (m->err) {
    case RD_KAFKA_RESP_ERR__PARTITION_EOF:
        part = part_of(c, m);
        if (part) {
            mr_offset_map_reached(&part->map, m->offset);
        }
        return;
    case RD_KAFKA_RESP_ERR__AUTO_OFFSET_RESET:
    case RD_KAFKA_RESP_ERR_OFFSET_OUT_OF_RANGE:
        if (part_of(c, m)) {
            lost_records(c, m);
        }
        return;
    case RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED:
    case RD_KAFKA_RESP_ERR_GROUP_AUTHORIZATION_FAILED:
    case RD_KAFKA_RESP_ERR__FATAL:
        mr_error_set(&err, MR_CLASS_FATAL, m->err, "consuming as millrace.%s: %s", c->w.name,
                     rd_kafka_message_errstr(m));
        mr_failure_fatal(c, &err);
        return;
    case RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART:
    case RD_KAFKA_RESP_ERR__UNKNOWN_TOPIC:
        mr_broker_log_error("consumer: a topic is missing; run `mr-admin topics apply`", m->err,
                            rd_kafka_message_errstr(m));
        return;
    default:
        mr_broker_log_error("consumer: broker trouble", m->err, rd_kafka_message_errstr(m));
    }
}

static struct mr_span span_of(const void *p, size_t n)
{
    return (struct mr_span){p, p ? n : 0};
}

static void fill(struct mr_consumer *c, struct mr_item *item, struct mr_part *part, rd_kafka_message_t *m)
{
    item->message = m;
    item->part = part;
    item->r.topic = part->topic;
    item->r.origin_topic = part->topic;
    item->r.partition = m->partition;
    item->r.offset = m->offset;
    item->r.timestamp_ms = rd_kafka_message_timestamp(m, NULL);
    item->r.key = span_of(m->key, m->key_len);
    item->r.value = span_of(m->payload, m->len);
    item->r.attempt = 1;
    item->origin_partition = m->partition;
    item->origin_offset = m->offset;
    item->size = (uint32_t)(m->len + m->key_len);
    if (item->r.key.p) {
        item->lane_hash = mr_lanes_hash(&c->lanes, item->r.key);
    } else {
        /* Without a key no order is promised: each has a lane of its own. */
        uint64_t at[2] = {(uint64_t)(uintptr_t)part, (uint64_t)m->offset};
        item->lane_hash = mr_lanes_hash(&c->lanes, (struct mr_span){(const char *)at, sizeof at});
    }
}

static void take_record(struct mr_consumer *c, struct mr_part *part, rd_kafka_message_t *m)
{
    struct mr_item *item = mr_item_new(&c->pool);
    if (!item) {
        goto no_memory;
    }
    fill(c, item, part, m);
    if (!mr_offset_map_add(&part->map, &item->entry, m->offset)) {
        mr_item_recycle(&c->pool, item); /* below what was read already: it is in flight or done */
        return;
    }
    if (part->is_retry) {
        mr_letter_read(item, c->topics);
        item->alone = c->w.handle_batch && item->r.attempt > 1;
    }
    if (mr_lanes_add(&c->lanes, item, c->now_ms) != MR_OK) {
        goto no_memory;
    }
    if (item->lane->state == MR_LANE_PARKED) {
        mr_item_detach(item);
    }
    part->items++;
    c->inflight++;
    c->inflight_bytes += item->size;
    return;
no_memory:;
    struct mr_error err;
    mr_error_set(&err, MR_CLASS_FATAL, 0, "out of memory with %zu records in flight", c->inflight);
    mr_failure_fatal(c, &err);
}

static bool has_room(struct mr_consumer *c)
{
    bool over = c->inflight >= c->max_records || c->inflight_bytes >= c->max_bytes;
    bool under = c->inflight <= c->max_records / 2 && c->inflight_bytes <= c->max_bytes / 2;
    c->full = c->full ? !under : over;
    return !c->full;
}

/* Records that wait in librdkafka's queue cost less than those in lanes, whose memory would no longer fit the
 * CPU's caches: what the handlers can be given twice over is enough. */
static bool has_enough(const struct mr_consumer *c)
{
    return c->lanes.n_ready >= 2 * c->batch * (size_t)c->threads;
}

void mr_intake_message(struct mr_consumer *c, rd_kafka_message_t *m)
{
    struct mr_part *part = m->err ? NULL : part_of(c, m);
    if (part && !part->closing && !c->failed) {
        take_record(c, part, m);
        return;
    }
    if (m->err) {
        intake_error(c, m);
    }
    rd_kafka_message_destroy(m);
}

bool mr_intake(struct mr_consumer *c)
{
    rd_kafka_message_t *messages[MR_FETCH_RECORDS];
    if (c->stopping || c->failed || c->world.broken || !has_room(c) || has_enough(c)) {
        return false;
    }
    size_t room = c->max_records - c->inflight;
    size_t want = room < MR_FETCH_RECORDS ? room : MR_FETCH_RECORDS;
    ssize_t n = rd_kafka_consume_batch_queue(c->records, 0, messages, want);
    for (ssize_t i = 0; i < n; i++) {
        if (i + PREFETCH_AHEAD < n) {
            __builtin_prefetch(messages[i + PREFETCH_AHEAD]->key);
        }
        mr_intake_message(c, messages[i]);
    }
    return n > 0;
}
