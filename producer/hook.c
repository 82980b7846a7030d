/* POST /hooks/s3: the store's notification of finished objects, in the form that S3 and MinIO send. Only a
 * hint. */
#include <string.h>
#include <strings.h>

#include "base/digest.h"
#include "producer/handlers.h"
#include "producer/hints.h"

#define KEY_MAX 1024

/* In constant time: the hashes of both are compared, so that neither length nor content shows. */
static bool token_fits(const char *expected, const char *header)
{
    static const char scheme[] = "Bearer ";
    if (!header || strncasecmp(header, scheme, sizeof scheme - 1) != 0)
        return false;
    const char *given = header + sizeof scheme - 1;
    uint8_t a[MR_SHA256_SIZE], b[MR_SHA256_SIZE];
    mr_sha256(expected, strlen(expected), a);
    mr_sha256(given, strlen(given), b);
    unsigned char difference = 0;
    for (size_t i = 0; i < MR_SHA256_SIZE; i++)
        difference |= (unsigned char)(a[i] ^ b[i]);
    return difference == 0;
}

/* Keys come form-encoded; ours need no escape but that of '/'. */
static bool unescape(const char *in, char *out, size_t size)
{
    size_t n = 0;
    for (; *in && n + 1 < size; n++) {
        if (*in != '%') {
            out[n] = *in++;
            continue;
        }
        if (!in[1] || !in[2] || !mr_unhex((struct mr_span){in + 1, 2}, &out[n], 1))
            return false;
        in += 3;
    }
    out[n] = '\0';
    return *in == '\0';
}

static void follow(const struct mr_upload *up, const json_t *record)
{
    const json_t *s3 = json_object_get(record, "s3");
    const char *bucket = json_string_value(json_object_get(json_object_get(s3, "bucket"), "name"));
    const char *escaped = json_string_value(json_object_get(json_object_get(s3, "object"), "key"));
    char key[KEY_MAX];
    struct mr_uuid upload_id;
    if (bucket && escaped && strcmp(bucket, up->cfg->s3_bucket) == 0 && unescape(escaped, key, sizeof key) &&
        mr_session_of_key(key, &upload_id))
        mr_hints_give(up->hints, upload_id);
}

void mr_handle_hook(void *ctx, struct mr_http_request *rq, struct mr_http_reply *rp)
{
    const struct mr_upload *up = ctx;
    if (up->cfg->hook_token[0] == '\0') {
        mr_http_problem(rp, 404, "not-found", "the hook is off");
        return;
    }
    if (!token_fits(up->cfg->hook_token, mr_http_header(rq, "Authorization"))) {
        mr_http_problem(rp, 401, "unauthorized", "the hook needs its bearer token");
        mr_http_reply_header(rp, "WWW-Authenticate", "Bearer");
        return;
    }
    const json_t *records = json_object_get(mr_http_json(rq), "Records");
    for (size_t i = 0; i < json_array_size(records); i++)
        follow(up, json_array_get(records, i));
    mr_http_reply_empty(rp, 204);
}
