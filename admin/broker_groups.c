/* Consumer groups and what they have committed. */
#include "admin/broker_request.h"

enum mr_status mr_broker_groups(struct mr_broker *b, mr_broker_group_fn fn, void *ctx, struct mr_error *err)
{
    rd_kafka_AdminOptions_t *options = mr_broker_options(b, RD_KAFKA_ADMIN_OP_LISTCONSUMERGROUPS);
    rd_kafka_ListConsumerGroups(b->rk, options, b->queue);
    rd_kafka_AdminOptions_destroy(options);
    rd_kafka_event_t *event = mr_broker_answer(b, "list consumer groups", err);
    if (!event)
        return MR_FAIL;
    size_t n = 0;
    const rd_kafka_ConsumerGroupListing_t **groups =
        rd_kafka_ListConsumerGroups_result_valid(rd_kafka_event_ListConsumerGroups_result(event), &n);
    for (size_t i = 0; i < n; i++)
        fn(ctx, rd_kafka_ConsumerGroupListing_group_id(groups[i]),
           rd_kafka_consumer_group_state_name(rd_kafka_ConsumerGroupListing_state(groups[i])));
    rd_kafka_event_destroy(event);
    return MR_OK;
}

static enum mr_status give_commits(rd_kafka_event_t *event, mr_broker_commit_fn fn, void *ctx,
                                   struct mr_error *err)
{
    size_t n = 0;
    const rd_kafka_group_result_t **groups = rd_kafka_ListConsumerGroupOffsets_result_groups(
        rd_kafka_event_ListConsumerGroupOffsets_result(event), &n);
    for (size_t i = 0; i < n; i++) {
        const char *name = rd_kafka_group_result_name(groups[i]);
        const rd_kafka_error_t *error = rd_kafka_group_result_error(groups[i]);
        if (error)
            return mr_error_set(err, MR_CLASS_RETRY, rd_kafka_error_code(error),
                                "read offsets of group %s: %s", name, rd_kafka_error_string(error));
        const rd_kafka_topic_partition_list_t *list = rd_kafka_group_result_partitions(groups[i]);
        for (int p = 0; list && p < list->cnt; p++) {
            if (list->elems[p].offset >= 0)
                fn(ctx, name, list->elems[p].topic, list->elems[p].partition, list->elems[p].offset);
        }
    }
    return MR_OK;
}

enum mr_status mr_broker_group_commits(struct mr_broker *b, const char *group, mr_broker_commit_fn fn,
                                       void *ctx, struct mr_error *err)
{
    rd_kafka_ListConsumerGroupOffsets_t *request = rd_kafka_ListConsumerGroupOffsets_new(group, NULL);
    rd_kafka_AdminOptions_t *options = mr_broker_options(b, RD_KAFKA_ADMIN_OP_LISTCONSUMERGROUPOFFSETS);
    rd_kafka_ListConsumerGroupOffsets(b->rk, &request, 1, options, b->queue);
    rd_kafka_AdminOptions_destroy(options);
    rd_kafka_ListConsumerGroupOffsets_destroy(request);
    rd_kafka_event_t *event = mr_broker_answer(b, "read group offsets", err);
    if (!event)
        return MR_FAIL;
    enum mr_status status = give_commits(event, fn, ctx, err);
    rd_kafka_event_destroy(event);
    return status;
}
