/* Uploading one file: see client/upload_session.h for the protocol and client/upload_state.h for going on
 * later. */
#ifndef MR_CLIENT_UPLOAD_H
#define MR_CLIENT_UPLOAD_H

#include "client/transfers.h"

struct mr_upload_source {
    const char *local;
    const char *remote; /* in NFC */
    int64_t size;       /* when the file was found */
    /* Of the file that is there with this size, in hex; NULL: none. The same content is not uploaded again.
     */
    const char *there_hash;
};

/* Queues a file; everything is copied. */
void mr_upload_add(struct mr_transfers *run, const struct mr_upload_source *source);

#endif
