#include "stream/internal.h"

#include <stdlib.h>

#include "base/clock.h"
#include "base/crash.h"
#include "base/log.h"
#include "metrics/metrics.h"
#include "stream/letters.h"
#include "stream/producer_raw.h"

#define HEADS_AT_ONCE 100

void mr_failure_fatal(struct mr_consumer *c, const struct mr_error *why)
{
    if (!c->failed) {
        c->failed = true;
        c->failure = *why;
        c->failure.class = MR_CLASS_FATAL;
    }
}

static void tell(struct mr_consumer *c, struct mr_item *item)
{
    if (!c->aside) { /* the last news of a program that ends: whoever is next reads it again */
        mr_flight_back(c, item);
    } else if (c->w.failed) {
        mr_aside_tell(c->aside, item);
    } else {
        mr_failure_told(c, item);
    }
}

static void log_failure(const struct mr_consumer *c, const struct mr_item *item, const char *what)
{
    (void)c;
    mr_log(MR_LOG_WARN, what, mr_log_str("topic", item->r.topic), mr_log_int("partition", item->r.partition),
           mr_log_int("offset", item->r.offset), mr_log_int("attempt", item->r.attempt),
           mr_log_str("class", mr_error_class_name(item->why ? item->why->class : MR_CLASS_RETRY)),
           mr_log_str("error", item->why ? item->why->text : "out of memory for the reason"));
}

static void bury(struct mr_consumer *c, struct mr_item *item)
{
    item->letter = MR_LETTER_DEAD;
    log_failure(c, item, "record is dead-lettered");
    tell(c, item);
}

void mr_failure_of(struct mr_consumer *c, struct mr_item *item)
{
    enum mr_error_class class = item->why ? item->why->class : MR_CLASS_RETRY;
    mr_metric_add(MR_M_record_failures, mr_error_class_name(class), 1);
    switch (class) {
    case MR_CLASS_FATAL:
        mr_failure_fatal(c, item->why);
        mr_flight_back(c, item);
        break;
    case MR_CLASS_REJECT:
        bury(c, item);
        break;
    default:
        mr_world_ask(c, item);
    }
}

void mr_failure_counts(struct mr_consumer *c, struct mr_item *item)
{
    item->alone = c->w.handle_batch != NULL;
    if (item->r.attempt >= c->attempts) {
        bury(c, item);
        return;
    }
    item->not_before_ms = mr_mono_ms() + mr_backoff_ms(item->r.attempt - 1, c->backoff_ms, c->backoff_max_ms);
    log_failure(c, item, "record failed and will be tried again");
    tell(c, item);
}

void mr_failure_told(struct mr_consumer *c, struct mr_item *item)
{
    if (atomic_load(&item->part->gone)) {
        mr_flight_back(c, item);
    } else if (item->letter == MR_LETTER_DEAD) {
        mr_failure_send(c, item);
    } else {
        item->r.attempt++;
        mr_flight_back(c, item);
    }
}

/* On the producer's thread. */
static void on_sent(void *ctx, const struct mr_error *err, int32_t partition, int64_t offset)
{
    struct mr_item *item = ctx;
    (void)partition;
    (void)offset;
    item->send_class = err ? err->class : MR_CLASS_NONE;
    item->send_code = err ? err->code : 0;
    mr_mailbox_sent(&item->part->consumer->mailbox, item);
}

static int64_t retry_at_us(const struct mr_item *item)
{
    int64_t wait_ms = item->lane->first->not_before_ms - mr_mono_ms();
    return mr_wall_us() + (wait_ms > 0 ? wait_ms * 1000 : 0);
}

void mr_failure_send(struct mr_consumer *c, struct mr_item *item)
{
    struct mr_error err;
    bool dead = item->letter == MR_LETTER_DEAD;
    rd_kafka_headers_t *headers =
        dead ? mr_letter_dead(item, c->w.name, c->task_id) : mr_letter_retry(item, retry_at_us(item));
    struct mr_outgoing letter = {
        .topic = dead ? c->dead_topic : c->retry_topic,
        .partition = item->any_partition ? -1 : item->origin_partition,
        .key = item->bare ? (struct mr_span){NULL, 0} : item->r.key,
        .value = item->bare ? (struct mr_span){NULL, 0} : item->r.value,
    };
    mr_crash_point(dead ? "consumer.before-dead-letter" : "consumer.before-retry");
    if (mr_producer_send_raw(c->producer, &letter, headers, on_sent, item, &err) != MR_OK) {
        item->send_class = err.class;
        item->send_code = err.code;
        mr_failure_sent(c, item);
    }
}

/* The broker will never take it as it is. */
static void refused(struct mr_consumer *c, struct mr_item *item)
{
    if (item->send_code == RD_KAFKA_RESP_ERR__UNKNOWN_PARTITION && !item->any_partition) {
        item->any_partition = true;
        mr_failure_send(c, item);
    } else if (item->letter == MR_LETTER_RETRY) {
        item->parked_ms = mr_mono_ms(); /* it stays; the next attempt to move it is as far off again */
        mr_flight_back(c, item);
    } else if (!item->bare) {
        item->bare = true;
        log_failure(c, item, "record is too large to be dead-lettered whole; its place on the log is");
        mr_failure_send(c, item);
    } else {
        struct mr_error err;
        mr_error_set(&err, MR_CLASS_FATAL, item->send_code, "%s takes no dead letters: %s", c->dead_topic,
                     rd_kafka_err2str((rd_kafka_resp_err_t)item->send_code));
        mr_failure_fatal(c, &err);
        mr_flight_back(c, item);
    }
}

static void acknowledged(struct mr_consumer *c, struct mr_item *item)
{
    bool dead = item->letter == MR_LETTER_DEAD;
    mr_crash_point(dead ? "consumer.after-dead-letter" : "consumer.after-retry");
    mr_metric_add(dead ? MR_M_dead_letters : MR_M_retries, item->r.origin_topic, 1);
    if (!dead) {
        log_failure(c, item, "record held back its partition and moved to the retry topic");
    }
    mr_flight_done(c, item);
}

void mr_failure_sent(struct mr_consumer *c, struct mr_item *item)
{
    struct mr_error err;
    if (item->send_class == MR_CLASS_NONE) {
        acknowledged(c, item);
        return;
    }
    if (atomic_load(&item->part->gone)) {
        mr_flight_back(c, item);
        return;
    }
    mr_error_set(&err, item->send_class, item->send_code, "producing to %s: %s",
                 item->letter == MR_LETTER_DEAD ? c->dead_topic : c->retry_topic,
                 rd_kafka_err2str((rd_kafka_resp_err_t)item->send_code));
    switch (item->send_class) {
    case MR_CLASS_REJECT:
        refused(c, item);
        break;
    case MR_CLASS_FATAL:
        mr_failure_fatal(c, &err);
        mr_flight_back(c, item);
        break;
    default:
        mr_world_broken(c, &err);
        mr_world_unsent(c, item);
    }
}

/* A record that waits, or waits behind one that does, may hold back the commits of its partition only so
 * long. */
static bool is_held_up(const struct mr_consumer *c, const struct mr_item *item, int64_t now_ms)
{
    const struct mr_lane *lane = item->lane;
    return lane->state == MR_LANE_PARKED && lane->first->parked_ms > 0 &&
           now_ms - lane->first->parked_ms >= c->head_max_ms;
}

static void move_head(struct mr_consumer *c, struct mr_item *item)
{
    mr_lanes_take_one(&c->lanes, item);
    mr_flight_out(c, item);
    item->letter = MR_LETTER_RETRY;
    mr_failure_send(c, item);
}

/* From the oldest record on, as long as they are such; those already on their way there are passed over. */
static void move_heads(struct mr_consumer *c, struct mr_part *part, int64_t now_ms)
{
    struct mr_offset_entry *newer;
    int looked = 0;
    for (struct mr_offset_entry *e = part->map.oldest; e && looked < HEADS_AT_ONCE; e = newer, looked++) {
        struct mr_item *item = mr_item_of(e);
        newer = e->newer;
        if (item->out && item->letter == MR_LETTER_RETRY) {
            continue;
        }
        if (item->out || !is_held_up(c, item, now_ms)) {
            return;
        }
        move_head(c, item);
    }
}

void mr_failure_heads(struct mr_consumer *c, int64_t now_ms)
{
    for (size_t i = 0; i < c->n_parts && !c->world.broken && !c->stopping && !c->failed; i++) {
        if (!c->parts[i]->closing) {
            move_heads(c, c->parts[i], now_ms);
        }
    }
}
