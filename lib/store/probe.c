#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/id.h"
#include "store/request.h"

#define PROBE_TTL_MS 60000
#define PROBE_BYTES  "Millrace asks whether this store checks what it takes.\n"
#define WRONG_BYTES  "Millrace asks whether this store takes what is forged.\n"
_Static_assert(sizeof PROBE_BYTES == sizeof WRONG_BYTES, "other bytes of the same length");

struct probe {
    struct mr_store *store;
    char key[64];
    struct mr_buf upload_id;
    struct mr_buf url;
    uint8_t sha256[MR_SHA256_SIZE];
};

static enum mr_status refused(struct probe *p, struct mr_span body, const char *what, struct mr_error *err)
{
    long status = 0;
    if (mr_store_put_url(p->store, p->url.data, p->sha256, body, &status, err) != MR_OK)
        return MR_FAIL;
    if (status / 100 == 2)
        return mr_error_set(err, MR_CLASS_FATAL, (int)status,
                            "the object store takes %s: uploads would not be safe", what);
    if (status / 100 != 4)
        return mr_error_set(err, MR_CLASS_RETRY, (int)status, "the object store answered %ld to %s", status,
                            what);
    return MR_OK;
}

static enum mr_status taken(struct probe *p, struct mr_span body, struct mr_error *err)
{
    long status = 0;
    if (mr_store_put_url(p->store, p->url.data, p->sha256, body, &status, err) != MR_OK)
        return MR_FAIL;
    if (status / 100 == 2)
        return MR_OK;
    return mr_error_set(err, status >= 500 ? MR_CLASS_RETRY : MR_CLASS_FATAL, (int)status,
                        "the object store answered %ld to a presigned part", status);
}

static enum mr_status complete(struct probe *p, struct mr_error *err)
{
    struct mr_part *parts = NULL;
    struct mr_object made, seen;
    int n = 0;
    if (mr_store_list_parts(p->store, p->key, p->upload_id.data, &parts, &n, err) != MR_OK)
        return MR_FAIL;
    bool kept = n == 1 && parts[0].has_sha256 && memcmp(parts[0].sha256, p->sha256, MR_SHA256_SIZE) == 0;
    enum mr_status status = MR_FAIL;
    if (!kept)
        mr_error_set(err, MR_CLASS_FATAL, 0, "the object store does not keep the SHA-256 of parts");
    else
        status = mr_store_complete_upload(p->store, p->key, p->upload_id.data, parts, n, &made, err);
    free(parts);
    if (status != MR_OK || mr_store_head(p->store, p->key, &seen, err) != MR_OK)
        return MR_FAIL;
    if (!seen.has_checksum || seen.parts != 1 || seen.size != made.size ||
        memcmp(seen.checksum, made.checksum, MR_SHA256_SIZE) != 0)
        return mr_error_set(err, MR_CLASS_FATAL, 0,
                            "the object store does not keep the composite SHA-256 of objects");
    return MR_OK;
}

static enum mr_status ask(struct probe *p, struct mr_error *err)
{
    struct mr_span right = {PROBE_BYTES, sizeof PROBE_BYTES - 1};
    struct mr_span wrong = {WRONG_BYTES, sizeof WRONG_BYTES - 1};
    struct mr_span shorter = {PROBE_BYTES, sizeof PROBE_BYTES - 2};
    mr_sha256(right.p, right.len, p->sha256);
    if (mr_store_presign_part_at(p->store, &p->store->endpoint, p->key, p->upload_id.data, 1,
                                 (int64_t)right.len, p->sha256, PROBE_TTL_MS, &p->url, err) != MR_OK)
        return MR_FAIL;
    if (refused(p, wrong, "a part with other bytes than were signed", err) != MR_OK ||
        refused(p, shorter, "a part of another length than was signed", err) != MR_OK ||
        taken(p, right, err) != MR_OK || complete(p, err) != MR_OK)
        return MR_FAIL;
    return refused(p, right, "a part of an upload that is complete", err);
}

enum mr_status mr_store_probe_checks(struct mr_store *s, struct mr_error *err)
{
    struct probe p = {.store = s};
    char id[MR_UUID_TEXT_SIZE];
    mr_buf_init(&p.upload_id, 2048);
    mr_buf_init(&p.url, MR_STORE_URL_MAX);
    snprintf(p.key, sizeof p.key, "probe/%s", mr_uuid_format(mr_uuid_v7(), id));
    enum mr_status status = mr_store_create_upload(s, p.key, "text/plain", &p.upload_id, err);
    if (status == MR_OK) {
        struct mr_error cleanup;
        status = ask(&p, err);
        enum mr_status aborted = mr_store_abort_upload(s, p.key, p.upload_id.data, &cleanup);
        if (mr_store_delete(s, p.key, &cleanup) != MR_OK || aborted != MR_OK) {
            if (status == MR_OK && err)
                *err = cleanup;
            status = MR_FAIL;
        }
    }
    mr_buf_free(&p.upload_id);
    mr_buf_free(&p.url);
    return status;
}
