/* A consumer that runs on a thread of its own, and what its handler saw. */
#ifndef MR_TEST_RUNNING_H
#define MR_TEST_RUNNING_H

#include <pthread.h>
#include <stdatomic.h>

#include "mock.h"
#include "stream/consumer.h"

#define SEEN_MAX 200000

/* What a group of consumers handled, in the order in which handling ended. */
struct seen_record {
    int32_t partition;
    int64_t offset;
    int attempt;
    int by;
    int64_t at_ms;
    char topic[24];
    char origin[24];
    char key[24];
    char value[24];
};

struct seen {
    pthread_mutex_t lock;
    struct seen_record list[SEEN_MAX];
    size_t n;
};

struct running {
    int id;
    struct mr_config cfg;
    struct mr_worker worker;
    struct mr_producer *producer;
    struct mr_consumer *consumer;
    struct seen *seen;
    pthread_t thread;
    enum mr_status status;
    struct mr_error err;
    bool joined;
    atomic_bool world_is_broken;
    atomic_int probes;
    atomic_int calls;
    /* What the handler does with a record before it counts as seen; NULL: nothing. */
    enum mr_status (*act)(struct running *r, const struct mr_record *record, struct mr_error *err);
};

static inline void see_record(struct running *r, const struct mr_record *record)
{
    struct seen *s = r->seen;
    pthread_mutex_lock(&s->lock);
    assert_true(s->n < SEEN_MAX);
    struct seen_record *to = &s->list[s->n++];
    to->partition = record->partition;
    to->offset = record->offset;
    to->attempt = record->attempt;
    to->by = r->id;
    to->at_ms = mr_mono_ms();
    snprintf(to->topic, sizeof to->topic, "%s", record->topic);
    snprintf(to->origin, sizeof to->origin, "%s", record->origin_topic);
    snprintf(to->key, sizeof to->key, "%.*s", (int)record->key.len, record->key.p ? record->key.p : "");
    snprintf(to->value, sizeof to->value, "%.*s", (int)record->value.len,
             record->value.p ? record->value.p : "");
    pthread_mutex_unlock(&s->lock);
}

static inline size_t seen_count(struct seen *s)
{
    pthread_mutex_lock(&s->lock);
    size_t n = s->n;
    pthread_mutex_unlock(&s->lock);
    return n;
}

static inline enum mr_status running_handle(void *ctx, struct mr_record *record, struct mr_error *err)
{
    struct running *r = ctx;
    atomic_fetch_add(&r->calls, 1);
    if (r->act && r->act(r, record, err) != MR_OK) {
        return MR_FAIL;
    }
    see_record(r, record);
    return MR_OK;
}

static inline enum mr_status running_handle_batch(void *ctx, struct mr_record *const *records, size_t n,
                                                  struct mr_error *err)
{
    struct running *r = ctx;
    atomic_fetch_add(&r->calls, 1);
    for (size_t i = 0; i < n; i++) {
        if (r->act && r->act(r, records[i], err) != MR_OK) {
            return MR_FAIL;
        }
    }
    for (size_t i = 0; i < n; i++) {
        see_record(r, records[i]);
    }
    return MR_OK;
}

static inline enum mr_status running_probe(void *ctx, struct mr_error *err)
{
    struct running *r = ctx;
    atomic_fetch_add(&r->probes, 1);
    return atomic_load(&r->world_is_broken) ? mr_error_set(err, MR_CLASS_RETRY, 0, "the world is broken")
                                            : MR_OK;
}

static const char *const running_topics[] = {"t", NULL};

/* Fills in what a test may then change before running_start(). */
static inline void running_init(struct running *r, struct mock *m, struct seen *seen, int id, bool batch)
{
    *r = (struct running){.id = id, .seen = seen};
    r->cfg = (struct mr_config){
        .brokers = m->brokers,
        .instance_id = "",
        .consumer_threads = 4,
        .consumer_batch = 100,
        .consumer_inflight_records = 20000,
        .consumer_inflight_bytes = 32 << 20,
        .consumer_attempts = 3,
        .consumer_backoff = 20,
        .consumer_backoff_max = 200,
        .consumer_head_max = 60000,
        .consumer_commit = 50,
        .consumer_session = 6000,
    };
    r->worker = (struct mr_worker){
        .name = "test",
        .topics = running_topics,
        .ctx = r,
        .handle = batch ? NULL : running_handle,
        .handle_batch = batch ? running_handle_batch : NULL,
        .probe = running_probe,
    };
    struct mr_producer_options options = {
        .brokers = m->brokers, .client_id = "letters", .message_timeout_ms = 5000};
    assert_int_equal(mr_producer_open(&options, &r->producer, &r->err), MR_OK);
}

static inline void *running_main(void *arg)
{
    struct running *r = arg;
    r->status = mr_consumer_run(r->consumer, &r->err);
    return NULL;
}

static inline void running_start(struct running *r)
{
    r->joined = false;
    if (mr_consumer_open(&r->cfg, &r->worker, r->producer, &r->consumer, &r->err) != MR_OK) {
        fail_msg("%s", r->err.text);
    }
    assert_int_equal(pthread_create(&r->thread, NULL, running_main, r), 0);
}

static inline void running_join(struct running *r)
{
    pthread_join(r->thread, NULL);
    mr_consumer_close(&r->consumer);
    r->joined = true;
}

static inline void running_stop(struct running *r)
{
    mr_consumer_stop(r->consumer);
    running_join(r);
    assert_int_equal(r->status, MR_OK);
}

static inline void running_end(struct running *r)
{
    mr_producer_close(&r->producer, 1000);
}

static inline bool wait_until_seen(struct seen *s, size_t n, int64_t timeout_ms)
{
    for (int64_t end = mr_mono_ms() + timeout_ms; mr_mono_ms() < end; mr_sleep_ms(5)) {
        if (seen_count(s) >= n) {
            return true;
        }
    }
    return false;
}

/* Puts n records on topic t: values 0, 1, 2, … from `first`, key k<value modulo keys>, partition by key. */
static inline void put_records(struct mock *m, const char *topic, int first, int n, int keys, int partitions)
{
    struct mr_producer *p;
    struct mr_error err;
    struct mr_producer_options options = {.brokers = m->brokers, .client_id = "filler"};
    assert_int_equal(mr_producer_open(&options, &p, &err), MR_OK);
    struct mr_outgoing *out = calloc((size_t)n, sizeof *out);
    char(*text)[2][24] = calloc((size_t)n, sizeof *text);
    assert_non_null(out);
    assert_non_null(text);
    for (int i = 0; i < n; i++) {
        int key = (first + i) % keys;
        snprintf(text[i][0], sizeof text[i][0], "k%d", key);
        snprintf(text[i][1], sizeof text[i][1], "%d", first + i);
        out[i] = (struct mr_outgoing){.topic = topic,
                                      .partition = key % partitions,
                                      .key = mr_span_of(text[i][0]),
                                      .value = mr_span_of(text[i][1])};
    }
    if (mr_producer_send_wait(p, out, (size_t)n, &err) != MR_OK) {
        fail_msg("%s", err.text);
    }
    mr_producer_close(&p, 1000);
    free(out);
    free(text);
}

/* The group's committed offset; -1: none. */
static inline int64_t committed_offset(struct mock *m, const char *topic, int32_t partition)
{
    char why[256];
    rd_kafka_conf_t *conf = rd_kafka_conf_new();
    rd_kafka_conf_set(conf, "bootstrap.servers", m->brokers, why, sizeof why);
    rd_kafka_conf_set(conf, "group.id", "millrace.test", why, sizeof why);
    rd_kafka_t *rk = rd_kafka_new(RD_KAFKA_CONSUMER, conf, why, sizeof why);
    assert_non_null(rk);
    rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_new(1);
    rd_kafka_topic_partition_list_add(list, topic, partition);
    assert_int_equal(rd_kafka_committed(rk, list, 10000), RD_KAFKA_RESP_ERR_NO_ERROR);
    int64_t offset = list->elems[0].offset;
    rd_kafka_topic_partition_list_destroy(list);
    rd_kafka_destroy(rk);
    return offset < 0 ? -1 : offset;
}

/* As a tool that resets a group does; the mock takes it only before the group's first member comes. */
static inline void set_committed(struct mock *m, const char *topic, int32_t partition, int64_t offset)
{
    char why[256];
    rd_kafka_conf_t *conf = rd_kafka_conf_new();
    rd_kafka_conf_set(conf, "bootstrap.servers", m->brokers, why, sizeof why);
    rd_kafka_conf_set(conf, "group.id", "millrace.test", why, sizeof why);
    rd_kafka_t *rk = rd_kafka_new(RD_KAFKA_CONSUMER, conf, why, sizeof why);
    assert_non_null(rk);
    rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_new(1);
    rd_kafka_topic_partition_list_add(list, topic, partition)->offset = offset;
    assert_int_equal(rd_kafka_commit(rk, list, 0), RD_KAFKA_RESP_ERR_NO_ERROR);
    rd_kafka_topic_partition_list_destroy(list);
    rd_kafka_destroy(rk);
}

#endif
