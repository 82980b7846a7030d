/* Producer: acks=all, idempotent, partitioner=murmur2_random (the Java client's), lz4. Owns a thread that
 * serves delivery reports. Any thread may send; reports are called on the producer's thread and must be
 * short. */
#ifndef MR_STREAM_PRODUCER_H
#define MR_STREAM_PRODUCER_H

#include "base/error.h"
#include "base/span.h"
#include "event/headers.h"

struct mr_producer;

struct mr_producer_options {
    const char *brokers;
    const char *client_id;
    int message_timeout_ms; /* a record not acknowledged by then has failed; 0: 30 s */
    int queue_max;          /* records that may wait; 0: 100,000 */
};

struct mr_outgoing {
    const char *topic;
    int32_t partition; /* -1: by the key */
    struct mr_span key;
    struct mr_span value;             /* p == NULL: a null value (tombstone); copied */
    const struct mr_headers *headers; /* may be NULL; copied */
};

/* err is NULL when every in-sync replica has it; else RETRY (not known to be on the log), REJECT (too large,
 * no such partition) or FATAL (the producer is broken for good: librdkafka's idempotence cannot go on; end
 * the program). */
typedef void (*mr_delivery_fn)(void *ctx, const struct mr_error *err, int32_t partition, int64_t offset);

enum mr_status mr_producer_open(const struct mr_producer_options *o, struct mr_producer **out,
                                struct mr_error *err);
/* Waits up to timeout_ms for what is under way; what is left is reported as failed. */
void mr_producer_close(struct mr_producer **p, int timeout_ms);

/* Enqueues; `done` is called exactly once when MR_OK is returned, never when MR_FAIL is (queue full: RETRY).
 */
enum mr_status mr_producer_send(struct mr_producer *p, const struct mr_outgoing *r, mr_delivery_fn done,
                                void *ctx, struct mr_error *err);
/* Sends n records and waits until all are acknowledged; the first failure is returned. */
enum mr_status mr_producer_send_wait(struct mr_producer *p, const struct mr_outgoing *r, size_t n,
                                     struct mr_error *err);
/* Asks for the topic's partitions and keeps what it learns, so that the first record of it need not wait
 * (timeout 2 s). RETRY: the log is away. */
enum mr_status mr_producer_warm(struct mr_producer *p, const char *topic, struct mr_error *err);
/* The broker answers (metadata request, timeout 2 s): the dependency's own probe. */
enum mr_status mr_producer_probe(struct mr_producer *p, struct mr_error *err);

#endif
