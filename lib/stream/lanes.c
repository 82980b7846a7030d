#include "stream/lanes.h"

#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#define CHUNK_LANES    256
#define FIRST_CAPACITY 1024

struct mr_lane_chunk {
    struct mr_lane_chunk *next;
    struct mr_lane lanes[CHUNK_LANES];
};

enum mr_status mr_lanes_init(struct mr_lanes *lanes, struct mr_error *err)
{
    *lanes = (struct mr_lanes){.capacity = FIRST_CAPACITY, .parked_capacity = FIRST_CAPACITY};
    lanes->table = calloc(lanes->capacity, sizeof(struct mr_lane *));
    lanes->parked = calloc(lanes->parked_capacity, sizeof(struct mr_lane *));
    if (!lanes->table || !lanes->parked) {
        mr_lanes_free(lanes);
        return mr_error_set(err, MR_CLASS_RETRY, 0, "out of memory for lanes");
    }
    if (getrandom(&lanes->seed, sizeof lanes->seed, 0) != (ssize_t)sizeof lanes->seed) {
        lanes->seed = (uint64_t)(uintptr_t)lanes;
    }
    return MR_OK;
}

void mr_lanes_free(struct mr_lanes *lanes)
{
    struct mr_lane_chunk *next;
    for (struct mr_lane_chunk *c = lanes->chunks; c; c = next) {
        next = c->next;
        free(c);
    }
    free(lanes->table);
    free(lanes->parked);
    *lanes = (struct mr_lanes){0};
}

static uint64_t fold(uint64_t a, uint64_t b)
{
    __extension__ unsigned __int128 product = (unsigned __int128)a * b;
    return (uint64_t)product ^ (uint64_t)(product >> 64);
}

uint64_t mr_lanes_hash(const struct mr_lanes *lanes, struct mr_span key)
{
    uint64_t h = lanes->seed ^ key.len * 0x9e3779b97f4a7c15u;
    size_t i = 0;
    uint64_t word;
    for (; i + sizeof word <= key.len; i += sizeof word) {
        memcpy(&word, key.p + i, sizeof word);
        h = fold(h ^ word, 0xa0761d6478bd642fu);
    }
    word = 0;
    if (i < key.len) {
        memcpy(&word, key.p + i, key.len - i);
    }
    return fold(h ^ word ^ lanes->seed, 0xe7037ed1a0b428dbu);
}

/* Where the lane of that hash is, or the empty place where it would be. */
static size_t find(const struct mr_lanes *lanes, uint64_t hash)
{
    size_t i = hash & (lanes->capacity - 1);
    while (lanes->table[i] && lanes->table[i]->hash != hash) {
        i = (i + 1) & (lanes->capacity - 1);
    }
    return i;
}

static enum mr_status grow(struct mr_lanes *lanes)
{
    size_t old_capacity = lanes->capacity;
    struct mr_lane **old = lanes->table;
    struct mr_lane **table = calloc(old_capacity * 2, sizeof(struct mr_lane *));
    struct mr_lane **parked = realloc(lanes->parked, old_capacity * 2 * sizeof(struct mr_lane *));
    if (parked) {
        lanes->parked = parked;
        lanes->parked_capacity = old_capacity * 2;
    }
    if (!table || !parked) {
        free(table);
        return MR_FAIL;
    }
    lanes->table = table;
    lanes->capacity = old_capacity * 2;
    for (size_t i = 0; i < old_capacity; i++) {
        if (old[i]) {
            lanes->table[find(lanes, old[i]->hash)] = old[i];
        }
    }
    free(old);
    return MR_OK;
}

static struct mr_lane *new_lane(struct mr_lanes *lanes)
{
    if (!lanes->free) {
        struct mr_lane_chunk *chunk = malloc(sizeof *chunk);
        if (!chunk) {
            return NULL;
        }
        chunk->next = lanes->chunks;
        lanes->chunks = chunk;
        for (size_t i = CHUNK_LANES; i > 0; i--) {
            chunk->lanes[i - 1].next = lanes->free;
            lanes->free = &chunk->lanes[i - 1];
        }
    }
    struct mr_lane *lane = lanes->free;
    lanes->free = lane->next;
    *lane = (struct mr_lane){0};
    return lane;
}

/* Removing from open addressing without tombstones: what was pushed past the hole moves back into it. */
static void forget(struct mr_lanes *lanes, struct mr_lane *lane)
{
    size_t mask = lanes->capacity - 1;
    size_t hole = find(lanes, lane->hash);
    for (size_t i = (hole + 1) & mask; lanes->table[i]; i = (i + 1) & mask) {
        size_t home = lanes->table[i]->hash & mask;
        if (((i - home) & mask) >= ((i - hole) & mask)) {
            lanes->table[hole] = lanes->table[i];
            hole = i;
        }
    }
    lanes->table[hole] = NULL;
    lanes->n--;
    lane->next = lanes->free;
    lanes->free = lane;
}

static void heap_put(struct mr_lanes *lanes, size_t at, struct mr_lane *lane)
{
    lanes->parked[at] = lane;
    lane->heap_at = at;
}

static void heap_up(struct mr_lanes *lanes, size_t at, struct mr_lane *lane)
{
    while (at > 0 && lanes->parked[(at - 1) / 2]->wake_ms > lane->wake_ms) {
        heap_put(lanes, at, lanes->parked[(at - 1) / 2]);
        at = (at - 1) / 2;
    }
    heap_put(lanes, at, lane);
}

static void heap_down(struct mr_lanes *lanes, size_t at, struct mr_lane *lane)
{
    for (;;) {
        size_t child = 2 * at + 1;
        if (child + 1 < lanes->n_parked &&
            lanes->parked[child + 1]->wake_ms < lanes->parked[child]->wake_ms) {
            child++;
        }
        if (child >= lanes->n_parked || lanes->parked[child]->wake_ms >= lane->wake_ms) {
            break;
        }
        heap_put(lanes, at, lanes->parked[child]);
        at = child;
    }
    heap_put(lanes, at, lane);
}

static void heap_remove(struct mr_lanes *lanes, struct mr_lane *lane)
{
    size_t at = lane->heap_at;
    struct mr_lane *last = lanes->parked[--lanes->n_parked];
    if (last == lane) {
        return;
    }
    if (at > 0 && lanes->parked[(at - 1) / 2]->wake_ms > last->wake_ms) {
        heap_up(lanes, at, last);
    } else {
        heap_down(lanes, at, last);
    }
}

static void ready_append(struct mr_lanes *lanes, struct mr_lane *lane)
{
    lane->prev = lanes->last_ready;
    lane->next = NULL;
    *(lanes->last_ready ? &lanes->last_ready->next : &lanes->first_ready) = lane;
    lanes->last_ready = lane;
    lanes->n_ready++;
}

static void ready_remove(struct mr_lanes *lanes, struct mr_lane *lane)
{
    *(lane->prev ? &lane->prev->next : &lanes->first_ready) = lane->next;
    *(lane->next ? &lane->next->prev : &lanes->last_ready) = lane->prev;
    lanes->n_ready--;
}

static void make_busy(struct mr_lanes *lanes, struct mr_lane *lane)
{
    if (lane->state == MR_LANE_READY) {
        ready_remove(lanes, lane);
    } else if (lane->state == MR_LANE_PARKED) {
        heap_remove(lanes, lane);
    }
    lane->state = MR_LANE_BUSY;
}

/* A lane none of whose records is out is ready or parked, as its first record says. There is a place among
 * the parked for every lane (grow()). */
static void schedule(struct mr_lanes *lanes, struct mr_lane *lane, int64_t now_ms)
{
    if (lane->first->not_before_ms > now_ms) {
        lane->state = MR_LANE_PARKED;
        lane->wake_ms = lane->first->not_before_ms;
        heap_up(lanes, lanes->n_parked++, lane);
    } else {
        lane->state = MR_LANE_READY;
        ready_append(lanes, lane);
    }
}

enum mr_status mr_lanes_add(struct mr_lanes *lanes, struct mr_item *item, int64_t now_ms)
{
    size_t at = find(lanes, item->lane_hash);
    struct mr_lane *lane = lanes->table[at];
    bool is_new = lane == NULL;
    if (is_new) {
        if (2 * (lanes->n + 1) > lanes->capacity) {
            if (grow(lanes) != MR_OK) {
                return MR_FAIL;
            }
            at = find(lanes, item->lane_hash);
        }
        lane = new_lane(lanes);
        if (!lane) {
            return MR_FAIL;
        }
        lane->hash = item->lane_hash;
        lanes->table[at] = lane;
        lanes->n++;
    }
    item->lane = lane;
    item->lane_prev = lane->last;
    item->lane_next = NULL;
    *(lane->last ? &lane->last->lane_next : &lane->first) = item;
    lane->last = item;
    if (is_new) {
        schedule(lanes, lane, now_ms);
    }
    return MR_OK;
}

static void take(struct mr_lane *lane, struct mr_item *item)
{
    item->out = true;
    lane->out++;
}

size_t mr_lanes_take(struct mr_lanes *lanes, struct mr_item **items, size_t max, size_t per_lane,
                     int64_t now_ms)
{
    size_t n = 0;
    while (n < max && lanes->first_ready) {
        struct mr_lane *lane = lanes->first_ready;
        struct mr_item *item = lane->first;
        if (item->alone && n > 0) {
            break;
        }
        make_busy(lanes, lane);
        for (size_t i = 0; i < per_lane && n < max && item; i++) {
            if (i > 0 && (item->alone || item->not_before_ms > now_ms)) {
                break;
            }
            take(lane, item);
            items[n++] = item;
            if (item->alone) {
                return n;
            }
            item = item->lane_next;
        }
    }
    return n;
}

void mr_lanes_take_one(struct mr_lanes *lanes, struct mr_item *item)
{
    make_busy(lanes, item->lane);
    take(item->lane, item);
}

static void back_in(struct mr_lanes *lanes, struct mr_lane *lane, struct mr_item *item, int64_t now_ms)
{
    item->out = false;
    lane->out--;
    if (lane->out == 0 && lane->first) {
        schedule(lanes, lane, now_ms);
    }
}

void mr_lanes_put_back(struct mr_lanes *lanes, struct mr_item *item, int64_t now_ms)
{
    back_in(lanes, item->lane, item, now_ms);
}

void mr_lanes_remove(struct mr_lanes *lanes, struct mr_item *item, int64_t now_ms)
{
    struct mr_lane *lane = item->lane;
    *(item->lane_prev ? &item->lane_prev->lane_next : &lane->first) = item->lane_next;
    *(item->lane_next ? &item->lane_next->lane_prev : &lane->last) = item->lane_prev;
    item->lane = NULL;
    if (item->out) {
        back_in(lanes, lane, item, now_ms);
    } else if (lane->out == 0) {
        make_busy(lanes, lane);
        if (lane->first) {
            schedule(lanes, lane, now_ms);
        }
    }
    if (!lane->first) {
        forget(lanes, lane);
    }
}

int64_t mr_lanes_wake(struct mr_lanes *lanes, int64_t now_ms)
{
    while (lanes->n_parked > 0 && lanes->parked[0]->wake_ms <= now_ms) {
        struct mr_lane *lane = lanes->parked[0];
        heap_remove(lanes, lane);
        lane->state = MR_LANE_READY;
        ready_append(lanes, lane);
    }
    return lanes->n_parked > 0 ? lanes->parked[0]->wake_ms : INT64_MAX;
}
