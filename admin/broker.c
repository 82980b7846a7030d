#include "admin/broker.h"

#include <stdlib.h>
#include <string.h>

#include "admin/broker_request.h"

/* librdkafka tells what keeps it from connecting only here; kept for the error text. */
static void on_error(rd_kafka_t *rk, int code, const char *reason, void *opaque)
{
    (void)rk;
    (void)code;
    struct mr_broker *b = opaque;
    snprintf(b->why, sizeof(b->why), "%s", reason);
}

static void on_log(const rd_kafka_t *rk, int level, const char *facility, const char *text)
{
    (void)rk;
    (void)level;
    (void)facility;
    (void)text; /* what matters comes back as an error of the request */
}

static enum mr_status connect_rk(struct mr_broker *b, const char *brokers, struct mr_error *err)
{
    char why[256];
    rd_kafka_conf_t *conf = rd_kafka_conf_new();
    rd_kafka_conf_set_opaque(conf, b);
    rd_kafka_conf_set_error_cb(conf, on_error);
    rd_kafka_conf_set_log_cb(conf, on_log);
    if (rd_kafka_conf_set(conf, "bootstrap.servers", brokers, why, sizeof(why)) != RD_KAFKA_CONF_OK ||
        rd_kafka_conf_set(conf, "client.id", "mr-admin", why, sizeof(why)) != RD_KAFKA_CONF_OK) {
        rd_kafka_conf_destroy(conf);
        return mr_error_set(err, MR_CLASS_FATAL, 0, "brokers %s: %s", brokers, why);
    }
    b->rk = rd_kafka_new(RD_KAFKA_PRODUCER, conf, why, sizeof(why));
    if (!b->rk) {
        rd_kafka_conf_destroy(conf);
        return mr_error_set(err, MR_CLASS_FATAL, 0, "brokers %s: %s", brokers, why);
    }
    b->queue = rd_kafka_queue_new(b->rk);
    return MR_OK;
}

enum mr_status mr_broker_open(const char *brokers, struct mr_broker **out, struct mr_error *err)
{
    struct mr_broker *b = calloc(1, sizeof(*b));
    if (!b)
        abort();
    *out = NULL;
    if (connect_rk(b, brokers, err) != MR_OK) {
        mr_broker_close(&b);
        return MR_FAIL;
    }
    const struct rd_kafka_metadata *metadata = NULL;
    rd_kafka_resp_err_t code = rd_kafka_metadata(b->rk, 0, NULL, &metadata, MR_BROKER_TIMEOUT_MS);
    rd_kafka_poll(b->rk, 0);
    if (code) {
        mr_error_set(err, MR_CLASS_RETRY, code, "ask brokers %s: %s%s%s", brokers, rd_kafka_err2str(code),
                     *b->why ? "; " : "", b->why);
        mr_broker_close(&b);
        return MR_FAIL;
    }
    rd_kafka_metadata_destroy(metadata);
    *out = b;
    return MR_OK;
}

void mr_broker_close(struct mr_broker **b)
{
    if (!*b)
        return;
    if ((*b)->queue)
        rd_kafka_queue_destroy((*b)->queue);
    if ((*b)->rk)
        rd_kafka_destroy((*b)->rk);
    free(*b);
    *b = NULL;
}

static int by_name(const void *a, const void *b)
{
    return strcmp(((const struct mr_topic_state *)a)->name, ((const struct mr_topic_state *)b)->name);
}

static void copy_topic(const struct rd_kafka_metadata_topic *from, struct mr_topic_state *to)
{
    to->name = strdup(from->topic);
    to->n_partitions = from->partition_cnt;
    to->partitions = calloc((size_t)from->partition_cnt + 1, sizeof(*to->partitions));
    if (!to->name || !to->partitions)
        abort();
    for (int i = 0; i < from->partition_cnt; i++) {
        const struct rd_kafka_metadata_partition *p = &from->partitions[i];
        if (p->id >= 0 && p->id < from->partition_cnt)
            to->partitions[p->id].leader = p->err ? -1 : p->leader;
        if (p->id == 0)
            to->replication = p->replica_cnt;
    }
}

enum mr_status mr_broker_cluster(struct mr_broker *b, struct mr_cluster *out, struct mr_error *err)
{
    const struct rd_kafka_metadata *metadata = NULL;
    *out = (struct mr_cluster){0};
    rd_kafka_resp_err_t code = rd_kafka_metadata(b->rk, 1, NULL, &metadata, MR_BROKER_TIMEOUT_MS);
    if (code)
        return mr_error_set(err, MR_CLASS_RETRY, code, "list topics: %s", rd_kafka_err2str(code));
    out->topics = calloc((size_t)metadata->topic_cnt + 1, sizeof(*out->topics));
    if (!out->topics)
        abort();
    for (int i = 0; i < metadata->topic_cnt; i++) {
        const struct rd_kafka_metadata_topic *t = &metadata->topics[i];
        if (!t->err && strncmp(t->topic, "__", 2) != 0)
            copy_topic(t, &out->topics[out->n++]);
    }
    qsort(out->topics, out->n, sizeof(*out->topics), by_name);
    rd_kafka_metadata_destroy(metadata);
    return MR_OK;
}

void mr_cluster_free(struct mr_cluster *c)
{
    for (size_t i = 0; i < c->n; i++) {
        free(c->topics[i].name);
        free(c->topics[i].partitions);
    }
    free(c->topics);
    *c = (struct mr_cluster){0};
}

struct mr_topic_state *mr_cluster_find(const struct mr_cluster *c, const char *topic)
{
    for (size_t i = 0; i < c->n; i++) {
        if (strcmp(c->topics[i].name, topic) == 0)
            return &c->topics[i];
    }
    return NULL;
}
