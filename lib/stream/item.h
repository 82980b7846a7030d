/* A record in flight, from fetch to done. Items come from a pool that grows to what the bounds in flight
 * allow.
 *
 * The polling thread owns items, their lanes and their partitions. While an item is `out`, whoever has it (a
 * handler thread, the aside thread, the producer's report) may touch its record, outcome and error, and
 * nothing else. */
#ifndef MR_STREAM_ITEM_H
#define MR_STREAM_ITEM_H

#include <librdkafka/rdkafka.h>
#include <stddef.h>
#include <stdint.h>

#include "stream/consumer.h"
#include "stream/offset_map.h"

/* What became of it in the hands of a handler or of the producer. */
enum mr_outcome {
    MR_OUTCOME_NONE,   /* not run */
    MR_OUTCOME_OK,     /* its effect is durable */
    MR_OUTCOME_FAILED, /* item->why says why, for this record alone */
    MR_OUTCOME_SHARED, /* it was in a batch that failed as a whole */
};

/* Where it goes when it is not to be handled (again). */
enum mr_letter { MR_LETTER_NONE, MR_LETTER_DEAD, MR_LETTER_RETRY };

struct mr_part;
struct mr_lane;

struct mr_item {
    struct mr_record r;
    struct mr_offset_entry entry; /* in its partition's map */
    struct mr_part *part;
    struct mr_lane *lane;
    struct mr_item *lane_prev;
    struct mr_item *lane_next;
    struct mr_item *next; /* in whatever single list it is in: the pool, a mailbox, who waits for a verdict */
    uint64_t lane_hash;
    rd_kafka_message_t *message; /* NULL once it was copied out of the fetch buffer */
    rd_kafka_headers_t *headers; /* then these are its own, */
    char *bytes;                 /* and key and value are in here */
    char *origin_name;           /* origin_topic, when it is none of the worker's */
    struct mr_error *why;        /* of the last failure; NULL when there was none */
    int64_t not_before_ms;       /* monotonic; 0: at once */
    int64_t parked_ms;           /* when it first had to wait; 0: never */
    int64_t run_ms;              /* when the task of its last run began */
    int64_t origin_offset;
    int32_t origin_partition;
    uint32_t size; /* bytes it counts for */
    enum mr_outcome outcome;
    enum mr_letter letter;
    bool out;
    bool alone;                     /* failed before: in a batch of its own from now on */
    bool any_partition;             /* its letter's own partition does not exist */
    bool bare;                      /* its letter was too large: only the headers that say where it is */
    enum mr_error_class send_class; /* of its letter; NONE: acknowledged */
    int send_code;
};

struct mr_item_chunk;

struct mr_item_pool {
    struct mr_item *free;
    struct mr_item_chunk *chunks;
};

void mr_item_pool_free(struct mr_item_pool *pool);
/* All zeroes but r.internal; NULL when memory is out. */
struct mr_item *mr_item_new(struct mr_item_pool *pool);
/* Releases what it holds and puts it back. */
void mr_item_recycle(struct mr_item_pool *pool, struct mr_item *item);

/* Gives the record's bytes back to librdkafka (any thread that has the item). */
void mr_item_release(struct mr_item *item);

/* Copies the record out of the fetch buffer it lies in, so that one that waits long does not hold a megabyte.
 */
void mr_item_detach(struct mr_item *item);

/* NULL when it has none. Parsed on first use. */
rd_kafka_headers_t *mr_item_headers(const struct mr_item *item);

/* Remembers an error, replacing an earlier one. */
void mr_item_fail(struct mr_item *item, const struct mr_error *err);

static inline struct mr_item *mr_item_of(struct mr_offset_entry *entry)
{
    return (struct mr_item *)(void *)((char *)entry - offsetof(struct mr_item, entry));
}

#endif
