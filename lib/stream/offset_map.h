/* Which offset of a partition may be committed: the low-water mark, below which everything is done.
 *
 * Only what is fetched and not yet done is held, as a list in the order of the log, so memory follows the
 * records in flight and not how far they got: a record stuck for a minute costs nothing for the millions done
 * behind it. Gaps (control records, compaction, aborted transactions) are simply never in the list. One
 * owner: the polling thread. */
#ifndef MR_STREAM_OFFSET_MAP_H
#define MR_STREAM_OFFSET_MAP_H

#include <stddef.h>
#include <stdint.h>

/* Part of what is in flight; belongs to it. */
struct mr_offset_entry {
    struct mr_offset_entry *older;
    struct mr_offset_entry *newer;
    int64_t offset;
};

struct mr_offset_map {
    struct mr_offset_entry *oldest;
    struct mr_offset_entry *newest;
    int64_t next;     /* everything below was fetched or is a gap; -1: nothing is known yet */
    int64_t given_up; /* the lowest offset that left the map without being done; INT64_MAX: none did */
    size_t n;
};

/* `start` is where fetching begins; -1 when only the broker knows. */
void mr_offset_map_init(struct mr_offset_map *map, int64_t start);

/* Offsets come in rising order. One that is below what was already seen is not taken (returns 0), else 1. */
int mr_offset_map_add(struct mr_offset_map *map, struct mr_offset_entry *entry, int64_t offset);

/* Any entry of the map, in any order. */
void mr_offset_map_done(struct mr_offset_map *map, struct mr_offset_entry *entry);

/* Leaves the map without being done, because the partition is: the mark never passes it. */
void mr_offset_map_give_up(struct mr_offset_map *map, struct mr_offset_entry *entry);

/* The fetcher is at `position`: what lies between the last record and it has no records. */
void mr_offset_map_reached(struct mr_offset_map *map, int64_t position);

/* The offset to commit: of the next record to be handled after a restart; -1 when nothing is known. */
int64_t mr_offset_map_mark(const struct mr_offset_map *map);

#endif
