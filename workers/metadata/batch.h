/* What a batch of records comes to, in the order in which rows are locked: by file_id. One owner. */
#ifndef MR_METADATA_BATCH_H
#define MR_METADATA_BATCH_H

#include <stdbool.h>
#include <stddef.h>

#include "workers/metadata/item.h"

/* What `files` is to get from a batch. */
struct mr_metadata_file {
    const struct mr_file_uploaded *newest; /* its highest version in the batch */
    int64_t created_at_us;                 /* the earliest of its versions in the batch */
    bool skip;                             /* the table has as much, or the file is purged */
};

struct mr_metadata_batch {
    const struct mr_metadata_item **uploads; /* by file_id, version, arrival */
    size_t n_uploads;
    const struct mr_metadata_item **stages; /* by file_id, version, arrival */
    size_t n_stages;
    struct mr_metadata_file *files; /* one for each file_id of uploads */
    size_t n_files;
    struct mr_uuid *locked; /* sorted, no doubles: files whose row this batch may change */
    size_t n_locked;
    struct mr_uuid *purged; /* what the database says is purged, of these; sorted */
    size_t n_purged;
    bool has_scan, has_verdict;
};

/* Items are borrowed; purges among them are not looked at. */
enum mr_status mr_metadata_batch_make(struct mr_metadata_batch *b, struct mr_metadata_item *const *items,
                                      size_t n, struct mr_error *err);
void mr_metadata_batch_free(struct mr_metadata_batch *b);

/* NULL when the batch has no upload of that file. */
struct mr_metadata_file *mr_metadata_batch_file(struct mr_metadata_batch *b, struct mr_uuid file_id);
bool mr_metadata_batch_purged(const struct mr_metadata_batch *b, struct mr_uuid file_id);

int mr_metadata_uuid_order(const void *a, const void *b);

#endif
