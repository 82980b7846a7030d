#include "producer/orphans.h"

#include <string.h>

#include "base/clock.h"
#include "base/crash.h"
#include "base/log.h"
#include "base/stop.h"
#include "producer/session.h"

#define PROBE_PREFIX "probe/"

struct orphans {
    const struct mr_upload *up;
    struct mr_db *db;
    int64_t before_us;
    enum mr_status status;
    struct mr_error *err;
};

/* A session in any state from which it still ends by itself. */
static enum mr_status has_session(struct orphans *o, struct mr_uuid id, const char *upload_id, bool *has)
{
    struct mr_db_args args;
    PGresult *r = NULL;
    mr_db_args_init(&args);
    mr_db_arg_uuid(&args, id);
    mr_db_arg_text(&args, upload_id);
    if (mr_db_query(o->db,
                    "SELECT FROM upload_sessions WHERE upload_id = $1 AND s3_upload_id = $2 "
                    "AND state IN ('open', 'completing')",
                    &args, &r, o->err) != MR_OK)
        return MR_FAIL;
    *has = PQntuples(r) > 0;
    PQclear(r);
    return MR_OK;
}

static bool look(void *ctx, const char *key, const char *upload_id, int64_t initiated_us)
{
    struct orphans *o = ctx;
    struct mr_uuid id;
    bool has = false;
    bool is_session = mr_session_of_key(key, &id);
    bool is_probe = strncmp(key, PROBE_PREFIX, strlen(PROBE_PREFIX)) == 0;
    if ((!is_session && !is_probe) || initiated_us >= o->before_us)
        return !mr_stop_requested();
    if (is_session)
        o->status = has_session(o, id, upload_id, &has);
    if (o->status == MR_OK && !has) {
        mr_crash_point("upload.sweep.before-orphan");
        mr_log(MR_LOG_INFO, "aborting an upload that no session names", mr_log_str("key", key));
        o->status = mr_store_abort_upload(o->up->store, key, upload_id, o->err);
        mr_crash_point("upload.sweep.after-orphan");
    }
    return o->status == MR_OK && !mr_stop_requested();
}

enum mr_status mr_orphans_sweep(const struct mr_upload *up, struct mr_db *db, struct mr_error *err)
{
    struct orphans o = {up, db, mr_wall_us() - up->cfg->upload_lease * 1000, MR_OK, err};
    enum mr_status status = mr_store_list_uploads(up->store, "", look, &o, err);
    return status == MR_OK ? o.status : status;
}
