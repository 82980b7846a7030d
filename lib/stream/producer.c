#include "stream/producer.h"

#include <librdkafka/rdkafka.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "metrics/metrics.h"
#include "stream/broker_log.h"
#include "stream/handle.h"
#include "stream/producer_raw.h"

#define DEFAULT_TIMEOUT_MS 30000
#define DEFAULT_QUEUE_MAX  100000
#define PROBE_TIMEOUT_MS   2000
#define POLL_MS            100

struct mr_producer {
    rd_kafka_t *rk;
    pthread_t thread;
    atomic_bool stopping;
    rd_kafka_topic_t *warm; /* keeps the topic's partitions known; NULL: none */
};

/* What a delivery report is told to. */
struct delivery {
    mr_delivery_fn done;
    void *ctx;
};

static enum mr_error_class class_of(rd_kafka_resp_err_t code)
{
    switch (code) {
    case RD_KAFKA_RESP_ERR_MSG_SIZE_TOO_LARGE:
    case RD_KAFKA_RESP_ERR_RECORD_LIST_TOO_LARGE:
    case RD_KAFKA_RESP_ERR_INVALID_MSG:
    case RD_KAFKA_RESP_ERR_INVALID_RECORD:
    case RD_KAFKA_RESP_ERR__UNKNOWN_PARTITION:
        return MR_CLASS_REJECT;
    case RD_KAFKA_RESP_ERR__FATAL:
        return MR_CLASS_FATAL;
    default:
        return MR_CLASS_RETRY;
    }
}

static enum mr_status failed(rd_kafka_t *rk, const char *topic, rd_kafka_resp_err_t code,
                             struct mr_error *err)
{
    char why[256];
    if (code == RD_KAFKA_RESP_ERR__FATAL && rd_kafka_fatal_error(rk, why, sizeof why)) {
        return mr_error_set(err, MR_CLASS_FATAL, code, "producing to %s: the producer is broken for good: %s",
                            topic, why);
    }
    return mr_error_set(err, class_of(code), code, "producing to %s: %s", topic, rd_kafka_err2str(code));
}

/* On the producer's thread. */
static void on_delivery(rd_kafka_t *rk, const rd_kafka_message_t *m, void *opaque)
{
    (void)opaque;
    struct delivery *d = m->_private;
    struct mr_error err;
    const char *topic = rd_kafka_topic_name(m->rkt);
    if (m->err) {
        failed(rk, topic, m->err, &err);
        mr_metric_add(MR_M_produce_failures, topic, 1);
    } else {
        mr_metric_add(MR_M_produced, topic, 1);
    }
    d->done(d->ctx, m->err ? &err : NULL, m->partition, m->offset);
    free(d);
}

static void on_error(rd_kafka_t *rk, int code, const char *reason, void *opaque)
{
    char why[256];
    (void)opaque;
    if (code == RD_KAFKA_RESP_ERR__FATAL && rd_kafka_fatal_error(rk, why, sizeof why)) {
        mr_log(MR_LOG_ERROR, "the producer is broken for good", mr_log_str("error", why));
        return;
    }
    mr_broker_log_error("producer: broker trouble", code, reason);
}

static void *serve(void *arg)
{
    struct mr_producer *p = arg;
    while (!atomic_load(&p->stopping)) {
        rd_kafka_poll(p->rk, POLL_MS);
    }
    return NULL;
}

static rd_kafka_conf_t *configure(const struct mr_producer_options *o, struct mr_error *err)
{
    char timeout[16];
    char queue[16];
    snprintf(timeout, sizeof timeout, "%d",
             o->message_timeout_ms ? o->message_timeout_ms : DEFAULT_TIMEOUT_MS);
    snprintf(queue, sizeof queue, "%d", o->queue_max ? o->queue_max : DEFAULT_QUEUE_MAX);
    const struct mr_handle_setting settings[] = {
        {"bootstrap.servers", o->brokers},
        {"client.id", o->client_id ? o->client_id : "millrace"},
        {"acks", "all"},
        {"enable.idempotence", "true"},
        {"partitioner", "murmur2_random"},
        {"compression.type", "lz4"},
        /* Events are waited for one by one, so batches form only while an earlier one is under way. */
        {"linger.ms", "1"},
        {"message.timeout.ms", timeout},
        {"queue.buffering.max.messages", queue},
        {"queue.buffering.max.kbytes", "262144"},
        /* Above the broker's limit for one event, so that it is the broker who says what is too large;
         * batches of several stay below it (batch.size), so that none fails for its neighbour. */
        {"message.max.bytes", "2097152"},
        {"batch.size", "900000"},
        {"reconnect.backoff.max.ms", "2000"},
        {"topic.metadata.refresh.interval.ms", "60000"},
    };
    rd_kafka_conf_t *conf = mr_handle_conf(settings, sizeof settings / sizeof settings[0], err);
    if (conf) {
        rd_kafka_conf_set_dr_msg_cb(conf, on_delivery);
        rd_kafka_conf_set_error_cb(conf, on_error);
    }
    return conf;
}

enum mr_status mr_producer_open(const struct mr_producer_options *o, struct mr_producer **out,
                                struct mr_error *err)
{
    char why[256];
    *out = NULL;
    rd_kafka_conf_t *conf = configure(o, err);
    if (!conf) {
        return MR_FAIL;
    }
    struct mr_producer *p = calloc(1, sizeof *p);
    if (!p) {
        rd_kafka_conf_destroy(conf);
        return mr_error_set(err, MR_CLASS_RETRY, 0, "out of memory for a producer");
    }
    p->rk = rd_kafka_new(RD_KAFKA_PRODUCER, conf, why, sizeof why);
    if (!p->rk) {
        rd_kafka_conf_destroy(conf);
        free(p);
        return mr_error_set(err, MR_CLASS_FATAL, 0, "cannot make a producer: %s", why);
    }
    int status = pthread_create(&p->thread, NULL, serve, p);
    if (status != 0) {
        rd_kafka_destroy(p->rk);
        free(p);
        return mr_error_set(err, MR_CLASS_RETRY, status, "cannot start the producer's thread: %s",
                            strerror(status));
    }
    *out = p;
    return MR_OK;
}

void mr_producer_close(struct mr_producer **producer, int timeout_ms)
{
    struct mr_producer *p = *producer;
    if (!p) {
        return;
    }
    rd_kafka_flush(p->rk, timeout_ms);
    /* What was not acknowledged in time is reported as failed by the purge; its reports are still to be
     * served. */
    rd_kafka_purge(p->rk, RD_KAFKA_PURGE_F_QUEUE | RD_KAFKA_PURGE_F_INFLIGHT);
    rd_kafka_flush(p->rk, 1000);
    atomic_store(&p->stopping, true);
    pthread_join(p->thread, NULL);
    rd_kafka_poll(p->rk, 0);
    if (p->warm) {
        rd_kafka_topic_destroy(p->warm);
    }
    rd_kafka_destroy(p->rk);
    free(p);
    *producer = NULL;
}

static rd_kafka_headers_t *copy_headers(const struct mr_headers *h)
{
    rd_kafka_headers_t *out = h && h->n > 0 ? rd_kafka_headers_new(h->n) : NULL;
    for (size_t i = 0; out && i < h->n; i++) {
        const struct mr_header *header = &h->list[i];
        rd_kafka_header_add(out, header->name.p, (ssize_t)header->name.len, header->value.p,
                            (ssize_t)header->value.len);
    }
    return out;
}

enum mr_status mr_producer_send_raw(struct mr_producer *p, const struct mr_outgoing *r,
                                    rd_kafka_headers_t *headers, mr_delivery_fn done, void *ctx,
                                    struct mr_error *err)
{
    struct delivery *d = malloc(sizeof *d);
    if (!d) {
        if (headers) {
            rd_kafka_headers_destroy(headers);
        }
        return mr_error_set(err, MR_CLASS_RETRY, 0, "out of memory for a record to %s", r->topic);
    }
    *d = (struct delivery){done, ctx};
    rd_kafka_vu_t list[] = {
        {.vtype = RD_KAFKA_VTYPE_TOPIC, .u.cstr = r->topic},
        {.vtype = RD_KAFKA_VTYPE_PARTITION, .u.i32 = r->partition < 0 ? RD_KAFKA_PARTITION_UA : r->partition},
        {.vtype = RD_KAFKA_VTYPE_MSGFLAGS, .u.i = RD_KAFKA_MSG_F_COPY},
        {.vtype = RD_KAFKA_VTYPE_KEY, .u.mem = {(void *)r->key.p, r->key.len}},
        {.vtype = RD_KAFKA_VTYPE_VALUE, .u.mem = {(void *)r->value.p, r->value.len}},
        {.vtype = RD_KAFKA_VTYPE_OPAQUE, .u.ptr = d},
        {.vtype = RD_KAFKA_VTYPE_HEADERS, .u.headers = headers},
    };
    rd_kafka_error_t *error =
        rd_kafka_produceva(p->rk, list, sizeof list / sizeof list[0] - (headers ? 0 : 1));
    if (!error) {
        return MR_OK; /* d is the delivery report's now: NOLINT(clang-analyzer-unix.Malloc) */
    }
    failed(p->rk, r->topic, rd_kafka_error_code(error), err);
    rd_kafka_error_destroy(error);
    if (headers) {
        rd_kafka_headers_destroy(headers);
    }
    free(d);
    return MR_FAIL;
}

enum mr_status mr_producer_send(struct mr_producer *p, const struct mr_outgoing *r, mr_delivery_fn done,
                                void *ctx, struct mr_error *err)
{
    return mr_producer_send_raw(p, r, copy_headers(r->headers), done, ctx, err);
}

struct waiter {
    pthread_mutex_t lock;
    pthread_cond_t all_there;
    size_t under_way;
    enum mr_status status;
    struct mr_error err;
};

static void count_down(void *ctx, const struct mr_error *err, int32_t partition, int64_t offset)
{
    struct waiter *w = ctx;
    (void)partition;
    (void)offset;
    pthread_mutex_lock(&w->lock);
    if (err && w->status == MR_OK) {
        w->status = MR_FAIL;
        w->err = *err;
    }
    w->under_way--;
    if (w->under_way == 0) {
        pthread_cond_signal(&w->all_there);
    }
    pthread_mutex_unlock(&w->lock);
}

enum mr_status mr_producer_send_wait(struct mr_producer *p, const struct mr_outgoing *r, size_t n,
                                     struct mr_error *err)
{
    struct waiter w = {
        .lock = PTHREAD_MUTEX_INITIALIZER, .all_there = PTHREAD_COND_INITIALIZER, .status = MR_OK};
    enum mr_status enqueued = MR_OK;
    struct mr_error enqueue_err;
    for (size_t i = 0; i < n && enqueued == MR_OK; i++) {
        pthread_mutex_lock(&w.lock);
        w.under_way++;
        pthread_mutex_unlock(&w.lock);
        enqueued = mr_producer_send(p, &r[i], count_down, &w, &enqueue_err);
        if (enqueued != MR_OK) {
            pthread_mutex_lock(&w.lock);
            w.under_way--;
            pthread_mutex_unlock(&w.lock);
        }
    }
    pthread_mutex_lock(&w.lock);
    while (w.under_way > 0) {
        pthread_cond_wait(&w.all_there, &w.lock);
    }
    pthread_mutex_unlock(&w.lock);
    pthread_cond_destroy(&w.all_there);
    pthread_mutex_destroy(&w.lock);
    const struct mr_error *why = w.status != MR_OK ? &w.err : enqueued != MR_OK ? &enqueue_err : NULL;
    return why ? mr_error_set(err, why->class, why->code, "%s", why->text) : MR_OK;
}

/* topic NULL: of the brokers alone. */
static enum mr_status ask_metadata(struct mr_producer *p, rd_kafka_topic_t *topic, struct mr_error *err)
{
    char why[256];
    const struct rd_kafka_metadata *metadata;
    if (rd_kafka_fatal_error(p->rk, why, sizeof why)) {
        return mr_error_set(err, MR_CLASS_FATAL, RD_KAFKA_RESP_ERR__FATAL,
                            "the producer is broken for good: %s", why);
    }
    rd_kafka_resp_err_t code = rd_kafka_metadata(p->rk, 0, topic, &metadata, PROBE_TIMEOUT_MS);
    if (code) {
        return mr_error_set(err, MR_CLASS_RETRY, code, "broker: %s", rd_kafka_err2str(code));
    }
    rd_kafka_metadata_destroy(metadata);
    return MR_OK;
}

enum mr_status mr_producer_probe(struct mr_producer *p, struct mr_error *err)
{
    return ask_metadata(p, NULL, err);
}

enum mr_status mr_producer_warm(struct mr_producer *p, const char *topic, struct mr_error *err)
{
    if (!p->warm) {
        p->warm = rd_kafka_topic_new(p->rk, topic, NULL);
    }
    if (!p->warm) {
        return failed(p->rk, topic, rd_kafka_last_error(), err);
    }
    return ask_metadata(p, p->warm, err);
}
