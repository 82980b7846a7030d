#include "producer/reserve.h"

#include <stdio.h>
#include <string.h>

#include "db/array.h"
#include "db/oid.h"
#include "producer/idempotency.h"

#define ANCESTORS_BYTES_MAX (1 << 20)

/* Of table or alias f: a file, a reservation, or a deleted file that an upload under way brings back. */
#define LIVE                                                                                                 \
    "(f.deleted_at IS NULL OR f.next_version - 1 > coalesce(f.deleted_version, 0) OR EXISTS "                \
    "(SELECT FROM upload_sessions s WHERE s.file_id = f.file_id AND s.state IN ('open', 'completing', "      \
    "'assembled')))"

enum mr_status mr_owner_lock(struct mr_db *db, struct mr_uuid owner_id, struct mr_error *err)
{
    struct mr_db_args args;
    mr_db_args_init(&args);
    mr_db_arg_uuid(&args, owner_id);
    return mr_db_query(db, "SELECT pg_advisory_xact_lock(hashtextextended($1::text, 0))", &args, NULL, err);
}

static enum mr_status ancestors(struct mr_db_array *a, const char *path)
{
    for (const char *slash = strchr(path + 1, '/'); slash; slash = strchr(slash + 1, '/')) {
        if (mr_db_array_span(a, (struct mr_span){path, (size_t)(slash - path)}) != MR_OK)
            return MR_FAIL;
    }
    return MR_OK;
}

struct namespace_view {
    int64_t open_sessions;
    bool known;
    struct mr_uuid file_id;
    bool under_file;
    bool is_folder;
};

/* '0' follows '/' in the "C" collation of files.path: the range is all paths below. */
static const char look_sql[] =
    "SELECT (SELECT count(*) FROM upload_sessions WHERE user_id = $1 AND state IN ('open', 'completing') "
    "        AND expires_at > now()), "
    "       (SELECT file_id FROM files WHERE user_id = $1 AND path = $2), "
    "       EXISTS (SELECT FROM files f WHERE f.user_id = $1 AND f.path = ANY ($3) AND " LIVE "), "
    "       EXISTS (SELECT FROM files f WHERE f.user_id = $1 AND f.path > $2 || '/' AND f.path < $2 || '0' "
    "AND " LIVE ")";

static enum mr_status look(struct mr_db *db, struct mr_uuid owner, const char *path,
                           struct namespace_view *out, struct mr_error *err)
{
    struct mr_db_array above;
    struct mr_db_args args;
    PGresult *r = NULL;
    mr_db_array_init(&above, MR_OID_TEXT, ANCESTORS_BYTES_MAX);
    mr_db_args_init(&args);
    mr_db_arg_uuid(&args, owner);
    mr_db_arg_text(&args, path);
    enum mr_status status = ancestors(&above, path);
    if (status != MR_OK) {
        mr_error_set(err, MR_CLASS_REJECT, 0, "look for the path's folders: too many");
    } else {
        mr_db_arg_of_array(&args, &above);
        status = mr_db_query(db, look_sql, &args, &r, err);
    }
    if (status == MR_OK) {
        out->open_sessions = mr_db_i64(r, 0, 0);
        out->known = !mr_db_null(r, 0, 1);
        out->file_id = mr_db_uuid(r, 0, 1);
        out->under_file = mr_db_bool(r, 0, 2);
        out->is_folder = mr_db_bool(r, 0, 3);
    }
    PQclear(r);
    mr_db_array_free(&above);
    return status;
}

/* A file given by its id: only the owner's for now, and only one that is there. */
static enum mr_status path_of_file(struct mr_db *db, const struct mr_reservation *wanted, bool *found,
                                   struct mr_session *out, struct mr_error *err)
{
    struct mr_db_args args;
    PGresult *r = NULL;
    mr_db_args_init(&args);
    mr_db_arg_uuid(&args, wanted->file_id);
    mr_db_arg_uuid(&args, wanted->user_id);
    if (mr_db_query(db,
                    "SELECT path FROM files WHERE file_id = $1 AND user_id = $2 AND deleted_at IS NULL "
                    "AND next_version > 1",
                    &args, &r, err) != MR_OK)
        return MR_FAIL;
    *found = PQntuples(r) == 1;
    if (*found)
        snprintf(out->path, sizeof out->path, "%s", mr_db_text(r, 0, 0));
    PQclear(r);
    return MR_OK;
}

static enum mr_status insert_file(struct mr_db *db, const struct mr_session *s, struct mr_error *err)
{
    struct mr_db_args args;
    mr_db_args_init(&args);
    mr_db_arg_uuid(&args, s->file_id);
    mr_db_arg_uuid(&args, s->owner_id);
    mr_db_arg_text(&args, s->path);
    return mr_db_query(db, "INSERT INTO files (file_id, user_id, path) VALUES ($1, $2, $3)", &args, NULL,
                       err);
}

static enum mr_status insert_session(const struct mr_upload *up, struct mr_db *db, struct mr_session *s,
                                     struct mr_error *err)
{
    struct mr_db_args args;
    PGresult *r = NULL;
    mr_db_args_init(&args);
    mr_db_arg_uuid(&args, s->upload_id);
    mr_db_arg_uuid(&args, s->file_id);
    mr_db_arg_uuid(&args, s->owner_id);
    mr_db_arg_uuid(&args, s->user_id);
    mr_db_arg_text(&args, s->path);
    mr_db_arg_i64(&args, s->size);
    mr_db_arg_text(&args, s->content_type);
    mr_db_arg_i64(&args, s->part_size);
    mr_db_arg_i32(&args, s->part_count);
    mr_db_arg_text(&args, s->s3_key);
    mr_db_arg_i64(&args, up->cfg->upload_ttl);
    if (mr_db_query(
            db,
            "INSERT INTO upload_sessions (upload_id, file_id, owner_id, user_id, path, size, content_type, "
            "part_size, part_count, s3_key, s3_upload_id, expires_at) VALUES ($1, $2, $3, $4, $5, $6, $7, "
            "$8, $9, $10, '', now() + $11 * interval '1 millisecond') RETURNING expires_at",
            &args, &r, err) != MR_OK)
        return MR_FAIL;
    s->expires_at_us = mr_db_time(r, 0, 0);
    PQclear(r);
    return MR_OK;
}

static void fill(const struct mr_reservation *wanted, struct mr_session *s)
{
    s->upload_id = mr_uuid_v7();
    s->owner_id = wanted->user_id;
    s->user_id = wanted->user_id;
    s->size = wanted->size;
    s->part_size = mr_part_size(wanted->size);
    s->part_count = mr_part_count(wanted->size);
    s->state = MR_SESSION_OPEN;
    snprintf(s->content_type, sizeof s->content_type, "%s", wanted->content_type);
    if (wanted->path)
        snprintf(s->path, sizeof s->path, "%s", wanted->path);
}

/* Inside the transaction, after the lock and the key: decides and writes. */
static enum mr_status decide(const struct mr_upload *up, struct mr_db *db,
                             const struct mr_reservation *wanted, enum mr_reserved *result,
                             struct mr_session *s, struct mr_error *err)
{
    struct namespace_view view = {0};
    fill(wanted, s);
    if (!wanted->path) {
        bool found = false;
        if (path_of_file(db, wanted, &found, s, err) != MR_OK)
            return MR_FAIL;
        if (!found) {
            *result = MR_RESERVE_NO_FILE;
            return MR_OK;
        }
    }
    if (look(db, s->owner_id, s->path, &view, err) != MR_OK)
        return MR_FAIL;
    if (view.under_file || view.is_folder || view.open_sessions >= up->cfg->upload_sessions_max) {
        *result = view.under_file  ? MR_RESERVE_UNDER_FILE
                  : view.is_folder ? MR_RESERVE_IS_FOLDER
                                   : MR_RESERVE_TOO_MANY;
        return MR_OK;
    }
    s->file_id = view.known ? view.file_id : mr_uuid_v7();
    mr_session_key(s->file_id, s->upload_id, s->s3_key, sizeof s->s3_key);
    *result = MR_RESERVED;
    if (!view.known && insert_file(db, s, err) != MR_OK)
        return MR_FAIL;
    return insert_session(up, db, s, err);
}

/* The key is remembered for a day after the session was made, an ended session for a day after its end. */
static enum mr_status load_replayed(struct mr_db *db, const struct mr_reservation *wanted,
                                    struct mr_uuid upload_id, enum mr_reserved *result,
                                    struct mr_session *session, struct mr_error *err)
{
    bool found = false;
    enum mr_status status = mr_session_load(db, upload_id, wanted->user_id, &found, session, err);
    if (status == MR_OK && !found)
        *result = MR_RESERVE_BUSY; /* both are forgotten at this moment */
    return status;
}

enum mr_status mr_reserve(const struct mr_upload *up, struct mr_db *db, const struct mr_reservation *wanted,
                          enum mr_reserved *result, struct mr_session *session, struct mr_error *err)
{
    struct mr_uuid upload_id = {0};
    memset(session, 0, sizeof *session);
    *result = MR_RESERVED;
    if (mr_db_begin(db, err) != MR_OK)
        return MR_FAIL;
    enum mr_status status = mr_owner_lock(db, wanted->user_id, err);
    if (status == MR_OK && wanted->idempotency_key)
        status = mr_idempotency_claim(up, db, wanted, result, &upload_id, err);
    if (status == MR_OK && *result == MR_RESERVED)
        status = decide(up, db, wanted, result, session, err);
    if (status == MR_OK && *result == MR_RESERVED)
        return mr_db_commit(db, err);
    mr_db_rollback(db);
    if (status == MR_OK && *result == MR_RESERVE_REPLAY)
        return load_replayed(db, wanted, upload_id, result, session, err);
    return status;
}

enum mr_status mr_reserve_open(struct mr_db *db, const struct mr_session *session,
                               const char *idempotency_key, bool *opened, struct mr_error *err)
{
    struct mr_db_args args;
    PGresult *r = NULL;
    mr_db_args_init(&args);
    mr_db_arg_uuid(&args, session->upload_id);
    mr_db_arg_text(&args, session->s3_upload_id);
    mr_db_arg_uuid(&args, session->user_id);
    mr_db_arg_text(&args, idempotency_key);
    if (mr_db_query(db,
                    "WITH opened AS (UPDATE upload_sessions SET s3_upload_id = $2 WHERE upload_id = $1 "
                    "AND state = 'open' RETURNING 1), "
                    "answered AS (UPDATE idempotency_keys SET upload_id = $1 FROM opened "
                    "WHERE user_id = $3 AND key = $4) SELECT count(*) FROM opened",
                    &args, &r, err) != MR_OK)
        return MR_FAIL;
    *opened = mr_db_i64(r, 0, 0) == 1;
    PQclear(r);
    return MR_OK;
}

enum mr_status mr_reservation_free(struct mr_db *db, struct mr_uuid file_id, struct mr_error *err)
{
    struct mr_db_args args;
    mr_db_args_init(&args);
    mr_db_arg_uuid(&args, file_id);
    return mr_db_query(
        db,
        "DELETE FROM files WHERE file_id = $1 AND version = 0 AND next_version = 1 AND NOT EXISTS "
        "(SELECT FROM upload_sessions WHERE file_id = $1 AND state IN ('open', 'completing', "
        "'assembled'))",
        &args, NULL, err);
}

enum mr_status mr_reserve_undo(struct mr_db *db, const struct mr_session *session,
                               const char *idempotency_key, struct mr_error *err)
{
    struct mr_db_args args;
    mr_db_args_init(&args);
    mr_db_arg_uuid(&args, session->upload_id);
    mr_db_arg_uuid(&args, session->user_id);
    mr_db_arg_text(&args, idempotency_key);
    if (mr_db_begin(db, err) != MR_OK)
        return MR_FAIL;
    if (mr_owner_lock(db, session->owner_id, err) == MR_OK &&
        mr_db_query(db,
                    "WITH gone AS (DELETE FROM upload_sessions WHERE upload_id = $1 AND state = 'open' "
                    "AND s3_upload_id = '') "
                    "DELETE FROM idempotency_keys WHERE user_id = $2 AND key = $3 AND upload_id IS NULL",
                    &args, NULL, err) == MR_OK &&
        mr_reservation_free(db, session->file_id, err) == MR_OK)
        return mr_db_commit(db, err);
    mr_db_rollback(db);
    return MR_FAIL;
}
