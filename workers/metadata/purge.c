#include "base/crash.h"
#include "base/log.h"
#include "metrics/metrics.h"
#include "workers/metadata/apply.h"
#include "workers/metadata/statements.h"

static enum mr_status run(struct mr_db *db, const char *sql, struct mr_uuid file_id, PGresult **res,
                          struct mr_error *err)
{
    struct mr_db_args args;
    mr_db_args_init(&args);
    mr_db_arg_uuid(&args, file_id);
    return mr_db_query(db, sql, &args, res, err);
}

/* Alone with the inserts lock, so that no batch brings back what is being forgotten. */
static enum mr_status purge(struct mr_db *db, struct mr_uuid file_id, bool *agreed, struct mr_error *err)
{
    PGresult *res = NULL;
    if (mr_db_exec(db, MR_SQL_BEGIN_EXCLUSIVE, err) != MR_OK ||
        run(db, "select version = 0 from files where file_id = $1 for no key update", file_id, &res, err) !=
            MR_OK)
        return MR_FAIL;
    bool has_row = PQntuples(res) > 0;
    *agreed = !has_row || mr_db_bool(res, 0, 0);
    PQclear(res);
    if (!*agreed)
        return mr_db_commit(db, err);
    if (run(db, "delete from file_versions where file_id = $1", file_id, NULL, err) != MR_OK ||
        run(db, "delete from file_stages where file_id = $1", file_id, NULL, err) != MR_OK)
        return MR_FAIL;
    /* A row that was never listed is a reservation: the next version of that file is to be taken. */
    if (!has_row && run(db, "insert into purged_files (file_id) values ($1) on conflict do nothing", file_id,
                        NULL, err) != MR_OK)
        return MR_FAIL;
    mr_crash_point("metadata.before-purge-commit");
    if (mr_db_commit(db, err) != MR_OK)
        return MR_FAIL;
    mr_crash_point("metadata.after-purge-commit");
    return MR_OK;
}

enum mr_status mr_metadata_purge(struct mr_db *db, struct mr_uuid file_id, struct mr_error *err)
{
    char id[MR_UUID_TEXT_SIZE];
    bool agreed = false;
    if (purge(db, file_id, &agreed, err) != MR_OK) {
        mr_db_rollback(db);
        return MR_FAIL;
    }
    mr_uuid_format(file_id, id);
    if (agreed)
        mr_log(MR_LOG_INFO, "purged", mr_log_str("file_id", id));
    else
        mr_log(MR_LOG_WARN, "purge ignored: the namespace has this file", mr_log_str("file_id", id));
    mr_metric_add(MR_M_metadata_ignored, agreed ? "purge-applied" : "purge-refused", 1);
    return MR_OK;
}
