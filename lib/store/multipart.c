#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "store/request.h"
#include "store/xml.h"

#define LIST_PARTS_PAGE   "1000"
#define COMPLETE_BODY_MAX (4u << 20)
#define COMPLETE_IDLE_S   60 /* a store may think for long over 10,000 parts */
#define UPLOAD_ID_SIZE    1100
#define PART_SIZE_MAX     (INT64_C(5) << 30) /* S3's; the sizes of 10,000 parts can be added */
#define LIST_KEY_SIZE     1100
#define NUMBER_SIZE       24

enum mr_status mr_store_create_upload(struct mr_store *s, const char *key, const char *content_type,
                                      struct mr_buf *upload_id, struct mr_error *err)
{
    struct mr_store_call call = {.operation = "create upload", .method = "POST", .key = key};
    mr_sign_add(&call.query, "uploads", "");
    mr_sign_add(&call.headers, "content-type", content_type);
    mr_sign_add(&call.headers, "x-amz-checksum-algorithm", "SHA256");
    mr_sign_add(&call.headers, "x-amz-checksum-type", "COMPOSITE");
    xmlDoc *doc;
    if (mr_store_call_xml(s, &call, "InitiateMultipartUploadResult", &doc, err) != MR_OK)
        return MR_FAIL;
    char id[UPLOAD_ID_SIZE];
    bool ok = mr_xml_text(xmlDocGetRootElement(doc), "UploadId", id, sizeof id) && id[0];
    xmlFreeDoc(doc);
    if (!ok)
        return mr_error_set(err, MR_CLASS_RETRY, 0, "create upload %s: the answer names no UploadId", key);
    return mr_buf_puts(upload_id, id);
}

struct part_list {
    struct mr_part *parts;
    int n;
    int64_t marker;
    bool more;
};

static bool part_read(const xmlNode *node, struct mr_part *p)
{
    int64_t number = 0;
    char text[96];
    memset(p, 0, sizeof *p);
    if (!mr_xml_i64(node, "PartNumber", &number) || number < 1 || number > MR_PARTS_MAX ||
        !mr_xml_i64(node, "Size", &p->size) || p->size < 0 || p->size > PART_SIZE_MAX ||
        !mr_xml_text(node, "ETag", text, sizeof text))
        return false;
    p->number = (int)number;
    const char *etag = text[0] == '"' ? text + 1 : text;
    size_t len = strcspn(etag, "\"");
    if (len >= sizeof p->etag)
        return false;
    memcpy(p->etag, etag, len);
    p->has_sha256 = mr_xml_text(node, "ChecksumSHA256", text, sizeof text) &&
                    mr_unbase64(mr_span_of(text), p->sha256, MR_SHA256_SIZE);
    return true;
}

static bool part_append(struct part_list *l, const xmlNode *node)
{
    if (l->n % 1000 == 0) {
        struct mr_part *grown = realloc(l->parts, (size_t)(l->n + 1000) * sizeof *grown);
        if (!grown)
            return false;
        l->parts = grown;
    }
    if (!part_read(node, &l->parts[l->n]) || (l->n > 0 && l->parts[l->n].number <= l->parts[l->n - 1].number))
        return false;
    l->n++;
    return true;
}

static enum mr_status parts_page(struct mr_store *s, const char *key, const char *upload_id,
                                 struct part_list *l, struct mr_error *err)
{
    char marker[NUMBER_SIZE];
    struct mr_store_call call = {.operation = "list parts", .method = "GET", .key = key};
    snprintf(marker, sizeof marker, "%lld", (long long)l->marker);
    mr_sign_add(&call.query, "uploadId", upload_id);
    mr_sign_add(&call.query, "max-parts", LIST_PARTS_PAGE);
    mr_sign_add(&call.query, "part-number-marker", marker);
    xmlDoc *doc;
    if (mr_store_call_xml(s, &call, "ListPartsResult", &doc, err) != MR_OK)
        return MR_FAIL;
    const xmlNode *root = xmlDocGetRootElement(doc);
    bool ok = true;
    for (const xmlNode *p = NULL; ok && (p = mr_xml_child(root, "Part", p));)
        ok = l->n < MR_PARTS_MAX && part_append(l, p);
    l->more = mr_xml_true(root, "IsTruncated");
    if (ok && l->more) {
        int64_t next = 0; /* one that does not move on would be asked for ever */
        ok = mr_xml_i64(root, "NextPartNumberMarker", &next) && next > l->marker;
        l->marker = next;
    }
    xmlFreeDoc(doc);
    if (!ok)
        return mr_error_set(err, MR_CLASS_RETRY, 0, "list parts %s: the store's list makes no sense", key);
    return MR_OK;
}

enum mr_status mr_store_list_parts(struct mr_store *s, const char *key, const char *upload_id,
                                   struct mr_part **parts, int *n, struct mr_error *err)
{
    struct part_list l = {.more = true};
    *parts = NULL;
    *n = 0;
    while (l.more) {
        if (parts_page(s, key, upload_id, &l, err) != MR_OK) {
            free(l.parts);
            return MR_FAIL;
        }
    }
    *parts = l.parts;
    *n = l.n;
    return MR_OK;
}

static enum mr_status complete_body(const struct mr_part *parts, int n, struct mr_buf *out)
{
    if (mr_buf_puts(out, "<CompleteMultipartUpload xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\">") !=
        MR_OK)
        return MR_FAIL;
    for (int i = 0; i < n; i++) {
        char sha256[MR_SHA256_BASE64_SIZE];
        if (mr_buf_printf(out,
                          "<Part><PartNumber>%d</PartNumber><ETag>&quot;%s&quot;</ETag>"
                          "<ChecksumSHA256>%s</ChecksumSHA256></Part>",
                          parts[i].number, parts[i].etag,
                          mr_base64(parts[i].sha256, MR_SHA256_SIZE, sha256)) != MR_OK)
            return MR_FAIL;
    }
    return mr_buf_puts(out, "</CompleteMultipartUpload>");
}

/* What the object must turn out as: size and composite checksum follow from the parts. */
static void object_of_parts(const struct mr_part *parts, int n, struct mr_object *out)
{
    memset(out, 0, sizeof *out);
    struct mr_sha256 *hash = mr_sha256_start();
    for (int i = 0; i < n; i++) {
        mr_sha256_update(hash, parts[i].sha256, MR_SHA256_SIZE);
        out->size += parts[i].size;
    }
    mr_sha256_finish(&hash, out->checksum);
    out->has_checksum = true;
    out->parts = n;
    out->modified_us = mr_wall_us();
}

static enum mr_status complete_answer(const xmlNode *root, const char *key, struct mr_object *out,
                                      struct mr_error *err)
{
    char text[96];
    struct mr_object said = {0};
    if (!mr_xml_text(root, "ETag", text, sizeof text))
        return mr_error_set(err, MR_CLASS_RETRY, 0, "complete upload %s: the answer names no ETag", key);
    const char *etag = text[0] == '"' ? text + 1 : text;
    snprintf(out->etag, sizeof out->etag, "%.*s", (int)strcspn(etag, "\""), etag);
    if (!mr_xml_text(root, "ChecksumSHA256", text, sizeof text))
        return MR_OK;
    mr_store_composite(text, &said);
    if (said.has_checksum &&
        (said.parts != out->parts || memcmp(said.checksum, out->checksum, MR_SHA256_SIZE) != 0))
        return mr_error_set(err, MR_CLASS_REJECT, 0,
                            "complete upload %s: the store's checksum %s is not the parts'", key, text);
    return MR_OK;
}

enum mr_status mr_store_complete_upload(struct mr_store *s, const char *key, const char *upload_id,
                                        const struct mr_part *parts, int n, struct mr_object *out,
                                        struct mr_error *err)
{
    struct mr_buf body;
    xmlDoc *doc = NULL;
    mr_buf_init(&body, COMPLETE_BODY_MAX);
    if (complete_body(parts, n, &body) != MR_OK) {
        mr_buf_free(&body);
        return mr_error_set(err, MR_CLASS_REJECT, 0, "complete upload %s: too many parts", key);
    }
    struct mr_store_call call = {.operation = "complete upload",
                                 .method = "POST",
                                 .key = key,
                                 .body = mr_buf_span(&body),
                                 .idle_s = COMPLETE_IDLE_S};
    mr_sign_add(&call.query, "uploadId", upload_id);
    mr_sign_add(&call.headers, "content-type", "application/xml");
    enum mr_status status = mr_store_call_xml(s, &call, "CompleteMultipartUploadResult", &doc, err);
    if (status == MR_OK) {
        object_of_parts(parts, n, out);
        status = complete_answer(xmlDocGetRootElement(doc), key, out, err);
    }
    xmlFreeDoc(doc);
    mr_buf_free(&body);
    return status;
}

enum mr_status mr_store_abort_upload(struct mr_store *s, const char *key, const char *upload_id,
                                     struct mr_error *err)
{
    struct mr_store_call call = {.operation = "abort upload", .method = "DELETE", .key = key};
    mr_sign_add(&call.query, "uploadId", upload_id);
    struct mr_store_answer answer;
    struct mr_error gone;
    enum mr_status status = mr_store_call(s, &call, &answer, &gone);
    mr_store_answer_free(&answer);
    if (status == MR_OK || mr_store_said(&gone, "NoSuchUpload"))
        return MR_OK;
    if (err)
        *err = gone;
    return MR_FAIL;
}

struct upload_list {
    char key[LIST_KEY_SIZE];
    char id[UPLOAD_ID_SIZE];
    bool more;
};

static enum mr_status uploads_page(struct mr_store *s, const char *prefix, mr_store_upload_fn fn, void *ctx,
                                   struct upload_list *l, struct mr_error *err)
{
    struct mr_store_call call = {.operation = "list uploads", .method = "GET"};
    mr_sign_add(&call.query, "uploads", "");
    mr_sign_add(&call.query, "prefix", prefix);
    if (l->key[0]) {
        mr_sign_add(&call.query, "key-marker", l->key);
        mr_sign_add(&call.query, "upload-id-marker", l->id);
    }
    xmlDoc *doc;
    if (mr_store_call_xml(s, &call, "ListMultipartUploadsResult", &doc, err) != MR_OK)
        return MR_FAIL;
    const xmlNode *root = xmlDocGetRootElement(doc);
    bool go_on = true;
    for (const xmlNode *u = NULL; go_on && (u = mr_xml_child(root, "Upload", u));) {
        char key[LIST_KEY_SIZE], id[UPLOAD_ID_SIZE], initiated[MR_RFC3339_SIZE];
        int64_t at = 0;
        mr_xml_text(u, "Key", key, sizeof key);
        mr_xml_text(u, "UploadId", id, sizeof id);
        if (mr_xml_text(u, "Initiated", initiated, sizeof initiated))
            mr_rfc3339_parse(initiated, &at);
        go_on = fn(ctx, key, id, at);
    }
    char key[LIST_KEY_SIZE], id[UPLOAD_ID_SIZE];
    mr_xml_text(root, "NextKeyMarker", key, sizeof key);
    mr_xml_text(root, "NextUploadIdMarker", id, sizeof id);
    bool moved = strcmp(key, l->key) != 0 || strcmp(id, l->id) != 0;
    l->more = go_on && moved && key[0] && mr_xml_true(root, "IsTruncated");
    memcpy(l->key, key, sizeof key);
    memcpy(l->id, id, sizeof id);
    xmlFreeDoc(doc);
    return MR_OK;
}

enum mr_status mr_store_list_uploads(struct mr_store *s, const char *prefix, mr_store_upload_fn fn, void *ctx,
                                     struct mr_error *err)
{
    struct upload_list l = {.more = true};
    while (l.more) {
        if (uploads_page(s, prefix, fn, ctx, &l, err) != MR_OK)
            return MR_FAIL;
    }
    return MR_OK;
}
