/* Lanes: records of one key, in the order they came, at most one hand on a lane at a time; different lanes at
 * once.
 *
 * A lane is ready (its first record may be taken), busy (some of its records are out), or parked (its first
 * record has to wait until a time). It exists only while it has records. Keys are told apart by a 64-bit hash
 * under a secret seed: two keys that meet share a lane, which costs time and never order. One owner: the
 * polling thread. */
#ifndef MR_STREAM_LANES_H
#define MR_STREAM_LANES_H

#include "stream/item.h"

struct mr_lane {
    uint64_t hash;
    struct mr_item *first;
    struct mr_item *last;
    struct mr_lane *prev; /* among the ready */
    struct mr_lane *next; /* among the ready, or in the pool */
    size_t out;           /* records that are out */
    size_t heap_at;       /* place among the parked */
    int64_t wake_ms;
    enum { MR_LANE_BUSY, MR_LANE_READY, MR_LANE_PARKED } state;
};

struct mr_lane_chunk;

struct mr_lanes {
    struct mr_lane **table; /* open addressing, a power of two */
    size_t capacity;
    size_t n; /* lanes */
    struct mr_lane *first_ready;
    struct mr_lane *last_ready;
    size_t n_ready;
    struct mr_lane **parked; /* a heap by wake_ms */
    size_t n_parked;
    size_t parked_capacity;
    struct mr_lane *free;
    struct mr_lane_chunk *chunks;
    uint64_t seed;
};

enum mr_status mr_lanes_init(struct mr_lanes *lanes, struct mr_error *err);
void mr_lanes_free(struct mr_lanes *lanes);

/* A key's hash; equal keys have equal ones within this process. */
uint64_t mr_lanes_hash(const struct mr_lanes *lanes, struct mr_span key);

/* Appends to the lane of item->lane_hash. MR_FAIL when memory is out. */
enum mr_status mr_lanes_add(struct mr_lanes *lanes, struct mr_item *item, int64_t now_ms);

/* Takes up to `max` records that may be handled now, at most `per_lane` of one lane and those one after the
 * other; a record that is to be `alone` comes alone. They are out until put back or removed. */
size_t mr_lanes_take(struct mr_lanes *lanes, struct mr_item **items, size_t max, size_t per_lane,
                     int64_t now_ms);

/* Takes this very record, which must not be out: whatever its lane does, nothing else of it is taken
 * meanwhile. */
void mr_lanes_take_one(struct mr_lanes *lanes, struct mr_item *item);

/* Was out, is again where it stood; waits there until item->not_before_ms. */
void mr_lanes_put_back(struct mr_lanes *lanes, struct mr_item *item, int64_t now_ms);

/* Leaves its lane, out or not. */
void mr_lanes_remove(struct mr_lanes *lanes, struct mr_item *item, int64_t now_ms);

/* Readies the lanes whose time has come; returns when the next one's comes, INT64_MAX when none is parked. */
int64_t mr_lanes_wake(struct mr_lanes *lanes, int64_t now_ms);

#endif
