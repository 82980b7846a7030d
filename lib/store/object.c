#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "store/request.h"
#include "store/xml.h"

#define LIST_KEY_SIZE 1100

void mr_store_composite(const char *text, struct mr_object *out)
{
    out->has_checksum = false;
    out->parts = 0;
    const char *dash = strrchr(text, '-');
    if (!dash || !mr_unbase64((struct mr_span){text, (size_t)(dash - text)}, out->checksum, MR_SHA256_SIZE))
        return;
    char *end;
    long parts = strtol(dash + 1, &end, 10);
    if (end == dash + 1 || *end || parts < 1 || parts > MR_PARTS_MAX)
        return;
    out->parts = (int)parts;
    out->has_checksum = true;
}

enum mr_status mr_store_head(struct mr_store *s, const char *key, struct mr_object *out, struct mr_error *err)
{
    struct mr_store_call call = {.operation = "head object", .method = "HEAD", .key = key};
    mr_sign_add(&call.headers, "x-amz-checksum-mode", "ENABLED");
    struct mr_store_answer answer;
    memset(out, 0, sizeof *out);
    enum mr_status status = mr_store_call(s, &call, &answer, err);
    if (status == MR_OK) {
        out->size = answer.length;
        out->modified_us = answer.modified_us;
        memcpy(out->etag, answer.etag, sizeof out->etag);
        memcpy(out->content_type, answer.content_type, sizeof out->content_type);
        mr_store_composite(answer.checksum, out);
    }
    mr_store_answer_free(&answer);
    return status;
}

enum mr_status mr_store_put(struct mr_store *s, const char *key, struct mr_span bytes,
                            const char *content_type, struct mr_error *err)
{
    struct mr_store_call call = {.operation = "put object", .method = "PUT", .key = key, .body = bytes};
    mr_sign_add(&call.headers, "content-type", content_type);
    struct mr_store_answer answer;
    enum mr_status status = mr_store_call(s, &call, &answer, err);
    mr_store_answer_free(&answer);
    return status;
}

enum mr_status mr_store_get(struct mr_store *s, const char *key, int64_t max_bytes, mr_store_sink_fn sink,
                            void *ctx, struct mr_error *err)
{
    struct mr_store_call call = {.operation = "get object",
                                 .method = "GET",
                                 .key = key,
                                 .sink = sink,
                                 .sink_ctx = ctx,
                                 .sink_max = max_bytes};
    struct mr_store_answer answer;
    enum mr_status status = mr_store_call(s, &call, &answer, err);
    mr_store_answer_free(&answer);
    return status;
}

enum mr_status mr_store_delete(struct mr_store *s, const char *key, struct mr_error *err)
{
    struct mr_store_call call = {.operation = "delete object", .method = "DELETE", .key = key};
    struct mr_store_answer answer;
    struct mr_error gone;
    enum mr_status status = mr_store_call(s, &call, &answer, &gone);
    mr_store_answer_free(&answer);
    if (status == MR_OK || mr_store_said(&gone, "NoSuchKey"))
        return MR_OK;
    if (err)
        *err = gone;
    return MR_FAIL;
}

struct listing {
    char token[2048]; /* of the next page; "" at the end */
    bool stopped;
};

static enum mr_status list_page(struct mr_store *s, const char *prefix, mr_store_object_fn fn, void *ctx,
                                struct listing *l, struct mr_error *err)
{
    struct mr_store_call call = {.operation = "list objects", .method = "GET"};
    mr_sign_add(&call.query, "list-type", "2");
    mr_sign_add(&call.query, "prefix", prefix);
    if (l->token[0])
        mr_sign_add(&call.query, "continuation-token", l->token);
    xmlDoc *doc;
    if (mr_store_call_xml(s, &call, "ListBucketResult", &doc, err) != MR_OK)
        return MR_FAIL;
    const xmlNode *root = xmlDocGetRootElement(doc);
    for (const xmlNode *c = NULL; !l->stopped && (c = mr_xml_child(root, "Contents", c));) {
        char key[LIST_KEY_SIZE], modified[MR_RFC3339_SIZE];
        int64_t size = 0, at = 0;
        mr_xml_text(c, "Key", key, sizeof key);
        mr_xml_i64(c, "Size", &size);
        if (mr_xml_text(c, "LastModified", modified, sizeof modified))
            mr_rfc3339_parse(modified, &at);
        l->stopped = !fn(ctx, key, size, at);
    }
    char next[sizeof l->token];
    bool more = !l->stopped && mr_xml_true(root, "IsTruncated") &&
                mr_xml_text(root, "NextContinuationToken", next, sizeof next) && next[0];
    bool moves_on = !more || strcmp(next, l->token) != 0; /* else it would be asked for ever */
    snprintf(l->token, sizeof l->token, "%s", more ? next : "");
    xmlFreeDoc(doc);
    if (!moves_on)
        return mr_error_set(err, MR_CLASS_RETRY, 0, "list objects %s: the store's list makes no sense",
                            prefix);
    return MR_OK;
}

enum mr_status mr_store_list(struct mr_store *s, const char *prefix, mr_store_object_fn fn, void *ctx,
                             struct mr_error *err)
{
    struct listing l = {0};
    do {
        if (list_page(s, prefix, fn, ctx, &l, err) != MR_OK)
            return MR_FAIL;
    } while (l.token[0] && !l.stopped);
    return MR_OK;
}
