/* Makes a batch of events true in PostgreSQL, in one transaction. Any thread may call. */
#ifndef MR_METADATA_APPLY_H
#define MR_METADATA_APPLY_H

#include "db/db.h"
#include "workers/metadata/item.h"

struct mr_metadata_rules {
    bool scan_required; /* a file is AVAILABLE only once it has a verdict */
};

/* Durable when MR_OK. A serialization failure or deadlock is tried again here. */
enum mr_status mr_metadata_apply(struct mr_db *db, const struct mr_metadata_rules *rules,
                                 struct mr_metadata_item *const *items, size_t n, struct mr_error *err);

/* The file was purged: forgets its versions and stages when the namespace has no such file or never listed
 * it; otherwise changes nothing (and logs it), as the namespace has the truth. */
enum mr_status mr_metadata_purge(struct mr_db *db, struct mr_uuid file_id, struct mr_error *err);

#endif
