#include "stream/consumer.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/stop.h"
#include "metrics/metrics.h"
#include "stream/broker_log.h"
#include "stream/handle.h"
#include "stream/internal.h"

#define DRAIN_MS       10000
#define COMMIT_WAIT_MS 3000
#define TURN_MS        1000

static void on_error(rd_kafka_t *rk, int code, const char *reason, void *opaque)
{
    char why[256];
    struct mr_error err;
    struct mr_consumer *c = opaque;
    if (code == RD_KAFKA_RESP_ERR__FATAL) {
        rd_kafka_resp_err_t fatal = rd_kafka_fatal_error(rk, why, sizeof why);
        mr_error_set(&err, MR_CLASS_FATAL, fatal, "consuming as millrace.%s: %s", c->w.name, why);
        mr_failure_fatal(c, &err);
        return;
    }
    mr_broker_log_error("consumer: broker trouble", code, reason);
}

static rd_kafka_conf_t *configure(const struct mr_consumer *c, const struct mr_config *cfg,
                                  struct mr_error *err)
{
    char group[256];
    char client[256];
    char session[24];
    char heartbeat[24];
    char queued[24];
    char fetch_max[24];
    int64_t beat_ms = cfg->consumer_session / 10;
    int64_t queued_kib = c->max_bytes / 2 / 1024;
    snprintf(group, sizeof group, "millrace.%s", c->w.name);
    snprintf(client, sizeof client, "mr-%s", c->w.name);
    snprintf(session, sizeof session, "%lld", (long long)cfg->consumer_session);
    snprintf(heartbeat, sizeof heartbeat, "%lld", (long long)(beat_ms < 3000 ? beat_ms : 3000));
    snprintf(queued, sizeof queued, "%lld", (long long)(queued_kib < 2097151 ? queued_kib : 2097151));
    snprintf(fetch_max, sizeof fetch_max, "%lld",
             (long long)(c->max_bytes / 2 > 2097152
                             ? (c->max_bytes / 2 < 52428800 ? c->max_bytes / 2 : 52428800)
                             : 2097152));
    const struct mr_handle_setting settings[] = {
        {"bootstrap.servers", cfg->brokers},
        {"client.id", client},
        {"group.id", group},
        {"group.instance.id", cfg->instance_id},
        {"partition.assignment.strategy", c->w.assignor ? c->w.assignor : "cooperative-sticky"},
        {"session.timeout.ms", session},
        {"heartbeat.interval.ms", heartbeat},
        {"isolation.level", "read_committed"},
        {"enable.auto.commit", "false"},
        {"enable.auto.offset.store", "false"},
        {"auto.offset.reset", "error"},
        /* Says where the log ends, so that a mark can pass the control records before it. */
        {"enable.partition.eof", "true"},
        {"queued.max.messages.kbytes", queued},
        {"fetch.max.bytes", fetch_max},
        {"message.max.bytes", "2097152"},
        /* How soon fetching goes on after our queue was full: the default second would be time without work.
         */
        {"fetch.queue.backoff.ms", "10"},
        {"fetch.error.backoff.ms", "200"},
        /* A fetch that waits for records also keeps partitions waiting that were assigned or resumed
           meanwhile. */
        {"fetch.wait.max.ms", "100"},
        {"reconnect.backoff.max.ms", "2000"},
        {"topic.metadata.refresh.interval.ms", "30000"},
    };
    rd_kafka_conf_t *conf = mr_handle_conf(settings, sizeof settings / sizeof settings[0], err);
    if (conf) {
        rd_kafka_conf_set_opaque(conf, (void *)c);
        rd_kafka_conf_set_rebalance_cb(conf, mr_rebalance);
        rd_kafka_conf_set_error_cb(conf, on_error);
    }
    return conf;
}

static enum mr_status take_worker(struct mr_consumer *c, const struct mr_config *cfg,
                                  const struct mr_worker *w, struct mr_error *err)
{
    size_t n = 0;
    char host[64] = "";
    if ((w->handle == NULL) == (w->handle_batch == NULL)) {
        return mr_error_set(err, MR_CLASS_FATAL, 0, "worker %s needs one handler, per record or per batch",
                            w->name);
    }
    c->w = *w;
    for (; w->topics[n]; n++) {
        if (n == MR_TOPICS_MAX) {
            return mr_error_set(err, MR_CLASS_FATAL, 0, "worker %s has more than %d topics", w->name,
                                MR_TOPICS_MAX);
        }
        c->topics[n] = w->topics[n];
    }
    snprintf(c->retry_topic, sizeof c->retry_topic, "retry.%s", w->name);
    snprintf(c->dead_topic, sizeof c->dead_topic, "dlq.%s", w->name);
    c->topics[n] = c->retry_topic;
    gethostname(host, sizeof host - 1);
    snprintf(c->task_id, sizeof c->task_id, "%.60s:%d", cfg->instance_id[0] ? cfg->instance_id : host,
             (int)getpid());
    c->threads = (int)cfg->consumer_threads;
    c->batch = w->handle_batch ? (size_t)cfg->consumer_batch : MR_TASK_RECORDS;
    c->max_records = (size_t)cfg->consumer_inflight_records;
    c->max_bytes = cfg->consumer_inflight_bytes;
    c->attempts = (int)cfg->consumer_attempts;
    c->backoff_ms = cfg->consumer_backoff;
    c->backoff_max_ms = cfg->consumer_backoff_max;
    c->head_max_ms = cfg->consumer_head_max;
    c->commit_ms = cfg->consumer_commit;
    return MR_OK;
}

static enum mr_status subscribe(struct mr_consumer *c, struct mr_error *err)
{
    rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_new(MR_TOPICS_MAX + 1);
    for (size_t i = 0; c->topics[i]; i++) {
        rd_kafka_topic_partition_list_add(list, c->topics[i], RD_KAFKA_PARTITION_UA);
    }
    rd_kafka_resp_err_t code = rd_kafka_subscribe(c->rk, list);
    rd_kafka_topic_partition_list_destroy(list);
    return code ? mr_error_set(err, MR_CLASS_FATAL, code, "cannot subscribe: %s", rd_kafka_err2str(code))
                : MR_OK;
}

static enum mr_status open_handle(struct mr_consumer *c, const struct mr_config *cfg, struct mr_error *err)
{
    static const uint64_t one = 1;
    char why[256];
    rd_kafka_conf_t *conf = configure(c, cfg, err);
    if (!conf) {
        return MR_FAIL;
    }
    c->rk = rd_kafka_new(RD_KAFKA_CONSUMER, conf, why, sizeof why);
    if (!c->rk) {
        rd_kafka_conf_destroy(conf);
        return mr_error_set(err, MR_CLASS_FATAL, 0, "cannot make a consumer: %s", why);
    }
    rd_kafka_poll_set_consumer(c->rk);
    c->events = rd_kafka_queue_get_consumer(c->rk);
    c->records = rd_kafka_queue_new(c->rk);
    c->commits = rd_kafka_queue_new(c->rk);
    c->wakes = rd_kafka_queue_new(c->rk);
    rd_kafka_queue_io_event_enable(c->events, c->mailbox.fd, &one, sizeof one);
    rd_kafka_queue_io_event_enable(c->records, c->mailbox.fd, &one, sizeof one);
    rd_kafka_queue_io_event_enable(c->commits, c->mailbox.fd, &one, sizeof one);
    return subscribe(c, err);
}

enum mr_status mr_consumer_open(const struct mr_config *cfg, const struct mr_worker *w,
                                struct mr_producer *producer, struct mr_consumer **out, struct mr_error *err)
{
    *out = NULL;
    struct mr_consumer *c = calloc(1, sizeof *c);
    if (!c) {
        return mr_error_set(err, MR_CLASS_RETRY, 0, "out of memory for a consumer");
    }
    if (mr_mailbox_open(&c->mailbox, err) != MR_OK) {
        free(c);
        return MR_FAIL;
    }
    pthread_mutex_init(&c->why_lock, NULL);
    c->producer = producer;
    if (take_worker(c, cfg, w, err) != MR_OK || mr_lanes_init(&c->lanes, err) != MR_OK ||
        mr_aside_start(&c->w, producer, &c->mailbox, &c->aside, err) != MR_OK ||
        mr_handlers_start(&c->w, c->threads, &c->mailbox, &c->handlers, err) != MR_OK ||
        open_handle(c, cfg, err) != MR_OK) {
        mr_consumer_close(&c);
        return MR_FAIL;
    }
    *out = c;
    return MR_OK;
}

/* Records come by the other queue, but one that came by this one would be lost if it were not taken. */
static void serve_events(struct mr_consumer *c)
{
    for (rd_kafka_message_t *m; (m = rd_kafka_consumer_poll(c->rk, 0)) != NULL;) {
        mr_intake_message(c, m);
    }
}

/* Nothing new is started; what is in somebody's hands has time to end. */
static void drain(struct mr_consumer *c)
{
    int64_t end_ms = mr_mono_ms() + DRAIN_MS;
    c->stopping = true;
    mr_world_release(c);
    mr_flight_purge(c, NULL);
    for (int64_t left = DRAIN_MS; c->out > 0 && left > 0; left = end_ms - mr_mono_ms()) {
        mr_loop_turn(c, left < TURN_MS ? left : TURN_MS);
    }
    if (c->out > 0) {
        mr_log(MR_LOG_WARN, "records still being handled are left to the next owner",
               mr_log_int("records", (int64_t)c->out));
    }
    mr_commit_wait(c, COMMIT_WAIT_MS);
    mr_commit_send(c, false);
    mr_commit_wait(c, COMMIT_WAIT_MS);
}

enum mr_status mr_consumer_run(struct mr_consumer *c, struct mr_error *err)
{
    mr_log(MR_LOG_INFO, "consuming", mr_log_str("worker", c->w.name), mr_log_int("threads", c->threads));
    while (!c->failed && !mr_stop_requested() && !atomic_load(&c->stop_asked)) {
        serve_events(c);
        mr_loop_turn(c, TURN_MS);
    }
    drain(c);
    rd_kafka_consumer_close(c->rk);
    c->left = true;
    mr_log(MR_LOG_INFO, "consumer stopped", mr_log_str("worker", c->w.name));
    if (c->failed) {
        return mr_error_set(err, c->failure.class, c->failure.code, "%s", c->failure.text);
    }
    return MR_OK;
}

void mr_consumer_stop(struct mr_consumer *c)
{
    atomic_store(&c->stop_asked, true);
    mr_mailbox_wake(&c->mailbox);
}

static void free_all(struct mr_consumer *c)
{
    for (size_t i = 0; i < c->n_parts; i++) {
        atomic_store(&c->parts[i]->gone, true);
        mr_part_free_if_unused(c->parts[i]);
    }
    for (struct mr_task *task = c->free_tasks, *next; task; task = next) {
        next = task->next;
        mr_task_free(&task);
    }
    free(c->parts);
    mr_lanes_free(&c->lanes);
    mr_item_pool_free(&c->pool);
    mr_mailbox_close(&c->mailbox);
    pthread_mutex_destroy(&c->why_lock);
    free(c);
}

void mr_consumer_close(struct mr_consumer **consumer)
{
    struct mr_consumer *c = *consumer;
    if (!c) {
        return;
    }
    c->stopping = true;
    if (c->rk && !c->left) {
        rd_kafka_consumer_close(c->rk);
    }
    mr_handlers_stop(&c->handlers);
    mr_aside_stop(&c->aside);
    /* The producer still holds letters that were not answered; its timeout bounds this. */
    while (c->out > 0) {
        mr_loop_turn(c, TURN_MS);
    }
    if (c->rk) {
        rd_kafka_queue_destroy(c->events);
        rd_kafka_queue_destroy(c->records);
        rd_kafka_queue_destroy(c->commits);
        rd_kafka_queue_destroy(c->wakes);
        rd_kafka_destroy(c->rk);
    }
    free_all(c);
    *consumer = NULL;
}

void mr_consumer_state(struct mr_consumer *c, struct mr_consumer_state *out)
{
    out->assigned = atomic_load(&c->assigned);
    out->inflight = (int64_t)atomic_load(&c->inflight_now);
    out->waiting_for_world = atomic_load(&c->waiting);
    pthread_mutex_lock(&c->why_lock);
    snprintf(out->why, sizeof out->why, "%s", c->why);
    pthread_mutex_unlock(&c->why_lock);
}
