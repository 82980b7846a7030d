#include "producer/assemble.h"

#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/crash.h"
#include "event/headers.h"
#include "metrics/metrics.h"

#define HEADERS_JSON_MAX 8192

void mr_assembly_init(struct mr_assembly *a)
{
    memset(a, 0, sizeof *a);
    mr_buf_init(&a->event, MR_EVENT_BYTES_MAX);
    mr_buf_init(&a->headers, HEADERS_JSON_MAX);
}

void mr_assembly_free(struct mr_assembly *a)
{
    mr_buf_free(&a->event);
    mr_buf_free(&a->headers);
}

/* The store's upload is gone: it was completed before (then the object is there) or it never will be. */
static enum mr_status find_object(const struct mr_upload *up, const struct mr_session *s,
                                  struct mr_object *object, struct mr_assembly *out, struct mr_error *err)
{
    if (mr_store_head(up->store, s->s3_key, object, err) != MR_OK) {
        if (err->class != MR_CLASS_REJECT || err->code != 404)
            return MR_FAIL;
        out->result = MR_ASSEMBLE_GONE;
        return MR_OK;
    }
    if (!object->has_checksum || object->parts != s->part_count || object->size != s->size)
        return mr_error_set(err, MR_CLASS_REJECT, 0, "%s is not the object that the session describes",
                            s->s3_key);
    return MR_OK;
}

static enum mr_status store_complete(const struct mr_upload *up, const struct mr_session *s,
                                     const struct mr_part *parts, int n, struct mr_object *object,
                                     struct mr_assembly *out, struct mr_error *err)
{
    if (!mr_parts_whole(s, parts, n, out)) {
        out->result = MR_ASSEMBLE_MISSING;
        return MR_OK;
    }
    mr_crash_point("upload.assemble.before-store");
    enum mr_status status =
        mr_store_complete_upload(up->store, s->s3_key, s->s3_upload_id, parts, n, object, err);
    if (status == MR_OK)
        mr_crash_point("upload.assemble.after-store");
    return status;
}

/* A part was replaced between the list and the completion: the client is still at work. What is not as it
 * should be now is listed; when all is, the client may ask again. */
static enum mr_status look_again(const struct mr_upload *up, const struct mr_session *s,
                                 struct mr_assembly *out, struct mr_error *err)
{
    struct mr_part *parts = NULL;
    int n = 0;
    if (mr_store_list_parts(up->store, s->s3_key, s->s3_upload_id, &parts, &n, err) != MR_OK)
        return MR_FAIL;
    out->result = mr_parts_whole(s, parts, n, out) ? MR_ASSEMBLE_CHANGED : MR_ASSEMBLE_MISSING;
    free(parts);
    return MR_OK;
}

static enum mr_status put_together(const struct mr_upload *up, const struct mr_session *s,
                                   struct mr_object *object, struct mr_assembly *out, struct mr_error *err)
{
    struct mr_part *parts = NULL;
    int n = 0;
    enum mr_status status = mr_store_list_parts(up->store, s->s3_key, s->s3_upload_id, &parts, &n, err);
    out->untouched = status != MR_OK && !mr_store_said(err, "NoSuchUpload");
    if (status == MR_OK)
        status = store_complete(up, s, parts, n, object, out, err);
    free(parts);
    if (status != MR_OK && mr_store_said(err, "InvalidPart"))
        status = look_again(up, s, out, err);
    if (status != MR_OK && mr_store_said(err, "NoSuchUpload"))
        return find_object(up, s, object, out, err);
    return status;
}

static enum mr_status make_headers(const struct mr_assembly *a, int64_t at_us, const char *traceparent,
                                   struct mr_buf *out, struct mr_error *err)
{
    struct mr_headers h;
    mr_headers_init(&h);
    if (mr_headers_event(&h, "io.millrace.FileUploaded", "mr-upload", a->event_id, at_us, traceparent) !=
            MR_OK ||
        mr_headers_to_json(&h, out) != MR_OK)
        return mr_error_set(err, MR_CLASS_REJECT, 0, "make the event's headers: too large");
    return MR_OK;
}

static enum mr_status make_event(const struct mr_upload *up, const struct mr_session *s,
                                 const struct mr_object *object, const char *path, const char *traceparent,
                                 struct mr_assembly *out, struct mr_error *err)
{
    int64_t now = mr_wall_us();
    struct mr_file_uploaded e = {
        .event_id = out->event_id,
        .occurred_at_us = now,
        .upload_id = s->upload_id,
        .file_id = s->file_id,
        .version = out->version,
        .owner_id = s->owner_id,
        .user_id = s->user_id,
        .path = mr_span_of(path),
        .size = s->size,
        .content_type = mr_span_of(s->content_type),
        .s3_bucket = mr_span_of(up->cfg->s3_bucket),
        .s3_key = mr_span_of(s->s3_key),
        .s3_etag = mr_span_of(object->etag),
        .origin = mr_span_of("UPLOAD"),
    };
    memcpy(e.content_hash, object->checksum, MR_SHA256_SIZE);
    if (mr_encode_file_uploaded(up->codec, MR_UPLOAD_TOPIC, &e, &out->event, err) != MR_OK)
        return MR_FAIL;
    return make_headers(out, now, traceparent, &out->headers, err);
}

/* Takes the next version under the file's row lock. *path is the one the file has at this moment. The
 * sessions are looked at again by store_event(), which undoes this when another replica was faster. */
static enum mr_status allocate(struct mr_db *db, const struct mr_session *s, int64_t *version, char *path,
                               size_t path_size, struct mr_error *err)
{
    struct mr_db_args args;
    PGresult *r = NULL;
    mr_db_args_init(&args);
    mr_db_arg_uuid(&args, s->file_id);
    if (mr_db_query(db,
                    "UPDATE files SET next_version = next_version + 1, change_seq = change_seq + 1 "
                    "WHERE file_id = $1 RETURNING next_version - 1, path",
                    &args, &r, err) != MR_OK)
        return MR_FAIL;
    if (PQntuples(r) != 1) {
        PQclear(r);
        return mr_error_set(err, MR_CLASS_REJECT, 0, "the file of the session has no row");
    }
    *version = mr_db_i64(r, 0, 0);
    snprintf(path, path_size, "%s", mr_db_text(r, 0, 1));
    PQclear(r);
    return MR_OK;
}

/* Whoever holds the lease meanwhile: what was verified is the object, and the state lets one of two win. */
static enum mr_status store_event(const struct mr_upload *up, struct mr_db *db, const struct mr_session *s,
                                  bool sends, struct mr_assembly *out, struct mr_error *err)
{
    struct mr_db_args args;
    PGresult *r = NULL;
    mr_db_args_init(&args);
    mr_db_arg_uuid(&args, s->upload_id);
    mr_db_arg_i64(&args, out->version);
    mr_db_arg_uuid(&args, out->event_id);
    mr_db_arg_text(&args, MR_UPLOAD_TOPIC);
    mr_db_arg_bytes(&args, out->event.data, out->event.len);
    mr_db_arg_text(&args, out->headers.data);
    mr_db_arg_i64(&args, sends ? up->cfg->relay_lease : 0);
    if (mr_db_query(
            db,
            "UPDATE upload_sessions SET state = 'assembled', version = $2, event_id = $3, event_topic = $4, "
            "event_bytes = $5, event_headers = $6, assembled_at = now(), "
            "lease_until = now() + $7 * interval '1 millisecond' "
            "WHERE upload_id = $1 AND state = 'completing' RETURNING 1",
            &args, &r, err) != MR_OK)
        return MR_FAIL;
    out->result = PQntuples(r) == 1 ? MR_ASSEMBLED : MR_ASSEMBLED_ALREADY;
    PQclear(r);
    return MR_OK;
}

static enum mr_status commit_version(const struct mr_upload *up, struct mr_db *db, const struct mr_session *s,
                                     const struct mr_object *object, bool sends, const char *traceparent,
                                     struct mr_assembly *out, struct mr_error *err)
{
    char path[sizeof s->path];
    out->event_id = mr_event_id_of_upload(s->upload_id);
    if (mr_db_begin(db, err) != MR_OK)
        return MR_FAIL;
    if (allocate(db, s, &out->version, path, sizeof path, err) != MR_OK ||
        make_event(up, s, object, path, traceparent, out, err) != MR_OK ||
        store_event(up, db, s, sends, out, err) != MR_OK) {
        mr_db_rollback(db);
        return MR_FAIL;
    }
    if (out->result == MR_ASSEMBLED_ALREADY) {
        mr_db_rollback(db);
        return MR_OK;
    }
    mr_crash_point("upload.assemble.before-commit");
    if (mr_db_commit(db, err) != MR_OK)
        return MR_FAIL;
    mr_crash_point("upload.assemble.after-commit");
    mr_metric_add(MR_M_uploads, "assembled", 1);
    return MR_OK;
}

enum mr_status mr_assemble(const struct mr_upload *up, struct mr_db *db, const struct mr_session *s,
                           bool sends, const char *traceparent, struct mr_assembly *out, struct mr_error *err)
{
    struct mr_object object;
    out->result = MR_ASSEMBLED;
    out->untouched = false;
    if (put_together(up, s, &object, out, err) != MR_OK)
        return MR_FAIL;
    if (out->result == MR_ASSEMBLE_MISSING || out->result == MR_ASSEMBLE_CHANGED) {
        bool ours = false;
        enum mr_status status = mr_session_reopen(db, s, &ours, err);
        if (status == MR_OK && !ours)
            out->result = MR_ASSEMBLED_ALREADY;
        return status;
    }
    if (out->result == MR_ASSEMBLE_GONE)
        return MR_OK;
    return commit_version(up, db, s, &object, sends, traceparent, out, err);
}
