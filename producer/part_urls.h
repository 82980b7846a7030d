/* Presigned PUT URLs of a session's parts, as initiate and chunk answer them. */
#ifndef MR_UPLOAD_PART_URLS_H
#define MR_UPLOAD_PART_URLS_H

#include <jansson.h>

#include "http/server.h"
#include "producer/session.h"

struct mr_wanted_part {
    int number;
    uint8_t sha256[MR_SHA256_SIZE];
};

/* Reads [{"sha256"}] (numbers follow from the order) or, with `numbered`, [{"part_number", "sha256"}], at
 * most MR_PARTS_MAX. The caller frees *out. False when a problem was put into the reply. */
bool mr_part_urls_read(struct mr_http_reply *rp, json_t *parts, bool numbered, struct mr_wanted_part **out);

/* [{part_number, offset, size, url, headers}]; NULL on failure. */
json_t *mr_part_urls(const struct mr_upload *up, const struct mr_session *s,
                     const struct mr_wanted_part *parts, size_t n, struct mr_error *err);

#endif
