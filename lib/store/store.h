/* Object storage by the S3 protocol (AWS Signature Version 4, S3 API 2006-03-01) over libcurl.
 *
 * Any thread may call; connections are kept and shared. Path-style addressing. Every answer's body is looked
 * at: a 200 may carry an <Error> (CompleteMultipartUpload). Errors: connection, timeout, 5xx, 429 RETRY; 404
 * REJECT with code 404 (text has S3's Code, e.g. NoSuchUpload); 403 with
 * SignatureDoesNotMatch/InvalidAccessKeyId/AccessDenied FATAL; other 4xx REJECT with the status as code. */
#ifndef MR_STORE_STORE_H
#define MR_STORE_STORE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/config.h"
#include "base/digest.h"
#include "base/error.h"
#include "base/parts.h" /* sizes and offsets of parts */
#include "base/span.h"

struct mr_store;

struct mr_part {
    int number; /* from 1 */
    int64_t size;
    char etag[80]; /* without quotes */
    uint8_t sha256[MR_SHA256_SIZE];
    bool has_sha256;
};

struct mr_object {
    int64_t size;
    char etag[80];
    char content_type[256];
    uint8_t checksum[MR_SHA256_SIZE]; /* composite: SHA-256 over the parts' SHA-256s */
    bool has_checksum;
    int parts; /* of the composite checksum ("…-3"); 0 unknown */
    int64_t modified_us;
};

/* True when the store refused with this Code of S3 ("NoSuchUpload"). */
bool mr_store_said(const struct mr_error *err, const char *code);

enum mr_status mr_store_open(const struct mr_config *cfg, struct mr_store **out, struct mr_error *err);
void mr_store_close(struct mr_store **store);

enum mr_status mr_store_create_upload(struct mr_store *s, const char *key, const char *content_type,
                                      struct mr_buf *upload_id, struct mr_error *err);
/* All parts that arrived, in order; *parts is the caller's (free()). REJECT 404 NoSuchUpload. */
enum mr_status mr_store_list_parts(struct mr_store *s, const char *key, const char *upload_id,
                                   struct mr_part **parts, int *n, struct mr_error *err);
enum mr_status mr_store_complete_upload(struct mr_store *s, const char *key, const char *upload_id,
                                        const struct mr_part *parts, int n, struct mr_object *out,
                                        struct mr_error *err);
/* Aborting what is gone is MR_OK. */
enum mr_status mr_store_abort_upload(struct mr_store *s, const char *key, const char *upload_id,
                                     struct mr_error *err);

/* A multipart upload that the store holds open. Called for each, oldest first per key, until it returns
 * false. */
typedef bool (*mr_store_upload_fn)(void *ctx, const char *key, const char *upload_id, int64_t initiated_us);
enum mr_status mr_store_list_uploads(struct mr_store *s, const char *prefix, mr_store_upload_fn fn, void *ctx,
                                     struct mr_error *err);
typedef bool (*mr_store_object_fn)(void *ctx, const char *key, int64_t size, int64_t modified_us);
enum mr_status mr_store_list(struct mr_store *s, const char *prefix, mr_store_object_fn fn, void *ctx,
                             struct mr_error *err);

enum mr_status mr_store_head(struct mr_store *s, const char *key, struct mr_object *out,
                             struct mr_error *err);
enum mr_status mr_store_put(struct mr_store *s, const char *key, struct mr_span bytes,
                            const char *content_type, struct mr_error *err);
/* Streams the object; `sink` returns false to stop. max_bytes: REJECT 413 past it. */
typedef bool (*mr_store_sink_fn)(void *ctx, const void *p, size_t n);
enum mr_status mr_store_get(struct mr_store *s, const char *key, int64_t max_bytes, mr_store_sink_fn sink,
                            void *ctx, struct mr_error *err);
/* Deleting what is gone is MR_OK. */
enum mr_status mr_store_delete(struct mr_store *s, const char *key, struct mr_error *err);

/* Presigned URLs (SigV4 query), made without a request, for s3.public_endpoint. Appended to url.
 * PUT of a part signs content-length and x-amz-checksum-sha256: the client must send exactly those headers.
 */
enum mr_status mr_store_presign_part(const struct mr_store *s, const char *key, const char *upload_id,
                                     int number, int64_t size, const uint8_t sha256[MR_SHA256_SIZE],
                                     int64_t ttl_ms, struct mr_buf *url, struct mr_error *err);
/* GET signs response-content-disposition=attachment with the file's name (RFC 6266/8187) and the given type.
 */
enum mr_status mr_store_presign_get(const struct mr_store *s, const char *key, const char *file_name,
                                    const char *content_type, int64_t ttl_ms, struct mr_buf *url,
                                    struct mr_error *err);

/* The bucket answers. */
enum mr_status mr_store_probe(struct mr_store *s, struct mr_error *err);
/* Shows with a real upload that the store refuses a part with other bytes (400) and with another length
 * (403), and that a part URL dies with its upload. FATAL when it takes any; leaves nothing behind. */
enum mr_status mr_store_probe_checks(struct mr_store *s, struct mr_error *err);

#endif
