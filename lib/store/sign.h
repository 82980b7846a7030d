/* AWS Signature Version 4 for S3 (AWS docs, "Authenticating Requests: Using the Authorization Header" and
 * "… Using Query Parameters"): a path is percent-encoded once, slashes stay. Pure functions, any thread. */
#ifndef MR_STORE_SIGN_H
#define MR_STORE_SIGN_H

#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/error.h"
#include "base/span.h"

#define MR_SIGN_STAMP_SIZE 17
#define MR_SIGN_PAIRS_MAX  16
#define MR_SIGN_UNSIGNED   "UNSIGNED-PAYLOAD"

struct mr_sign_key {
    const char *access_key;
    const char *secret_key;
    const char *region;
};

struct mr_sign_pair {
    const char *name;
    const char *value; /* as meant, not encoded */
};

/* A header or query list; order does not matter. Header names are lower case; "host" must be among them. */
struct mr_sign_list {
    struct mr_sign_pair pairs[MR_SIGN_PAIRS_MAX];
    size_t n;
};

struct mr_sign_request {
    const char *method;
    const char *path; /* already encoded, from mr_sign_encode() */
    struct mr_sign_list query;
    struct mr_sign_list headers; /* all are signed */
    const char *payload;         /* SHA-256 of the body in hex, or MR_SIGN_UNSIGNED */
};

/* One more than MR_SIGN_PAIRS_MAX is a bug and aborts. Borrows both strings. */
void mr_sign_add(struct mr_sign_list *list, const char *name, const char *value);

/* Appends the text with everything but A-Z a-z 0-9 - . _ ~ (and '/', when kept) percent-encoded (RFC 3986).
 */
enum mr_status mr_sign_encode(struct mr_buf *out, struct mr_span text, bool keep_slash);

/* "20130524T000000Z". Returns out. */
const char *mr_sign_stamp(int64_t wall_us, char out[MR_SIGN_STAMP_SIZE]);

/* Appends the query, encoded and sorted, as it is both sent and signed. */
enum mr_status mr_sign_query(struct mr_buf *out, const struct mr_sign_list *query);

/* Appends the value of the Authorization header. */
enum mr_status mr_sign_authorization(const struct mr_sign_key *key, const struct mr_sign_request *rq,
                                     const char *stamp, struct mr_buf *out);

/* Appends the whole query of a presigned URL (the request's own parameters included). */
enum mr_status mr_sign_presigned(const struct mr_sign_key *key, const struct mr_sign_request *rq,
                                 const char *stamp, int64_t ttl_s, struct mr_buf *out);

#endif
