#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/crash.h"
#include "base/log.h"
#include "http/fields.h"
#include "metrics/metrics.h"
#include "path/path.h"
#include "producer/content_type.h"
#include "producer/handlers.h"
#include "producer/idempotency.h"
#include "producer/part_urls.h"
#include "producer/reserve.h"

#define DEFAULT_TYPE "application/octet-stream"

struct initiate {
    const struct mr_upload *up;
    struct mr_reservation wanted;
    struct mr_wanted_part *parts;
    size_t n_parts;
    struct mr_session session;
    json_t *answer;
};

static bool read_body(struct initiate *in, struct mr_http_request *rq, struct mr_http_reply *rp)
{
    json_t *parts = NULL;
    bool has_file_id = false;
    in->wanted.content_type = DEFAULT_TYPE;
    const struct mr_field fields[] = {
        {"path", MR_FIELD_JSON_STRING, false, 0, 0, &in->wanted.path, NULL},
        {"file_id", MR_FIELD_JSON_UUID, false, 0, 0, &in->wanted.file_id, &has_file_id},
        {"size", MR_FIELD_JSON_INT, true, 0, 0, &in->wanted.size, NULL},
        {"content_type", MR_FIELD_JSON_STRING, false, 1, MR_CONTENT_TYPE_MAX, &in->wanted.content_type, NULL},
        {"parts", MR_FIELD_JSON_ARRAY, false, 1, MR_PARTS_MAX, &parts, NULL},
    };
    if (!mr_http_fields(rp, mr_http_json(rq), "body", fields, sizeof fields / sizeof fields[0]))
        return false;
    if ((in->wanted.path != NULL) == has_file_id) {
        mr_http_problem(rp, 400, "invalid-request",
                        "body: exactly one of \"path\" and \"file_id\" is needed");
        return false;
    }
    if (parts && !mr_part_urls_read(rp, parts, false, &in->parts))
        return false;
    in->n_parts = json_array_size(parts);
    return true;
}

static bool check_body(struct initiate *in, struct mr_http_reply *rp)
{
    const struct mr_config *cfg = in->up->cfg;
    struct mr_error err;
    if (in->wanted.path && mr_path_check(mr_span_of(in->wanted.path), &err) != MR_OK)
        mr_http_problem(rp, 400, "invalid-path", "%s", err.text);
    else if (!mr_content_type_valid(in->wanted.content_type))
        mr_http_problem(rp, 400, "invalid-request", "body: \"content_type\" must be like type/subtype");
    else if (!mr_content_type_taken(cfg->upload_types, in->wanted.content_type))
        mr_http_problem(rp, 415, "type-not-taken", "files of this type are not taken here");
    else if (in->wanted.size > cfg->upload_max_size)
        mr_http_problem(rp, 413, "file-too-large", "files of at most %lld bytes are taken here",
                        (long long)cfg->upload_max_size);
    else if (in->parts && in->n_parts != (size_t)mr_part_count(in->wanted.size))
        mr_http_problem(rp, 400, "invalid-request",
                        "body: a file of %lld bytes has %d parts, \"parts\" has %zu",
                        (long long)in->wanted.size, mr_part_count(in->wanted.size), in->n_parts);
    else
        return true;
    return false;
}

static bool read_key(struct initiate *in, struct mr_http_request *rq, struct mr_http_reply *rp)
{
    in->wanted.idempotency_key = mr_http_header(rq, "Idempotency-Key");
    if (!in->wanted.idempotency_key)
        return true;
    if (!mr_idempotency_key_valid(in->wanted.idempotency_key)) {
        mr_http_problem(rp, 400, "invalid-request",
                        "Idempotency-Key must have 1 to %d printable ASCII characters",
                        MR_IDEMPOTENCY_KEY_MAX);
        return false;
    }
    struct mr_span body = mr_http_body(rq);
    mr_sha256(body.p, body.len, in->wanted.request_hash);
    return true;
}

static void refuse(enum mr_reserved why, struct mr_http_reply *rp)
{
    switch (why) {
    case MR_RESERVE_BUSY:
        mr_http_problem(rp, 409, "idempotency-in-progress",
                        "a request with this Idempotency-Key is under way");
        mr_http_reply_header(rp, "Retry-After", "1");
        break;
    case MR_RESERVE_OTHER_BODY:
        mr_http_problem(rp, 422, "idempotency-mismatch", "this Idempotency-Key was used with another body");
        break;
    case MR_RESERVE_TOO_MANY:
        mr_http_problem(rp, 429, "too-many-uploads", "too many uploads are open; complete or delete some");
        mr_http_reply_header(rp, "Retry-After", "10");
        break;
    case MR_RESERVE_NO_FILE:
        mr_http_problem(rp, 404, "no-such-file", "there is no such file of yours");
        break;
    case MR_RESERVE_UNDER_FILE:
        mr_http_problem(rp, 409, "path-conflict", "a folder of the path is a file");
        break;
    case MR_RESERVE_IS_FOLDER:
        mr_http_problem(rp, 409, "path-conflict", "the path is a folder");
        break;
    case MR_RESERVED:
    case MR_RESERVE_REPLAY:
        break;
    }
}

/* Signs the URLs, also when a key is used again: those of the first answer may have run out. */
static enum mr_status make_answer(struct initiate *in, struct mr_error *err)
{
    char upload_id[MR_UUID_TEXT_SIZE], file_id[MR_UUID_TEXT_SIZE], expires[MR_RFC3339_SIZE];
    const struct mr_session *s = &in->session;
    json_t *body =
        json_pack("{s:s, s:s, s:I, s:i, s:s}", "upload_id", mr_uuid_format(s->upload_id, upload_id),
                  "file_id", mr_uuid_format(s->file_id, file_id), "part_size", (json_int_t)s->part_size,
                  "part_count", s->part_count, "expires_at", mr_rfc3339(s->expires_at_us, expires));
    if (in->parts) {
        json_t *urls = mr_part_urls(in->up, s, in->parts, in->n_parts, err);
        if (!urls) {
            json_decref(body);
            return MR_FAIL;
        }
        json_object_set_new(body, "parts", urls);
    }
    in->answer = body;
    return body ? MR_OK : mr_error_set(err, MR_CLASS_RETRY, 0, "out of memory");
}

/* The session is in the database; now the store's upload, and then the session is told. */
static enum mr_status open_upload(struct initiate *in, struct mr_db *db, struct mr_error *err)
{
    struct mr_session *s = &in->session;
    struct mr_buf id;
    mr_buf_init(&id, sizeof s->s3_upload_id - 1);
    enum mr_status status = mr_store_create_upload(in->up->store, s->s3_key, s->content_type, &id, err);
    if (status == MR_OK) {
        mr_crash_point("upload.initiate.after-create");
        memcpy(s->s3_upload_id, id.data, id.len + 1);
        status = make_answer(in, err);
    }
    mr_buf_free(&id);
    bool opened = false;
    if (status == MR_OK)
        status = mr_reserve_open(db, s, in->wanted.idempotency_key, &opened, err);
    if (status == MR_OK && !opened)
        status = mr_error_set(err, MR_CLASS_RETRY, 0, "the session was taken for dead and removed meanwhile");
    return status;
}

/* What cannot be taken back now is taken back by the sweep. */
static void undo(struct initiate *in, struct mr_db *db)
{
    struct mr_error err;
    const struct mr_session *s = &in->session;
    if (s->s3_upload_id[0] && mr_store_abort_upload(in->up->store, s->s3_key, s->s3_upload_id, &err) != MR_OK)
        mr_log(MR_LOG_WARN, "an upload could not be aborted, the sweep will", mr_log_str("error", err.text));
    if (mr_reserve_undo(db, s, in->wanted.idempotency_key, &err) != MR_OK)
        mr_log(MR_LOG_WARN, "a reservation could not be freed, the sweep will",
               mr_log_str("error", err.text));
}

static void reply_created(struct initiate *in, struct mr_http_reply *rp)
{
    mr_http_reply_json(rp, 201, in->answer);
    in->answer = NULL;
}

/* The key was used before. What has ended or is complete cannot be begun again: its client is told what it
 * is, and by its id can ask more. */
static void replay(struct initiate *in, struct mr_http_reply *rp)
{
    struct mr_error err;
    char upload_id[MR_UUID_TEXT_SIZE];
    const struct mr_session *s = &in->session;
    if (s->state != MR_SESSION_OPEN || s->overdue) {
        mr_problem_not_open(rp, s);
        mr_http_problem_member(rp, "upload_id", json_string(mr_uuid_format(s->upload_id, upload_id)));
    } else if (make_answer(in, &err) != MR_OK) {
        mr_http_problem_of(rp, "starting the upload", &err);
    } else {
        reply_created(in, rp);
    }
}

static void initiate(struct initiate *in, struct mr_db *db, struct mr_http_reply *rp)
{
    struct mr_error err;
    enum mr_reserved result;
    mr_crash_point("upload.initiate.before-reserve");
    if (mr_reserve(in->up, db, &in->wanted, &result, &in->session, &err) != MR_OK) {
        mr_http_problem_of(rp, "starting the upload", &err);
        return;
    }
    if (result == MR_RESERVE_REPLAY) {
        replay(in, rp);
        return;
    }
    if (result != MR_RESERVED) {
        refuse(result, rp);
        return;
    }
    mr_crash_point("upload.initiate.after-reserve");
    if (open_upload(in, db, &err) != MR_OK) {
        undo(in, db);
        mr_http_problem_of(rp, "starting the upload", &err);
        return;
    }
    mr_crash_point("upload.initiate.after-open");
    mr_metric_add(MR_M_uploads, "open", 1);
    reply_created(in, rp);
}

void mr_handle_initiate(void *ctx, struct mr_http_request *rq, struct mr_http_reply *rp)
{
    struct initiate in = {.up = ctx, .wanted = {.user_id = mr_http_user(rq)}};
    if (read_body(&in, rq, rp) && check_body(&in, rp) && read_key(&in, rq, rp)) {
        struct mr_db *db = mr_upload_db(in.up, rq, "starting the upload", rp);
        if (db)
            initiate(&in, db, rp);
        mr_db_release(&db);
    }
    json_decref(in.answer);
    free(in.parts);
}
