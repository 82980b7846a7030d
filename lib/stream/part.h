/* A partition while it is ours. An assignment is told from a later one of the same partition by being another
 * part: what comes back for a part that is `gone` is discarded. Owned by the polling thread, except for
 * `gone`. */
#ifndef MR_STREAM_PART_H
#define MR_STREAM_PART_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "stream/offset_map.h"

struct mr_consumer;

struct mr_part {
    struct mr_consumer *consumer;
    const char *topic; /* lives as long as the consumer */
    int32_t partition;
    bool is_retry;    /* of retry.<worker>: its mr.* headers are ours */
    bool closing;     /* being revoked: nothing more is taken from it */
    atomic_bool gone; /* read by handler threads, which do not start on its records any more */
    size_t items;     /* records in flight; a part that is gone is freed with the last */
    size_t out;       /* of them, how many are in somebody's hands */
    struct mr_offset_map map;
    int64_t committed; /* acknowledged by the broker; -1: nothing yet */
    int64_t done;      /* records done since they were last counted in the metrics */
};

#endif
