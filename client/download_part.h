/* Fetching a range of an object into a file, hashed on its way. */
#ifndef MR_CLIENT_DOWNLOAD_PART_H
#define MR_CLIENT_DOWNLOAD_PART_H

#include <stdbool.h>
#include <stdint.h>

#include "base/digest.h"
#include "client/api.h"
#include "client/download_url.h"

struct mr_download_part {
    struct mr_download_url *url;
    int fd; /* written at the same offset */
    int64_t offset, size;
    bool ranged; /* false: the object is nothing but this */
    mr_web_moved_fn moved;
    void *moved_ctx;
};

/* Tries until the range is written. REJECT with the errno of a write that failed, or the store's status. */
enum mr_status mr_download_part(const struct mr_api *api, const struct mr_download_part *part,
                                uint8_t sha256[MR_SHA256_SIZE], struct mr_error *err);

#endif
