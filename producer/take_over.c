#include "base/crash.h"
#include "base/log.h"
#include "producer/assemble.h"
#include "producer/end.h"
#include "producer/sweep.h"

/* A running lease says only that its holder may be alive. Two that work on one session do not disturb each
 * other (assemble.h). */
static enum mr_status lease_running(struct mr_db *db, struct mr_uuid upload_id, int64_t lease_ms,
                                    bool *leased, struct mr_session *s, struct mr_error *err)
{
    struct mr_db_args args;
    PGresult *r = NULL;
    mr_db_args_init(&args);
    mr_db_arg_uuid(&args, upload_id);
    mr_db_arg_i64(&args, lease_ms);
    if (mr_db_query(db,
                    "UPDATE upload_sessions s SET lease_until = now() + $2 * interval '1 millisecond', "
                    "lease_id = gen_random_uuid() "
                    "WHERE s.upload_id = $1 AND s.state = 'completing' RETURNING " MR_SESSION_COLUMNS,
                    &args, &r, err) != MR_OK)
        return MR_FAIL;
    *leased = PQntuples(r) == 1;
    if (*leased)
        mr_session_read(r, 0, s);
    PQclear(r);
    return MR_OK;
}

/* What no further try can change: it ends once its time is over, so that its path is free again. */
static enum mr_status refused(const struct mr_upload *up, struct mr_db *db, const struct mr_session *s,
                              struct mr_error *err)
{
    bool ended = false;
    struct mr_error why = *err;
    bool is_ours = why.class == MR_CLASS_REJECT && why.code == 0; /* not an answer of a server */
    if (!is_ours || !s->overdue)
        return MR_FAIL;
    if (mr_session_end(up, db, s, MR_END_REFUSED, &ended, err) != MR_OK)
        return MR_FAIL;
    if (ended)
        mr_log(MR_LOG_ERROR, "an upload could never be completed, it has expired",
               mr_log_str("key", s->s3_key), mr_log_str("error", why.text));
    return MR_OK;
}

static enum mr_status finish(const struct mr_upload *up, struct mr_db *db, const struct mr_session *s,
                             struct mr_error *err)
{
    struct mr_assembly a;
    bool ended = false;
    mr_assembly_init(&a);
    enum mr_status status = mr_assemble(up, db, s, false, NULL, &a, err);
    if (status == MR_OK && a.result == MR_ASSEMBLE_GONE)
        status = mr_session_end(up, db, s, MR_END_GONE, &ended, err);
    if (status == MR_OK && a.result == MR_ASSEMBLED)
        mr_log(MR_LOG_INFO, "an upload was completed for its client", mr_log_str("key", s->s3_key));
    mr_assembly_free(&a);
    return status == MR_OK ? MR_OK : refused(up, db, s, err);
}

enum mr_status mr_take_over(const struct mr_upload *up, struct mr_db *db, struct mr_uuid upload_id, bool hold,
                            struct mr_error *err)
{
    static const struct mr_uuid anyone;
    struct mr_session s;
    bool leased = false;
    mr_crash_point("upload.sweep.before-take-over");
    enum mr_status status =
        hold ? lease_running(db, upload_id, up->cfg->upload_lease, &leased, &s, err)
             : mr_session_lease(db, upload_id, anyone, up->cfg->upload_lease, &leased, &s, err);
    if (status != MR_OK || !leased)
        return status;
    mr_crash_point("upload.sweep.after-take-over");
    return finish(up, db, &s, err);
}
