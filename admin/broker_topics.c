/* Creating topics, their properties, their watermarks. */
#include <stdlib.h>
#include <string.h>

#include "admin/broker_request.h"

static void outcome_set(struct mr_broker_outcome *o, rd_kafka_resp_err_t code, const char *text)
{
    o->code = code;
    snprintf(o->text, sizeof(o->text), "%s", text && *text ? text : rd_kafka_err2str(code));
}

static size_t index_of(const struct mr_topic_spec *const *topics, size_t n, const char *name)
{
    size_t i = 0;
    while (i < n && strcmp(topics[i]->name, name) != 0)
        i++;
    return i;
}

static void no_answer(struct mr_broker_outcome *outcomes, size_t n)
{
    for (size_t i = 0; i < n; i++)
        outcome_set(&outcomes[i], RD_KAFKA_RESP_ERR_UNKNOWN, "the broker's answer does not mention it");
}

static rd_kafka_NewTopic_t *new_topic(const struct mr_topic_spec *t, bool with_optional)
{
    char why[256];
    rd_kafka_NewTopic_t *created =
        rd_kafka_NewTopic_new(t->name, t->partitions, t->replication, why, sizeof(why));
    for (int i = 0; created && i < t->n_config; i++) {
        if (with_optional || !t->config[i].optional)
            rd_kafka_NewTopic_set_config(created, t->config[i].name, t->config[i].value);
    }
    return created;
}

enum mr_status mr_broker_create(struct mr_broker *b, const struct mr_topic_spec *const *topics, size_t n,
                                bool with_optional, struct mr_broker_outcome *outcomes, struct mr_error *err)
{
    enum mr_status status = MR_FAIL;
    size_t made = 0;
    rd_kafka_NewTopic_t **list = calloc(n + 1, sizeof(*list));
    if (!list)
        abort();
    no_answer(outcomes, n);
    for (; made < n; made++) {
        list[made] = new_topic(topics[made], with_optional);
        if (!list[made]) {
            mr_error_set(err, MR_CLASS_REJECT, 0,
                         "create topic %s: its name, partitions or replication are not possible",
                         topics[made]->name);
            goto cleanup;
        }
    }
    rd_kafka_AdminOptions_t *options = mr_broker_options(b, RD_KAFKA_ADMIN_OP_CREATETOPICS);
    rd_kafka_CreateTopics(b->rk, list, n, options, b->queue);
    rd_kafka_AdminOptions_destroy(options);
    rd_kafka_event_t *event = mr_broker_answer(b, "create topics", err);
    if (!event)
        goto cleanup;
    size_t count = 0;
    const rd_kafka_topic_result_t **results =
        rd_kafka_CreateTopics_result_topics(rd_kafka_event_CreateTopics_result(event), &count);
    for (size_t i = 0; i < count; i++) {
        size_t at = index_of(topics, n, rd_kafka_topic_result_name(results[i]));
        if (at < n)
            outcome_set(&outcomes[at], rd_kafka_topic_result_error(results[i]),
                        rd_kafka_topic_result_error_string(results[i]));
    }
    rd_kafka_event_destroy(event);
    status = MR_OK;
cleanup:
    rd_kafka_NewTopic_destroy_array(list, made);
    free(list);
    return status;
}

static rd_kafka_ConfigResource_t *altered(const struct mr_topic_spec *t, bool with_optional)
{
    rd_kafka_ConfigResource_t *r = rd_kafka_ConfigResource_new(RD_KAFKA_RESOURCE_TOPIC, t->name);
    for (int i = 0; i < t->n_config; i++) {
        if (!with_optional && t->config[i].optional)
            continue;
        rd_kafka_error_t *error = rd_kafka_ConfigResource_add_incremental_config(
            r, t->config[i].name, RD_KAFKA_ALTER_CONFIG_OP_TYPE_SET, t->config[i].value);
        if (error)
            abort(); /* the same property twice: the file's reader lets none through */
    }
    return r;
}

enum mr_status mr_broker_alter(struct mr_broker *b, const struct mr_topic_spec *const *topics, size_t n,
                               bool with_optional, struct mr_broker_outcome *outcomes, struct mr_error *err)
{
    enum mr_status status = MR_FAIL;
    rd_kafka_ConfigResource_t **list = calloc(n + 1, sizeof(*list));
    if (!list)
        abort();
    no_answer(outcomes, n);
    for (size_t i = 0; i < n; i++)
        list[i] = altered(topics[i], with_optional);
    rd_kafka_AdminOptions_t *options = mr_broker_options(b, RD_KAFKA_ADMIN_OP_INCREMENTALALTERCONFIGS);
    rd_kafka_IncrementalAlterConfigs(b->rk, list, n, options, b->queue);
    rd_kafka_AdminOptions_destroy(options);
    rd_kafka_event_t *event = mr_broker_answer(b, "alter topics", err);
    if (!event)
        goto cleanup;
    size_t count = 0;
    const rd_kafka_ConfigResource_t **results = rd_kafka_IncrementalAlterConfigs_result_resources(
        rd_kafka_event_IncrementalAlterConfigs_result(event), &count);
    for (size_t i = 0; i < count; i++) {
        size_t at = index_of(topics, n, rd_kafka_ConfigResource_name(results[i]));
        if (at < n)
            outcome_set(&outcomes[at], rd_kafka_ConfigResource_error(results[i]),
                        rd_kafka_ConfigResource_error_string(results[i]));
    }
    rd_kafka_event_destroy(event);
    status = MR_OK;
cleanup:
    rd_kafka_ConfigResource_destroy_array(list, n);
    free(list);
    return status;
}

static enum mr_status give_configs(rd_kafka_event_t *event, mr_broker_config_fn fn, void *ctx,
                                   struct mr_error *err)
{
    size_t count = 0;
    const rd_kafka_ConfigResource_t **results =
        rd_kafka_DescribeConfigs_result_resources(rd_kafka_event_DescribeConfigs_result(event), &count);
    for (size_t i = 0; i < count; i++) {
        const char *topic = rd_kafka_ConfigResource_name(results[i]);
        if (rd_kafka_ConfigResource_error(results[i]))
            return mr_error_set(err, MR_CLASS_REJECT, rd_kafka_ConfigResource_error(results[i]),
                                "read topic %s: %s", topic, rd_kafka_ConfigResource_error_string(results[i]));
        size_t n = 0;
        const rd_kafka_ConfigEntry_t **entries = rd_kafka_ConfigResource_configs(results[i], &n);
        for (size_t e = 0; e < n; e++) {
            const char *value = rd_kafka_ConfigEntry_value(entries[e]);
            bool is_default =
                rd_kafka_ConfigEntry_source(entries[e]) != RD_KAFKA_CONFIG_SOURCE_DYNAMIC_TOPIC_CONFIG;
            fn(ctx, topic, rd_kafka_ConfigEntry_name(entries[e]), value ? value : "", is_default);
        }
    }
    return MR_OK;
}

enum mr_status mr_broker_configs(struct mr_broker *b, const char *const *topics, size_t n,
                                 mr_broker_config_fn fn, void *ctx, struct mr_error *err)
{
    enum mr_status status = MR_FAIL;
    if (n == 0)
        return MR_OK;
    rd_kafka_ConfigResource_t **list = calloc(n, sizeof(*list));
    if (!list)
        abort();
    for (size_t i = 0; i < n; i++)
        list[i] = rd_kafka_ConfigResource_new(RD_KAFKA_RESOURCE_TOPIC, topics[i]);
    rd_kafka_AdminOptions_t *options = mr_broker_options(b, RD_KAFKA_ADMIN_OP_DESCRIBECONFIGS);
    rd_kafka_DescribeConfigs(b->rk, list, n, options, b->queue);
    rd_kafka_AdminOptions_destroy(options);
    rd_kafka_event_t *event = mr_broker_answer(b, "read topics", err);
    if (event) {
        status = give_configs(event, fn, ctx, err);
        rd_kafka_event_destroy(event);
    }
    rd_kafka_ConfigResource_destroy_array(list, n);
    free(list);
    return status;
}

static enum mr_status list_offsets(struct mr_broker *b, struct mr_cluster *c, int64_t which,
                                   struct mr_error *err)
{
    rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_new(256);
    for (size_t t = 0; t < c->n; t++) {
        for (int p = 0; p < c->topics[t].n_partitions; p++) {
            if (c->topics[t].partitions[p].leader >= 0)
                rd_kafka_topic_partition_list_add(list, c->topics[t].name, p)->offset = which;
        }
    }
    rd_kafka_AdminOptions_t *options = mr_broker_options(b, RD_KAFKA_ADMIN_OP_LISTOFFSETS);
    rd_kafka_ListOffsets(b->rk, list, options, b->queue);
    rd_kafka_AdminOptions_destroy(options);
    rd_kafka_topic_partition_list_destroy(list);
    rd_kafka_event_t *event = mr_broker_answer(b, "list offsets", err);
    if (!event)
        return MR_FAIL;
    size_t n = 0;
    const rd_kafka_ListOffsetsResultInfo_t **infos =
        rd_kafka_ListOffsets_result_infos(rd_kafka_event_ListOffsets_result(event), &n);
    for (size_t i = 0; i < n; i++) {
        const rd_kafka_topic_partition_t *tp = rd_kafka_ListOffsetsResultInfo_topic_partition(infos[i]);
        struct mr_topic_state *t = mr_cluster_find(c, tp->topic);
        if (!t || tp->err || tp->partition < 0 || tp->partition >= t->n_partitions)
            continue;
        struct mr_partition_state *p = &t->partitions[tp->partition];
        *(which == RD_KAFKA_OFFSET_SPEC_EARLIEST ? &p->low : &p->high) = tp->offset;
    }
    rd_kafka_event_destroy(event);
    return MR_OK;
}

enum mr_status mr_broker_watermarks(struct mr_broker *b, struct mr_cluster *c, struct mr_error *err)
{
    if (c->n == 0)
        return MR_OK;
    if (list_offsets(b, c, RD_KAFKA_OFFSET_SPEC_EARLIEST, err) != MR_OK)
        return MR_FAIL;
    return list_offsets(b, c, RD_KAFKA_OFFSET_SPEC_LATEST, err);
}
