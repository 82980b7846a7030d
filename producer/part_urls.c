#include "producer/part_urls.h"

#include <stdio.h>
#include <stdlib.h>

#include "http/fields.h"

#define URL_MAX 16384

static bool read_one(struct mr_http_reply *rp, json_t *object, size_t i, bool numbered,
                     struct mr_wanted_part *out)
{
    int64_t number = (int64_t)i + 1;
    char what[32];
    snprintf(what, sizeof what, "parts[%zu]", i);
    const struct mr_field fields[] = {
        {"sha256", MR_FIELD_JSON_SHA256, true, 0, 0, out->sha256, NULL},
        {"part_number", MR_FIELD_JSON_INT, true, 1, MR_PARTS_MAX, &number, NULL},
    };
    if (!mr_http_fields(rp, object, what, fields, numbered ? 2 : 1))
        return false;
    out->number = (int)number;
    return true;
}

bool mr_part_urls_read(struct mr_http_reply *rp, json_t *parts, bool numbered, struct mr_wanted_part **out)
{
    size_t n = json_array_size(parts);
    *out = calloc(n ? n : 1, sizeof **out);
    if (!*out) {
        mr_http_problem(rp, 503, "unavailable", "no memory for %zu parts", n);
        return false;
    }
    for (size_t i = 0; i < n; i++) {
        if (read_one(rp, json_array_get(parts, i), i, numbered, &(*out)[i]))
            continue;
        free(*out);
        *out = NULL;
        return false;
    }
    return true;
}

static json_t *one(const struct mr_session *s, const struct mr_wanted_part *p, const char *url)
{
    char checksum[MR_SHA256_BASE64_SIZE];
    return json_pack("{s:i, s:I, s:I, s:s, s:{s:s}}", "part_number", p->number, "offset",
                     (json_int_t)mr_part_offset(s->size, p->number), "size",
                     (json_int_t)mr_part_length(s->size, p->number), "url", url, "headers",
                     "x-amz-checksum-sha256", mr_base64(p->sha256, MR_SHA256_SIZE, checksum));
}

json_t *mr_part_urls(const struct mr_upload *up, const struct mr_session *s,
                     const struct mr_wanted_part *parts, size_t n, struct mr_error *err)
{
    json_t *list = json_array();
    struct mr_buf url;
    mr_buf_init(&url, URL_MAX);
    for (size_t i = 0; list && i < n; i++) {
        mr_buf_reset(&url);
        if (mr_store_presign_part(up->store, s->s3_key, s->s3_upload_id, parts[i].number,
                                  mr_part_length(s->size, parts[i].number), parts[i].sha256,
                                  up->cfg->url_put_ttl, &url, err) == MR_OK &&
            json_array_append_new(list, one(s, &parts[i], url.data)) == 0)
            continue;
        json_decref(list);
        list = NULL;
    }
    mr_buf_free(&url);
    return list;
}
