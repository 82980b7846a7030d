/* mr-metadata: consumes file.uploaded, file.backfill and file.processed (group millrace.metadata) and owns
 * the content columns of `files`, and `file_versions` and `file_stages`. docs/metadata.md says by which
 * rules. */
#ifndef MR_METADATA_WORKER_H
#define MR_METADATA_WORKER_H

#include "base/config.h"
#include "base/error.h"

struct mr_metadata_worker;

extern const char *const mr_metadata_kill_points[];

/* Waits for the database to answer and to have its tables; MR_OK with *out NULL when stopped meanwhile. */
enum mr_status mr_metadata_open(const struct mr_config *cfg, struct mr_metadata_worker **out,
                                struct mr_error *err);
/* Until stopped (MR_OK; also for NULL) or a FATAL error. */
enum mr_status mr_metadata_run(struct mr_metadata_worker *w, struct mr_error *err);
void mr_metadata_close(struct mr_metadata_worker **w);

#endif
