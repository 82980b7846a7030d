#include "stream/internal.h"

#include "base/clock.h"
#include "base/crash.h"
#include "stream/broker_log.h"

static rd_kafka_topic_partition_list_t *marks(const struct mr_consumer *c, bool closing_only)
{
    rd_kafka_topic_partition_list_t *list = NULL;
    for (size_t i = 0; i < c->n_parts; i++) {
        const struct mr_part *part = c->parts[i];
        int64_t mark = mr_offset_map_mark(&part->map);
        if (mark <= part->committed || (closing_only && !part->closing)) {
            continue;
        }
        if (!list) {
            list = rd_kafka_topic_partition_list_new((int)c->n_parts);
        }
        rd_kafka_topic_partition_list_add(list, part->topic, part->partition)->offset = mark;
    }
    return list;
}

void mr_commit_send(struct mr_consumer *c, bool closing_only)
{
    rd_kafka_topic_partition_list_t *list = marks(c, closing_only);
    if (!list) {
        return;
    }
    mr_crash_point("consumer.before-commit");
    rd_kafka_resp_err_t err = rd_kafka_commit_queue(c->rk, list, c->commits, NULL, NULL);
    rd_kafka_topic_partition_list_destroy(list);
    if (err) {
        mr_broker_log_error("consumer: cannot commit", err, rd_kafka_err2str(err));
    } else {
        c->commits_out++;
    }
}

static void answered(struct mr_consumer *c, const rd_kafka_topic_partition_list_t *list)
{
    for (int i = 0; list && i < list->cnt; i++) {
        const rd_kafka_topic_partition_t *answer = &list->elems[i];
        struct mr_part *part = mr_part_find(c, answer->topic, answer->partition);
        if (answer->err) {
            mr_broker_log_error("consumer: a commit was refused", answer->err, rd_kafka_err2str(answer->err));
        } else if (part && answer->offset > part->committed) {
            part->committed = answer->offset;
        }
    }
}

bool mr_commit_answers(struct mr_consumer *c)
{
    bool any = false;
    for (rd_kafka_event_t *event;
         c->commits_out > 0 && (event = rd_kafka_queue_poll(c->commits, 0)) != NULL;) {
        if (rd_kafka_event_type(event) == RD_KAFKA_EVENT_OFFSET_COMMIT) {
            rd_kafka_resp_err_t err = rd_kafka_event_error(event);
            c->commits_out--;
            any = true;
            /* Refused as a whole, as while the group rebalances: the next one carries the same marks or
             * better. */
            if (err) {
                mr_broker_log_error("consumer: a commit was refused", err, rd_kafka_err2str(err));
            } else {
                mr_crash_point("consumer.after-commit");
                answered(c, rd_kafka_event_topic_partition_list(event));
            }
        }
        rd_kafka_event_destroy(event);
    }
    return any;
}

void mr_commit_wait(struct mr_consumer *c, int64_t timeout_ms)
{
    int64_t end_ms = mr_mono_ms() + timeout_ms;
    for (int64_t left = timeout_ms; c->commits_out > 0 && left > 0; left = end_ms - mr_mono_ms()) {
        mr_loop_turn(c, left);
    }
}
