#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "store/request.h"

#define NUMBER_SIZE 24
#define TTL_MAX_S   604800 /* AWS's own limit of X-Amz-Expires */

static enum mr_status presign(const struct mr_store *s, const struct mr_endpoint *at,
                              struct mr_sign_request *rq, const char *key, int64_t ttl_ms, struct mr_buf *url,
                              struct mr_error *err)
{
    struct mr_buf path;
    mr_buf_init(&path, MR_STORE_URL_MAX);
    struct mr_sign_key sign_key = mr_store_key(s);
    char stamp[MR_SIGN_STAMP_SIZE];
    int64_t ttl_s = ttl_ms / 1000 < 1 ? 1 : ttl_ms / 1000 > TTL_MAX_S ? TTL_MAX_S : ttl_ms / 1000;
    mr_sign_add(&rq->headers, "host", at->host);
    enum mr_status status = mr_store_path(s, key, &path);
    if (status == MR_OK) {
        rq->path = path.data;
        rq->payload = MR_SIGN_UNSIGNED;
        status = mr_buf_printf(url, "%s%s?", at->base, path.data);
    }
    if (status == MR_OK)
        status = mr_sign_presigned(&sign_key, rq, mr_sign_stamp(mr_wall_us(), stamp), ttl_s, url);
    mr_buf_free(&path);
    if (status != MR_OK)
        return mr_error_set(err, MR_CLASS_REJECT, 0, "sign a URL of %s: it is too long", key);
    return MR_OK;
}

enum mr_status mr_store_presign_part_at(const struct mr_store *s, const struct mr_endpoint *at,
                                        const char *key, const char *upload_id, int number, int64_t size,
                                        const uint8_t sha256[MR_SHA256_SIZE], int64_t ttl_ms,
                                        struct mr_buf *url, struct mr_error *err)
{
    char part[NUMBER_SIZE], length[NUMBER_SIZE], checksum[MR_SHA256_BASE64_SIZE];
    snprintf(part, sizeof part, "%d", number);
    snprintf(length, sizeof length, "%lld", (long long)size);
    struct mr_sign_request rq = {.method = "PUT"};
    mr_sign_add(&rq.query, "partNumber", part);
    mr_sign_add(&rq.query, "uploadId", upload_id);
    mr_sign_add(&rq.headers, "content-length", length);
    mr_sign_add(&rq.headers, "x-amz-checksum-sha256", mr_base64(sha256, MR_SHA256_SIZE, checksum));
    return presign(s, at, &rq, key, ttl_ms, url, err);
}

enum mr_status mr_store_presign_part(const struct mr_store *s, const char *key, const char *upload_id,
                                     int number, int64_t size, const uint8_t sha256[MR_SHA256_SIZE],
                                     int64_t ttl_ms, struct mr_buf *url, struct mr_error *err)
{
    return mr_store_presign_part_at(s, &s->public_endpoint, key, upload_id, number, size, sha256, ttl_ms, url,
                                    err);
}

/* attachment; filename="ASCII look-alike"; filename*=UTF-8''percent-encoded (RFC 6266 appendix D). */
static enum mr_status disposition(const char *file_name, struct mr_buf *out)
{
    if (mr_buf_puts(out, "attachment; filename=\"") != MR_OK)
        return MR_FAIL;
    for (const char *p = file_name; *p; p++) {
        unsigned char c = (unsigned char)*p;
        bool plain = c >= 0x20 && c < 0x7f && c != '"' && c != '\\' && c != '%';
        if ((c & 0xC0) != 0x80 && mr_buf_add(out, plain ? p : "_", 1) != MR_OK)
            return MR_FAIL;
    }
    if (mr_buf_puts(out, "\"; filename*=UTF-8''") != MR_OK)
        return MR_FAIL;
    return mr_sign_encode(out, mr_span_of(file_name), false);
}

enum mr_status mr_store_presign_get(const struct mr_store *s, const char *key, const char *file_name,
                                    const char *content_type, int64_t ttl_ms, struct mr_buf *url,
                                    struct mr_error *err)
{
    struct mr_buf name;
    mr_buf_init(&name, 4096);
    if (disposition(file_name, &name) != MR_OK) {
        mr_buf_free(&name);
        return mr_error_set(err, MR_CLASS_REJECT, 0, "sign a URL of %s: the file's name is too long", key);
    }
    struct mr_sign_request rq = {.method = "GET"};
    mr_sign_add(&rq.query, "response-content-disposition", name.data);
    mr_sign_add(&rq.query, "response-content-type", content_type);
    enum mr_status status = presign(s, &s->public_endpoint, &rq, key, ttl_ms, url, err);
    mr_buf_free(&name);
    return status;
}
