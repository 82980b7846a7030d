/* Uploads of the store that no session names. */
#ifndef MR_UPLOAD_ORPHANS_H
#define MR_UPLOAD_ORPHANS_H

#include "producer/upload.h"

/* Aborts uploads under this program's keys that are older than upload.lease and belong to no session under
 * way. */
enum mr_status mr_orphans_sweep(const struct mr_upload *up, struct mr_db *db, struct mr_error *err);

#endif
