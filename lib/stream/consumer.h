/* The consumer every worker runs on: lanes, offset maps, bounds, rebalances, retries, dead letters
 * (docs/stream.md says how it works and why).
 *
 * What a worker gives: topics, a group, a decode function, and either a per-record or a per-batch handler
 * whose effects are durable and idempotent when it returns MR_OK. What it gets:
 *  - records of one lane (key) are handled in order, one at a time, across all topics of the group; different
 *    lanes run at once on `threads` handler threads;
 *  - an offset is committed only when its record and all before it in the partition are done (handled, or
 *    acknowledged in retry.<worker> or dlq.<worker>);
 *  - a failure of class RETRY asks the probes: one that fails means the world is broken: everything waits,
 * nothing is counted or skipped. While all pass, the failure is the record's: its lane is parked, the attempt
 * counted, and after `attempts` it is dead-lettered. REJECT is dead-lettered at once. FATAL ends the program;
 *  - a batch that fails while the probes pass is bisected until the guilty record alone is left;
 *  - a revoked partition: no more is fed, what runs has at most 5 s (0.7 s when other partitions stay,
 * because they are not fetched meanwhile), the mark is committed, the rest is cancelled and its completions
 * are discarded; a lost one commits nothing.
 *
 * mr_consumer_run() polls on the calling thread and never blocks in a handler. */
#ifndef MR_STREAM_CONSUMER_H
#define MR_STREAM_CONSUMER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/config.h"
#include "base/error.h"
#include "base/span.h"
#include "event/headers.h"
#include "stream/producer.h"

struct mr_consumer;

/* A record as fetched; spans live until the handler has returned for it. */
struct mr_record {
    const char *topic; /* of this fetch; retry.<worker> for a second chance */
    int32_t partition;
    int64_t offset;
    int64_t timestamp_ms;
    struct mr_span key;
    struct mr_span value;     /* p == NULL: null value; p != NULL and len == 0: empty */
    int attempt;              /* from 1; counts over retry topics and restarts (header mr.attempts) */
    const char *origin_topic; /* the topic it was first read from (same as topic, but for retries) */
    void *decoded;            /* what decode() made; NULL without one */
    void *internal;
};

/* Reads one header of the record ({NULL,0} when absent). */
struct mr_span mr_record_header(const struct mr_record *r, const char *name);

struct mr_worker {
    const char *name;          /* "metadata": group "millrace.metadata", retry.metadata, dlq.metadata */
    const char *const *topics; /* NULL-terminated, without retry.<name>, which is added */
    void *ctx;

    /* Called on a handler thread before the handler; *decoded is given to the handler and freed with
     * free_decoded. REJECT dead-letters the record without touching the rest of its batch. May be NULL. */
    enum mr_status (*decode)(void *ctx, const struct mr_record *r, void **decoded, struct mr_error *err);
    void (*free_decoded)(void *ctx, void *decoded);

    /* Exactly one of these. A batch holds at most one record of a lane unless `batch_keeps_order`, when it
     * may hold several of a lane, in order. */
    enum mr_status (*handle)(void *ctx, struct mr_record *r, struct mr_error *err);
    enum mr_status (*handle_batch)(void *ctx, struct mr_record *const *r, size_t n, struct mr_error *err);
    bool batch_keeps_order;

    /* partition.assignment.strategy; NULL: cooperative-sticky. */
    const char *assignor;

    /* The dependencies' own probes, all of them in one call; MR_FAIL says which one is away. The broker's is
     * built in. */
    enum mr_status (*probe)(void *ctx, struct mr_error *err);

    /* An attempt failed and will be made again at next_retry_us (0: dead-lettered). May be NULL. Durable when
     * it returns: it may produce. Failure is logged and not retried. */
    void (*failed)(void *ctx, const struct mr_record *r, const struct mr_error *why, int64_t next_retry_us);
};

/* Metrics, what /readyz asks. */
struct mr_consumer_state {
    int assigned;           /* partitions */
    int64_t inflight;       /* records */
    bool waiting_for_world; /* a probe fails */
    char why[256];
};

enum mr_status mr_consumer_open(const struct mr_config *cfg, const struct mr_worker *w,
                                struct mr_producer *producer, struct mr_consumer **out, struct mr_error *err);
/* Runs until mr_stop_requested(), then drains (at most 10 s), commits and leaves the group. MR_FAIL with the
 * reason when a FATAL error ended it. */
enum mr_status mr_consumer_run(struct mr_consumer *c, struct mr_error *err);
/* As if a stop was requested, for this consumer alone; any thread, until it is closed. */
void mr_consumer_stop(struct mr_consumer *c);
/* Before the producer is closed. Waits for handlers that outlasted the drain. */
void mr_consumer_close(struct mr_consumer **c);
void mr_consumer_state(struct mr_consumer *c, struct mr_consumer_state *out); /* any thread */

/* Kill points the runtime itself passes; a worker puts them in its list. */
#define MR_CONSUMER_KILL_POINTS                                                                              \
    "consumer.before-handle", "consumer.after-handle", "consumer.before-commit", "consumer.after-commit",    \
        "consumer.before-dead-letter", "consumer.after-dead-letter", "consumer.before-retry",                \
        "consumer.after-retry"

#endif
