#include "producer/sweep.h"

#include <stdlib.h>

#include "base/clock.h"
#include "base/crash.h"
#include "base/log.h"
#include "base/stop.h"
#include "producer/assemble.h"
#include "producer/end.h"
#include "producer/idempotency.h"
#include "producer/orphans.h"

#define SWEEP_BATCH 100

typedef enum mr_status (*session_fn)(const struct mr_upload *up, struct mr_db *db, const struct mr_session *s,
                                     struct mr_error *err);

/* Gives every session that the statement selects ($1: a duration in ms) to fn. One that fails does not keep
 * the others from their turn, but a dependency that is away ends the pass. */
static enum mr_status each(const struct mr_upload *up, struct mr_db *db, const char *sql, int64_t ms,
                           session_fn fn, struct mr_error *err)
{
    struct mr_db_args args;
    PGresult *r = NULL;
    mr_db_args_init(&args);
    mr_db_arg_i64(&args, ms);
    mr_db_arg_i64(&args, SWEEP_BATCH);
    if (mr_db_query(db, sql, &args, &r, err) != MR_OK)
        return MR_FAIL;
    enum mr_status status = MR_OK;
    for (int i = 0; i < PQntuples(r) && !mr_stop_requested(); i++) {
        struct mr_session s;
        mr_session_read(r, i, &s);
        status = fn(up, db, &s, err);
        if (status == MR_OK)
            continue;
        mr_log(MR_LOG_WARN, "the sweep could not finish a session", mr_log_str("key", s.s3_key),
               mr_log_str("error", err->text));
        if (err->class == MR_CLASS_RETRY)
            break;
        status = MR_OK;
    }
    PQclear(r);
    return status;
}

static enum mr_status take_over(const struct mr_upload *up, struct mr_db *db, const struct mr_session *s,
                                struct mr_error *err)
{
    return mr_take_over(up, db, s->upload_id, false, err);
}

static enum mr_status complete_whole(const struct mr_upload *up, struct mr_db *db, const struct mr_session *s,
                                     struct mr_error *err)
{
    struct mr_assembly check;
    struct mr_part *parts = NULL;
    int n = 0;
    enum mr_status status = mr_store_list_parts(up->store, s->s3_key, s->s3_upload_id, &parts, &n, err);
    /* Without an upload in the store it was completed, and only the take-over can tell. */
    bool whole = status == MR_OK ? mr_parts_whole(s, parts, n, &check) : mr_store_said(err, "NoSuchUpload");
    free(parts);
    if (status != MR_OK && !whole)
        return MR_FAIL;
    return whole ? mr_take_over(up, db, s->upload_id, false, err) : MR_OK;
}

static enum mr_status expire(const struct mr_upload *up, struct mr_db *db, const struct mr_session *s,
                             struct mr_error *err)
{
    bool ended;
    return mr_session_end(up, db, s, s->s3_upload_id[0] ? MR_END_OVERDUE : MR_END_UNBORN, &ended, err);
}

static enum mr_status clean(const struct mr_upload *up, struct mr_db *db, const struct mr_session *s,
                            struct mr_error *err)
{
    return mr_session_clean(up, db, s, err);
}

static const char leases_sql[] =
    "SELECT " MR_SESSION_COLUMNS " FROM upload_sessions s WHERE s.state = 'completing' "
    "AND s.lease_until <= now() AND $1 >= 0 ORDER BY s.lease_until LIMIT $2";

/* Looked at once per idle time, by one replica: being looked at is noted like a call of the client. */
static const char idle_sql[] =
    "WITH idle AS (SELECT upload_id FROM upload_sessions WHERE state = 'open' AND s3_upload_id <> '' "
    "AND expires_at > now() AND touched_at < now() - $1 * interval '1 millisecond' LIMIT $2 FOR UPDATE SKIP "
    "LOCKED) "
    "UPDATE upload_sessions s SET touched_at = now() FROM idle WHERE s.upload_id = idle.upload_id "
    "RETURNING " MR_SESSION_COLUMNS;

/* Past their time, or left behind by a replica that died before the store's upload was noted. */
static const char overdue_sql[] =
    "SELECT " MR_SESSION_COLUMNS " FROM upload_sessions s WHERE s.state = 'open' AND "
    "((s.s3_upload_id <> '' AND s.expires_at <= now()) OR "
    "(s.s3_upload_id = '' AND s.created_at < now() - $1 * interval '1 millisecond')) LIMIT $2";

static const char unclean_sql[] = "SELECT " MR_SESSION_COLUMNS " FROM upload_sessions s "
                                  "WHERE s.state IN ('aborted', 'expired') AND s.s3_upload_id <> '' "
                                  "AND s.touched_at < now() - $1 * interval '1 millisecond' LIMIT $2";

static const char forget_sql[] = "DELETE FROM upload_sessions WHERE state IN ('aborted', 'expired') "
                                 "AND s3_upload_id = '' AND touched_at < now() - $1 * interval '1 second'";

static enum mr_status forget(struct mr_db *db, struct mr_error *err)
{
    struct mr_db_args args;
    mr_db_args_init(&args);
    mr_db_arg_i64(&args, MR_UPLOAD_ABANDONED_S);
    return mr_db_query(db, forget_sql, &args, NULL, err);
}

static enum mr_status sweep(const struct mr_upload *up, struct mr_db *db, struct mr_error *err)
{
    if (each(up, db, leases_sql, 0, take_over, err) != MR_OK ||
        each(up, db, idle_sql, up->cfg->sweep_idle, complete_whole, err) != MR_OK ||
        each(up, db, overdue_sql, up->cfg->upload_lease, expire, err) != MR_OK ||
        each(up, db, unclean_sql, up->cfg->sweep_interval, clean, err) != MR_OK ||
        mr_idempotency_sweep(up, db, err) != MR_OK)
        return MR_FAIL;
    return forget(db, err);
}

void *mr_sweep_run(void *ctx)
{
    const struct mr_upload *up = ctx;
    struct mr_error err;
    int64_t next_orphans = 0;
    while (!mr_stop_wait(up->cfg->sweep_interval)) {
        struct mr_db *db = mr_db_acquire(up->db, MR_UPLOAD_DB_WAIT_MS, &err);
        enum mr_status status = db ? sweep(up, db, &err) : MR_FAIL;
        if (status == MR_OK && mr_mono_ms() >= next_orphans) {
            status = mr_orphans_sweep(up, db, &err);
            next_orphans = mr_mono_ms() + up->cfg->upload_lease;
        }
        mr_db_release(&db);
        if (status != MR_OK)
            mr_log(MR_LOG_WARN, "the sweep has to wait", mr_log_str("error", err.text));
    }
    return NULL;
}
