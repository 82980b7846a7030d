#include "producer/end.h"

#include <string.h>

#include "base/crash.h"
#include "base/log.h"
#include "metrics/metrics.h"
#include "producer/reserve.h"

/* In place of the store's upload id when only the key can tell whether there is one. */
#define UNKNOWN_ID "?"

static const char *const conditions[] = {
    [MR_END_DELETED] = "UPDATE upload_sessions SET state = 'aborted', touched_at = now(), lease_until = NULL "
                       "WHERE upload_id = $1 AND state = 'open' AND s3_upload_id <> '' RETURNING 1",
    [MR_END_OVERDUE] =
        "UPDATE upload_sessions SET state = 'expired', touched_at = now(), lease_until = NULL "
        "WHERE upload_id = $1 AND state = 'open' AND s3_upload_id <> '' AND expires_at <= now() "
        "RETURNING 1",
    [MR_END_UNBORN] =
        "UPDATE upload_sessions SET state = 'expired', touched_at = now(), s3_upload_id = '" UNKNOWN_ID
        "' WHERE upload_id = $1 AND state = 'open' AND s3_upload_id = '' RETURNING 1",
    [MR_END_GONE] = "UPDATE upload_sessions SET state = 'expired', touched_at = now(), lease_until = NULL "
                    "WHERE upload_id = $1 AND lease_id = $2 AND state = 'completing' RETURNING 1",
    [MR_END_REFUSED] =
        "UPDATE upload_sessions SET state = 'expired', touched_at = now(), lease_until = NULL, "
        "s3_upload_id = '' WHERE upload_id = $1 AND lease_id = $2 AND state = 'completing' "
        "AND expires_at <= now() RETURNING 1",
};

static enum mr_status change(struct mr_db *db, const struct mr_session *s, enum mr_end_reason why,
                             bool *ended, struct mr_error *err)
{
    struct mr_db_args args;
    PGresult *r = NULL;
    mr_db_args_init(&args);
    mr_db_arg_uuid(&args, s->upload_id);
    if (why == MR_END_GONE || why == MR_END_REFUSED)
        mr_db_arg_uuid(&args, s->lease_id);
    if (mr_owner_lock(db, s->owner_id, err) != MR_OK ||
        mr_db_query(db, conditions[why], &args, &r, err) != MR_OK)
        return MR_FAIL;
    *ended = PQntuples(r) == 1;
    PQclear(r);
    return *ended ? mr_reservation_free(db, s->file_id, err) : MR_OK;
}

struct upload_list {
    const struct mr_upload *up;
    const char *key;
    enum mr_status status;
    struct mr_error *err;
};

static bool abort_listed(void *ctx, const char *key, const char *upload_id, int64_t initiated_us)
{
    struct upload_list *l = ctx;
    (void)initiated_us;
    if (strcmp(key, l->key) == 0)
        l->status = mr_store_abort_upload(l->up->store, key, upload_id, l->err);
    return l->status == MR_OK;
}

static enum mr_status clean_store(const struct mr_upload *up, const struct mr_session *s,
                                  struct mr_error *err)
{
    if (strcmp(s->s3_upload_id, UNKNOWN_ID) == 0) {
        struct upload_list l = {up, s->s3_key, MR_OK, err};
        enum mr_status status = mr_store_list_uploads(up->store, s->s3_key, abort_listed, &l, err);
        return status == MR_OK ? l.status : status;
    }
    if (mr_store_abort_upload(up->store, s->s3_key, s->s3_upload_id, err) != MR_OK)
        return MR_FAIL;
    /* A completion that nobody remembers, after a crash of the database, may have made the object. */
    return mr_store_delete(up->store, s->s3_key, err);
}

enum mr_status mr_session_clean(const struct mr_upload *up, struct mr_db *db, const struct mr_session *s,
                                struct mr_error *err)
{
    struct mr_db_args args;
    if (clean_store(up, s, err) != MR_OK)
        return MR_FAIL;
    mr_crash_point("upload.end.after-store");
    mr_db_args_init(&args);
    mr_db_arg_uuid(&args, s->upload_id);
    enum mr_status status = mr_db_query(db,
                                        "UPDATE upload_sessions SET s3_upload_id = '' WHERE upload_id = $1 "
                                        "AND state IN ('aborted', 'expired')",
                                        &args, NULL, err);
    if (status == MR_OK)
        mr_crash_point("upload.end.after-clean");
    return status;
}

enum mr_status mr_session_end(const struct mr_upload *up, struct mr_db *db, const struct mr_session *s,
                              enum mr_end_reason why, bool *ended, struct mr_error *err)
{
    *ended = false;
    if (mr_db_begin(db, err) != MR_OK)
        return MR_FAIL;
    enum mr_status status = change(db, s, why, ended, err);
    if (status == MR_OK && *ended) {
        mr_crash_point("upload.end.before-state");
        status = mr_db_commit(db, err);
    }
    if (status != MR_OK || !*ended) {
        mr_db_rollback(db);
        return status;
    }
    mr_crash_point("upload.end.after-state");
    mr_metric_add(MR_M_uploads, why == MR_END_DELETED ? "aborted" : "expired", 1);
    if (why == MR_END_REFUSED)
        return MR_OK;
    struct mr_session now = *s;
    struct mr_error later;
    if (why == MR_END_UNBORN)
        memcpy(now.s3_upload_id, UNKNOWN_ID, sizeof UNKNOWN_ID);
    if (mr_session_clean(up, db, &now, &later) != MR_OK)
        mr_log(MR_LOG_WARN, "the store could not be cleaned, the sweep will", mr_log_str("key", s->s3_key),
               mr_log_str("error", later.text));
    return MR_OK;
}
