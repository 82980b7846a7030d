/* Downloading one file: in parts at once where it has several, into an unfinished file that gets its name
 * when size and content hash are right. client/target.h keeps it where it belongs, client/download_state.h
 * lets it be gone on with. */
#ifndef MR_CLIENT_DOWNLOAD_H
#define MR_CLIENT_DOWNLOAD_H

#include "client/transfers.h"

struct mr_download_source {
    const char *path; /* on the server */
    const char *file_id;
    int64_t version;
    int64_t size;
    const char *content_hash; /* hex */
};

/* Queues a file. `root` is the target folder's descriptor, which outlives the run; `relative` the place below
 * it; `root_name` how the user called it. All is copied. */
void mr_download_add(struct mr_transfers *run, const struct mr_download_source *source, int root,
                     const char *root_name, const char *relative);

/* The members of a file as the server lists it; `at` (0: the file's own) is the wanted version. */
enum mr_status mr_download_source_of(const json_t *file, struct mr_download_source *out,
                                     struct mr_error *err);

#endif
