#include <stdlib.h>

#include "base/clock.h"
#include "producer/handlers.h"

static json_t *part_json(const struct mr_part *p)
{
    char sha256[MR_SHA256_HEX_SIZE];
    json_t *part = json_pack("{s:i, s:I}", "part_number", p->number, "size", (json_int_t)p->size);
    if (p->has_sha256)
        json_object_set_new(part, "sha256", json_string(mr_hex(p->sha256, MR_SHA256_SIZE, sha256)));
    return part;
}

/* What the store has of it; nothing once the store's upload is gone. */
static json_t *arrived(const struct mr_upload *up, const struct mr_session *s, struct mr_error *err)
{
    struct mr_part *parts = NULL;
    int n = 0;
    json_t *list = json_array();
    bool asks = (s->state == MR_SESSION_OPEN || s->state == MR_SESSION_COMPLETING) && s->s3_upload_id[0];
    if (asks && mr_store_list_parts(up->store, s->s3_key, s->s3_upload_id, &parts, &n, err) != MR_OK &&
        !mr_store_said(err, "NoSuchUpload")) {
        json_decref(list);
        return NULL;
    }
    for (int i = 0; i < n; i++)
        json_array_append_new(list, part_json(&parts[i]));
    free(parts);
    return list;
}

static json_t *session_json(const struct mr_session *s, json_t *parts)
{
    char upload_id[MR_UUID_TEXT_SIZE], file_id[MR_UUID_TEXT_SIZE], event_id[MR_UUID_TEXT_SIZE];
    char expires[MR_RFC3339_SIZE];
    bool has_version = s->version > 0;
    bool overdue = s->state == MR_SESSION_OPEN && s->overdue;
    return json_pack(
        "{s:s, s:s, s:s, s:I, s:s, s:s, s:I, s:i, s:s, s:o, s:o, s:o}", "upload_id",
        mr_uuid_format(s->upload_id, upload_id), "file_id", mr_uuid_format(s->file_id, file_id), "path",
        s->path, "size", (json_int_t)s->size, "content_type", s->content_type, "state",
        overdue ? "expired" : mr_session_state_name(s->state), "part_size", (json_int_t)s->part_size,
        "part_count", s->part_count, "expires_at", mr_rfc3339(s->expires_at_us, expires), "version",
        has_version ? json_integer(s->version) : json_null(), "event_id",
        has_version ? json_string(mr_uuid_format(s->event_id, event_id)) : json_null(), "parts", parts);
}

void mr_handle_status(void *ctx, struct mr_http_request *rq, struct mr_http_reply *rp)
{
    const struct mr_upload *up = ctx;
    struct mr_uuid upload_id;
    struct mr_session s;
    struct mr_error err;
    bool found = false;
    if (!mr_uuid_parse(mr_span_of(mr_http_path_param(rq, "upload_id")), &upload_id)) {
        mr_problem_no_session(rp);
        return;
    }
    struct mr_db *db = mr_upload_db(up, rq, "looking at the upload", rp);
    if (!db)
        return;
    enum mr_status status = mr_session_load(db, upload_id, mr_http_user(rq), &found, &s, &err);
    mr_db_release(&db);
    json_t *parts = status == MR_OK && found ? arrived(up, &s, &err) : NULL;
    if (status == MR_OK && !found)
        mr_problem_no_session(rp);
    else if (parts)
        mr_http_reply_json(rp, 200, session_json(&s, parts));
    else
        mr_http_problem_of(rp, "looking at the upload", &err);
}
