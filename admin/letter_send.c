#include "admin/letter_send.h"

#include <stdlib.h>
#include <string.h>

#include "admin/command.h"
#include "base/log.h"
#include "stream/letters.h"

#define SEND_TIMEOUT_MS 30000

struct mr_letter_sender {
    rd_kafka_t *rk;
    char topic[256];
    int n_partitions;
    size_t acknowledged;
    struct mr_error failed; /* class NONE: nothing did */
};

static void on_delivery(rd_kafka_t *rk, const rd_kafka_message_t *m, void *opaque)
{
    (void)rk;
    struct mr_letter_sender *s = opaque;
    if (m->err)
        mr_error_set(&s->failed, MR_CLASS_RETRY, m->err, "send to %s: %s", s->topic,
                     rd_kafka_err2str(m->err));
    else
        s->acknowledged++;
}

static enum mr_status open_producer(struct mr_letter_sender *s, const char *brokers, struct mr_error *err)
{
    static const char *const settings[][2] = {
        {"enable.idempotence", "true"},
        {"acks", "all"},
        {"partitioner", "murmur2_random"},
        {"client.id", "mr-admin"},
        {"log_level", "2"},
        {"message.timeout.ms", "30000"},
        {"linger.ms", "5"},
        {"compression.type", "lz4"},
        {"message.max.bytes", "2000000"},
    };
    char why[256] = "";
    rd_kafka_conf_t *conf = rd_kafka_conf_new();
    rd_kafka_conf_set_opaque(conf, s);
    rd_kafka_conf_set_dr_msg_cb(conf, on_delivery);
    rd_kafka_conf_res_t ok = rd_kafka_conf_set(conf, "bootstrap.servers", brokers, why, sizeof(why));
    for (size_t i = 0; !ok && i < sizeof(settings) / sizeof(settings[0]); i++)
        ok = rd_kafka_conf_set(conf, settings[i][0], settings[i][1], why, sizeof(why));
    s->rk = ok ? NULL : rd_kafka_new(RD_KAFKA_PRODUCER, conf, why, sizeof(why));
    if (s->rk)
        return MR_OK;
    rd_kafka_conf_destroy(conf);
    return mr_error_set(err, MR_CLASS_FATAL, 0, "open a producer: %s", why);
}

enum mr_status mr_letter_sender_open(const char *brokers, const char *worker, const struct mr_cluster *c,
                                     struct mr_letter_sender **out, struct mr_error *err)
{
    struct mr_letter_sender *s = calloc(1, sizeof(*s));
    if (!s)
        abort();
    *out = s;
    snprintf(s->topic, sizeof(s->topic), "retry.%s", worker);
    const struct mr_topic_state *t = mr_cluster_find(c, s->topic);
    if (!t)
        return mr_error_set(err, MR_CLASS_REJECT, 0, "there is no topic %s", s->topic);
    s->n_partitions = t->n_partitions;
    return open_producer(s, brokers, err);
}

void mr_letter_sender_close(struct mr_letter_sender **s)
{
    if (!*s)
        return;
    if ((*s)->rk)
        rd_kafka_destroy((*s)->rk);
    free(*s);
    *s = NULL;
}

const char *mr_letter_unsendable(const struct mr_dead_letter *l)
{
    if (mr_letter_header(l, MR_HEADER_VALUE_DROPPED).p)
        return "its value was too large to be kept; the source topic has it";
    if (!l->source_topic.p)
        return "it does not say which topic it came from";
    return NULL;
}

/* The number in a header, or the fallback. */
static int64_t header_number(struct mr_span s, int64_t most, int64_t fallback)
{
    char text[24] = "";
    int64_t v;
    if (!s.p || s.len >= sizeof(text))
        return fallback;
    memcpy(text, s.p, s.len);
    return mr_admin_number(text, "a number", 0, most, &v, NULL) == MR_OK ? v : fallback;
}

static rd_kafka_headers_t *headers_of(const struct mr_dead_letter *l)
{
    static const char *const added[] = {
        MR_HEADER_ATTEMPTS,
        MR_HEADER_ORIGIN_TOPIC,
        MR_HEADER_ORIGIN_PARTITION,
        MR_HEADER_ORIGIN_OFFSET,
        MR_HEADER_RETRY_AT,
        "__connect.errors.topic",
        "__connect.errors.partition",
        "__connect.errors.offset",
        "__connect.errors.connector.name",
        "__connect.errors.task.id",
        "__connect.errors.exception.class.name",
        "__connect.errors.exception.message",
    };
    rd_kafka_headers_t *h = l->headers ? rd_kafka_headers_copy(l->headers) : rd_kafka_headers_new(8);
    for (size_t i = 0; i < sizeof(added) / sizeof(added[0]); i++)
        rd_kafka_header_remove(h, added[i]);
    rd_kafka_header_add(h, MR_HEADER_ORIGIN_TOPIC, -1, l->source_topic.p, (ssize_t)l->source_topic.len);
    if (l->source_partition.p)
        rd_kafka_header_add(h, MR_HEADER_ORIGIN_PARTITION, -1, l->source_partition.p,
                            (ssize_t)l->source_partition.len);
    if (l->source_offset.p)
        rd_kafka_header_add(h, MR_HEADER_ORIGIN_OFFSET, -1, l->source_offset.p,
                            (ssize_t)l->source_offset.len);
    return h;
}

/* Equal keys meet in partitions of equal number: to that of the source. */
static enum mr_status enqueue(struct mr_letter_sender *s, const struct mr_dead_letter *l,
                              struct mr_error *err)
{
    int32_t partition = (int32_t)header_number(l->source_partition, INT32_MAX, l->partition);
    rd_kafka_headers_t *headers = headers_of(l);
    if (partition >= s->n_partitions)
        partition = RD_KAFKA_PARTITION_UA;
    for (;;) {
        rd_kafka_resp_err_t code = rd_kafka_producev(
            s->rk, RD_KAFKA_V_TOPIC(s->topic), RD_KAFKA_V_PARTITION(partition),
            RD_KAFKA_V_KEY(l->key.p, l->key.len),
            RD_KAFKA_V_VALUE((void *)(uintptr_t)l->value.p, l->value.len), RD_KAFKA_V_HEADERS(headers),
            RD_KAFKA_V_MSGFLAGS(RD_KAFKA_MSG_F_COPY), RD_KAFKA_V_END);
        if (!code)
            return MR_OK;
        if (code != RD_KAFKA_RESP_ERR__QUEUE_FULL) {
            rd_kafka_headers_destroy(headers);
            return mr_error_set(err, MR_CLASS_REJECT, code, "send %d/%lld to %s: %s", l->partition,
                                (long long)l->offset, s->topic, rd_kafka_err2str(code));
        }
        rd_kafka_poll(s->rk, 100);
    }
}

enum mr_status mr_letter_send(struct mr_letter_sender *s, const struct mr_dead_letter *letters, size_t n,
                              struct mr_error *err)
{
    s->acknowledged = 0;
    mr_error_clear(&s->failed);
    for (size_t i = 0; i < n; i++) {
        if (enqueue(s, &letters[i], err) != MR_OK)
            return MR_FAIL;
    }
    rd_kafka_flush(s->rk, SEND_TIMEOUT_MS + 5000);
    if (s->failed.class != MR_CLASS_NONE) {
        *err = s->failed;
        return MR_FAIL;
    }
    if (s->acknowledged < n)
        return mr_error_set(err, MR_CLASS_RETRY, 0, "send to %s: %zu of %zu acknowledged", s->topic,
                            s->acknowledged, n);
    return MR_OK;
}
