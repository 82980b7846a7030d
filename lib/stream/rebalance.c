/* Partitions come and go. Runs inside librdkafka's rebalance callback, on the polling thread; while it waits,
 * the partitions that stay are fetched, handled and answered for as ever. */
#include "stream/internal.h"

#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/stop.h"
#include "metrics/metrics.h"
#include "stream/broker_log.h"

/* librdkafka does not fetch at all while it waits for the callback's answer, for partitions that stay
 * neither, and theirs may not stand still for a second. Where none stays there is more time. */
#define REVOKE_WAIT_MS      5000
#define REVOKE_WAIT_KEPT_MS 700
#define COMMIT_WAIT_MS      3000
#define OFFSETS_WAIT_MS     500
#define TURN_MS             100

struct mr_part *mr_part_find(struct mr_consumer *c, const char *topic, int32_t partition)
{
    for (size_t i = 0; i < c->n_parts; i++) {
        if (c->parts[i]->partition == partition && strcmp(c->parts[i]->topic, topic) == 0) {
            return c->parts[i];
        }
    }
    return NULL;
}

static const char *own_name(const struct mr_consumer *c, const char *topic)
{
    for (size_t i = 0; c->topics[i]; i++) {
        if (strcmp(c->topics[i], topic) == 0) {
            return c->topics[i];
        }
    }
    return NULL;
}

static enum mr_status add_part(struct mr_consumer *c, const rd_kafka_topic_partition_t *at)
{
    const char *topic = own_name(c, at->topic);
    if (!topic || mr_part_find(c, topic, at->partition)) {
        return MR_OK;
    }
    if (c->n_parts == c->parts_capacity) {
        size_t capacity = c->parts_capacity ? 2 * c->parts_capacity : 64;
        struct mr_part **parts = realloc(c->parts, capacity * sizeof(struct mr_part *));
        if (!parts) {
            return MR_FAIL;
        }
        c->parts = parts;
        c->parts_capacity = capacity;
    }
    struct mr_part *part = calloc(1, sizeof *part);
    if (!part) {
        return MR_FAIL;
    }
    part->consumer = c;
    part->topic = topic;
    part->partition = at->partition;
    part->is_retry = topic == c->retry_topic;
    part->committed = at->offset >= 0 ? at->offset : -1;
    mr_offset_map_init(&part->map, at->offset);
    c->parts[c->n_parts++] = part;
    return MR_OK;
}

/* Its records come by our own queue from the first one on; librdkafka keeps that for later assignments. */
static void forward(struct mr_consumer *c, const rd_kafka_topic_partition_t *at)
{
    rd_kafka_queue_t *queue = rd_kafka_queue_get_partition(c->rk, at->topic, at->partition);
    if (queue) {
        rd_kafka_queue_forward(queue, c->records);
        rd_kafka_queue_destroy(queue);
    }
}

static bool has_failed_entry(const rd_kafka_topic_partition_list_t *list, rd_kafka_resp_err_t *err)
{
    for (int i = 0; i < list->cnt; i++) {
        if (list->elems[i].err) {
            *err = list->elems[i].err;
            return true;
        }
    }
    return false;
}

/* Where the group is in each of these: at its committed offset, where fetching fails when that is not on the
 * log any more (auto.offset.reset=error), or at the beginning where it never committed. False when we are to
 * stop instead. */
static bool find_offsets(struct mr_consumer *c, rd_kafka_topic_partition_list_t *list)
{
    while (!c->failed && !c->stopping && !mr_stop_requested() && !atomic_load(&c->stop_asked)) {
        rd_kafka_resp_err_t err = rd_kafka_committed(c->rk, list, OFFSETS_WAIT_MS);
        if (!err && !has_failed_entry(list, &err)) {
            for (int i = 0; i < list->cnt; i++) {
                bool known = list->elems[i].offset >= 0;
                list->elems[i].offset = known ? list->elems[i].offset : RD_KAFKA_OFFSET_BEGINNING;
            }
            return true;
        }
        mr_broker_log_error("consumer: cannot read the group's offsets", err, rd_kafka_err2str(err));
        mr_loop_turn(c, TURN_MS);
    }
    return false;
}

static void changed(struct mr_consumer *c, const char *what, int n)
{
    c->last_topic = NULL;
    c->last_part = NULL;
    atomic_store(&c->assigned, (int)c->n_parts);
    mr_metric_add(MR_M_rebalances, what, 1);
    mr_log(MR_LOG_INFO, "rebalance", mr_log_str("worker", c->w.name), mr_log_str("kind", what),
           mr_log_int("partitions", n), mr_log_int("assigned", (int64_t)c->n_parts));
}

static void check(struct mr_consumer *c, const char *what, rd_kafka_error_t *error)
{
    if (error) {
        struct mr_error err;
        mr_error_set(&err, MR_CLASS_FATAL, rd_kafka_error_code(error), "group millrace.%s: cannot %s: %s",
                     c->w.name, what, rd_kafka_error_string(error));
        if (rd_kafka_error_is_fatal(error)) {
            mr_failure_fatal(c, &err);
        }
        mr_log(MR_LOG_WARN, err.text);
        rd_kafka_error_destroy(error);
    }
}

static rd_kafka_error_t *eager(rd_kafka_t *rk, const rd_kafka_topic_partition_list_t *list)
{
    rd_kafka_resp_err_t err = rd_kafka_assign(rk, list);
    return err ? rd_kafka_error_new(err, "%s", rd_kafka_err2str(err)) : NULL;
}

static bool is_cooperative(rd_kafka_t *rk)
{
    return strcmp(rd_kafka_rebalance_protocol(rk), "COOPERATIVE") == 0;
}

static void assign(struct mr_consumer *c, rd_kafka_topic_partition_list_t *list)
{
    bool ok = find_offsets(c, list);
    for (int i = 0; ok && i < list->cnt; i++) {
        forward(c, &list->elems[i]);
        if (add_part(c, &list->elems[i]) != MR_OK) {
            struct mr_error err;
            mr_error_set(&err, MR_CLASS_FATAL, 0, "out of memory for a partition");
            mr_failure_fatal(c, &err);
        }
    }
    check(c, "take partitions",
          is_cooperative(c->rk) ? rd_kafka_incremental_assign(c->rk, list) : eager(c->rk, list));
    mr_wake_leaders(c);
    changed(c, "assign", list->cnt);
}

/* Stops feeding these; what waits in lanes is given up, whoever is next reads it again. */
static void close_parts(struct mr_consumer *c, const rd_kafka_topic_partition_list_t *list)
{
    for (int i = 0; i < list->cnt; i++) {
        struct mr_part *part = mr_part_find(c, list->elems[i].topic, list->elems[i].partition);
        if (part) {
            part->closing = true;
            mr_flight_purge(c, part);
        }
    }
    c->last_part = NULL;
    mr_world_drop_closing(c);
}

static size_t closing_out(const struct mr_consumer *c)
{
    size_t out = 0;
    for (size_t i = 0; i < c->n_parts; i++) {
        out += c->parts[i]->closing ? c->parts[i]->out : 0;
    }
    return out;
}

static bool keeps_some(const struct mr_consumer *c)
{
    for (size_t i = 0; i < c->n_parts; i++) {
        if (!c->parts[i]->closing) {
            return true;
        }
    }
    return false;
}

static void wait_for_closing(struct mr_consumer *c)
{
    int64_t end_ms = mr_mono_ms() + (c->stopping ? 0 : keeps_some(c) ? REVOKE_WAIT_KEPT_MS : REVOKE_WAIT_MS);
    for (int64_t left = 1; closing_out(c) > 0 && left > 0 && !rd_kafka_assignment_lost(c->rk);) {
        left = end_ms - mr_mono_ms();
        mr_loop_turn(c, left < TURN_MS ? left : TURN_MS);
    }
}

/* What still runs is cancelled: its completion finds its part gone. */
static void remove_closing(struct mr_consumer *c)
{
    size_t kept = 0;
    for (size_t i = 0; i < c->n_parts; i++) {
        struct mr_part *part = c->parts[i];
        if (!part->closing) {
            c->parts[kept++] = part;
            continue;
        }
        mr_report_part(part);
        atomic_store(&part->gone, true);
        mr_part_free_if_unused(part);
    }
    c->n_parts = kept;
}

static void revoke(struct mr_consumer *c, const rd_kafka_topic_partition_list_t *list)
{
    close_parts(c, list);
    if (!rd_kafka_assignment_lost(c->rk)) {
        wait_for_closing(c);
    }
    bool lost = rd_kafka_assignment_lost(c->rk);
    if (!lost) {
        mr_commit_send(c, true);
        mr_commit_wait(c, COMMIT_WAIT_MS);
    }
    remove_closing(c);
    check(c, "give up partitions",
          is_cooperative(c->rk) ? rd_kafka_incremental_unassign(c->rk, list) : eager(c->rk, NULL));
    mr_wake_leaders(c);
    changed(c, lost ? "lost" : "revoke", list->cnt);
}

void mr_rebalance(rd_kafka_t *rk, rd_kafka_resp_err_t what, rd_kafka_topic_partition_list_t *list,
                  void *opaque)
{
    struct mr_consumer *c = opaque;
    switch (what) {
    case RD_KAFKA_RESP_ERR__ASSIGN_PARTITIONS:
        assign(c, list);
        break;
    case RD_KAFKA_RESP_ERR__REVOKE_PARTITIONS:
        revoke(c, list);
        break;
    default:
        mr_broker_log_error("consumer: rebalance failed", what, rd_kafka_err2str(what));
        check(c, "give up partitions", eager(rk, NULL));
    }
}
