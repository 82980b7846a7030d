/* Gets fetching going again after a rebalance callback.
 *
 * librdkafka pauses every partition while such a callback is due or runs. A broker's thread that finds
 * nothing to fetch meanwhile sleeps for up to a second, and resuming does not wake it (2.15.1:
 * rd_kafka_broker_consumer_serve()); partitions that we keep would stand still for that long. A request to
 * the leader wakes its thread; what it answers does not matter. */
#include "stream/internal.h"

#define ANSWER_MS 5000

static void forget_answers(struct mr_consumer *c)
{
    rd_kafka_event_t *event;
    while ((event = rd_kafka_queue_poll(c->wakes, 0))) {
        rd_kafka_event_destroy(event);
    }
}

void mr_wake_leaders(struct mr_consumer *c)
{
    char why[128];
    forget_answers(c);
    if (c->n_parts == 0) {
        return;
    }
    rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_new((int)c->n_parts);
    for (size_t i = 0; i < c->n_parts; i++) {
        rd_kafka_topic_partition_list_add(list, c->parts[i]->topic, c->parts[i]->partition)->offset =
            RD_KAFKA_OFFSET_SPEC_LATEST;
    }
    rd_kafka_AdminOptions_t *options = rd_kafka_AdminOptions_new(c->rk, RD_KAFKA_ADMIN_OP_LISTOFFSETS);
    rd_kafka_AdminOptions_set_request_timeout(options, ANSWER_MS, why, sizeof why);
    rd_kafka_ListOffsets(c->rk, list, options, c->wakes);
    rd_kafka_AdminOptions_destroy(options);
    rd_kafka_topic_partition_list_destroy(list);
}
