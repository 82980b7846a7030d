/* Uploading one file: see client/upload_session.h for the protocol and client/upload_state.h for going on
 * later. */
#ifndef MR_CLIENT_UPLOAD_H
#define MR_CLIENT_UPLOAD_H

#include "client/transfers.h"

/* Queues a file. `local` and `remote` (in NFC) are taken; `size` is what it had when it was found. */
void mr_upload_add(struct mr_transfers *run, char *local, char *remote, int64_t size);

#endif
