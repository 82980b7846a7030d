/* The consumer's state and how its parts call each other. Everything here belongs to the polling thread (the
 * caller of mr_consumer_run(), inside rebalance callbacks too) unless it says otherwise. */
#ifndef MR_STREAM_INTERNAL_H
#define MR_STREAM_INTERNAL_H

#include <librdkafka/rdkafka.h>
#include <pthread.h>
#include <stdatomic.h>

#include "stream/aside.h"
#include "stream/consumer.h"
#include "stream/handlers.h"
#include "stream/lanes.h"
#include "stream/part.h"

#define MR_FETCH_RECORDS 512 /* taken from librdkafka at once */
#define MR_TASK_RECORDS  256 /* most records of a task for a per-record handler */
#define MR_TOPICS_MAX    16

/* What fails without a record being guilty, and who waits for the probes' verdict. */
struct mr_world {
    bool broken;
    bool probing;
    int tries;
    int64_t next_probe_ms;
    int64_t recovered_ms;
    struct mr_item *asking; /* failed before the probe under way began */
    struct mr_task *asking_tasks;
    struct mr_item *asking_next; /* failed since */
    struct mr_task *asking_tasks_next;
    struct mr_item *unsent; /* letters that the broker did not take */
};

struct mr_consumer {
    struct mr_worker w;
    struct mr_producer *producer;
    const char *topics[MR_TOPICS_MAX + 2]; /* with retry.<worker>, NULL-terminated */
    char retry_topic[250];
    char dead_topic[250];
    char task_id[128];

    size_t max_records; /* in flight */
    int64_t max_bytes;
    size_t batch; /* records of a task */
    int threads;
    int attempts;
    int64_t backoff_ms;
    int64_t backoff_max_ms;
    int64_t head_max_ms;
    int64_t commit_ms;

    rd_kafka_t *rk;
    rd_kafka_queue_t *events; /* rebalances, errors: served by rd_kafka_consumer_poll() */
    rd_kafka_queue_t
        *records; /* all partitions' queues are forwarded here, so that events never wait behind records */
    rd_kafka_queue_t *commits; /* answers to commits */
    rd_kafka_queue_t *wakes;   /* answers that nobody waits for (wake.c) */
    struct mr_mailbox mailbox;
    struct mr_handlers *handlers;
    struct mr_aside *aside;

    struct mr_item_pool pool;
    struct mr_lanes lanes;
    struct mr_part **parts;
    size_t n_parts;
    size_t parts_capacity;
    const rd_kafka_topic_t *last_topic; /* whose part was looked up last */
    struct mr_part *last_part;

    int64_t now_ms;  /* monotonic, of this turn */
    size_t inflight; /* records */
    int64_t inflight_bytes;
    size_t out;       /* of them, in somebody's hands */
    size_t tasks_out; /* given to handlers and not back */
    struct mr_task *given;
    bool full;        /* at the high mark, not yet back at half */
    double record_us; /* how long a record takes, smoothed */
    struct mr_task *free_tasks;

    struct mr_world world;
    int commits_out; /* sent, not answered */
    int64_t next_commit_ms;
    int64_t next_heads_ms;
    int64_t next_metrics_ms;
    int64_t next_lag_ms;
    bool stopping;
    bool left;   /* the group */
    bool failed; /* with `failure`: a FATAL error ends it */
    struct mr_error failure;

    atomic_bool stop_asked; /* any thread */
    atomic_int assigned;    /* any thread reads these */
    atomic_llong inflight_now;
    atomic_bool waiting;
    pthread_mutex_t why_lock; /* guards `why` */
    char why[256];
};

/* wake.c: after partitions were taken or given up, so that those that stay are fetched at once. */
void mr_wake_leaders(struct mr_consumer *c);

/* intake.c: from librdkafka to lanes. True when something was taken. */
bool mr_intake(struct mr_consumer *c);
/* One message, record or error; takes it. */
void mr_intake_message(struct mr_consumer *c, rd_kafka_message_t *m);

/* dispatch.c: from lanes to handlers and back. */
bool mr_dispatch(struct mr_consumer *c);
void mr_dispatch_finished(struct mr_consumer *c, struct mr_task *task);
/* Looks for tasks that take long; returns when to look again. */
int64_t mr_dispatch_rescue(struct mr_consumer *c);
void mr_dispatch_bisect(struct mr_consumer *c, struct mr_task *task);
struct mr_task *mr_dispatch_task(struct mr_consumer *c);
void mr_dispatch_recycle(struct mr_consumer *c, struct mr_task *task);

/* flight.c: the ways an item that is out comes back. */
void mr_flight_out(struct mr_consumer *c, struct mr_item *item);
void mr_flight_back(struct mr_consumer *c,
                    struct mr_item *item); /* into its lane, or dropped when its part closes */
void mr_flight_done(struct mr_consumer *c, struct mr_item *item);
/* Drops what is not out: of one part, or of all when part is NULL. */
void mr_flight_purge(struct mr_consumer *c, struct mr_part *part);

/* failure.c: what becomes of a record whose handler failed. */
void mr_failure_of(struct mr_consumer *c, struct mr_item *item);
void mr_failure_counts(struct mr_consumer *c, struct mr_item *item);
void mr_failure_told(struct mr_consumer *c, struct mr_item *item);
void mr_failure_send(struct mr_consumer *c, struct mr_item *item);
void mr_failure_sent(struct mr_consumer *c, struct mr_item *item);
void mr_failure_heads(struct mr_consumer *c, int64_t now_ms);
void mr_failure_fatal(struct mr_consumer *c, const struct mr_error *why);

/* world.c: whether the dependencies answer. */
void mr_world_ask(struct mr_consumer *c, struct mr_item *item);
void mr_world_ask_task(struct mr_consumer *c, struct mr_task *task);
void mr_world_unsent(struct mr_consumer *c, struct mr_item *item);
void mr_world_broken(struct mr_consumer *c, const struct mr_error *why);
void mr_world_probed(struct mr_consumer *c, const struct mr_error *answer);
void mr_world_tick(struct mr_consumer *c, int64_t now_ms);
/* Nobody waits for a verdict any more: they go back uncounted. */
void mr_world_release(struct mr_consumer *c);
/* Letters of partitions that close are not waited for. */
void mr_world_drop_closing(struct mr_consumer *c);

/* commit.c */
/* Sends the marks that moved, of all partitions or of those that close. */
void mr_commit_send(struct mr_consumer *c, bool closing_only);
/* Takes the answers that came; true when there were any. */
bool mr_commit_answers(struct mr_consumer *c);
/* Turns until all commits are answered or the time is over. */
void mr_commit_wait(struct mr_consumer *c, int64_t timeout_ms);

/* rebalance.c */
void mr_rebalance(rd_kafka_t *rk, rd_kafka_resp_err_t what, rd_kafka_topic_partition_list_t *list,
                  void *opaque);
struct mr_part *mr_part_find(struct mr_consumer *c, const char *topic, int32_t partition);
void mr_part_free_if_unused(struct mr_part *part);

/* report.c: metrics. */
void mr_report(struct mr_consumer *c, int64_t now_ms);
void mr_report_part(struct mr_part *part);

/* loop.c */
/* One turn of everything but librdkafka's events; waits up to timeout_ms when there was nothing to do. */
void mr_loop_turn(struct mr_consumer *c, int64_t timeout_ms);

#endif
