#include "workers/metadata/apply.h"

#include <stdlib.h>

#include "base/crash.h"
#include "base/log.h"
#include "metrics/metrics.h"
#include "workers/metadata/batch.h"
#include "workers/metadata/rows.h"
#include "workers/metadata/statements.h"

#define TRIES 5 /* of a transaction that the database itself asks to do again */

/* One transaction under way. */
struct work {
    struct mr_db *db;
    const struct mr_metadata_rules *rules;
    struct mr_metadata_batch batch;
    bool exclusive; /* holds the inserts lock alone */
    bool again;     /* it turned out that it must */
    int64_t versions, files, stages;
    struct mr_error *err;
};

static enum mr_status query_ids(struct work *w, const char *sql, const struct mr_uuid *ids, size_t n,
                                PGresult **res)
{
    struct mr_db_array array;
    struct mr_db_args args;
    enum mr_status status = mr_rows_ids(&array, ids, n, w->err);
    mr_db_args_init(&args);
    mr_db_arg_of_array(&args, &array);
    if (status == MR_OK)
        status = mr_db_query(w->db, sql, &args, res, w->err);
    mr_db_array_free(&array);
    return status;
}

/* Which files are purged; only asked when some have no row. */
static enum mr_status read_purged(struct work *w)
{
    PGresult *res = NULL;
    if (query_ids(w, MR_SQL_PURGED, w->batch.locked, w->batch.n_locked, &res) != MR_OK)
        return MR_FAIL;
    for (int i = 0; i < PQntuples(res); i++) {
        struct mr_uuid id = mr_db_uuid(res, i, 0);
        struct mr_metadata_file *file = mr_metadata_batch_file(&w->batch, id);
        w->batch.purged[w->batch.n_purged++] = id;
        if (file)
            file->skip = true;
    }
    qsort(w->batch.purged, w->batch.n_purged, sizeof(*w->batch.purged), mr_metadata_uuid_order);
    PQclear(res);
    return MR_OK;
}

/* Locks the rows of `files` in the order of file_id and learns what they hold. */
static enum mr_status lock_files(struct work *w)
{
    struct mr_metadata_batch *b = &w->batch;
    PGresult *res = NULL;
    if (b->n_locked == 0)
        return MR_OK;
    if (query_ids(w, MR_SQL_LOCK, b->locked, b->n_locked, &res) != MR_OK)
        return MR_FAIL;
    size_t found = (size_t)PQntuples(res), found_uploads = 0;
    for (int i = 0; i < PQntuples(res); i++) {
        struct mr_metadata_file *file = mr_metadata_batch_file(b, mr_db_uuid(res, i, 0));
        if (!file)
            continue;
        found_uploads++;
        file->skip =
            file->newest->version <= mr_db_i64(res, i, 1) || file->newest->version <= mr_db_i64(res, i, 2);
    }
    PQclear(res);
    size_t reported_only = b->n_locked - b->n_files;
    if (reported_only > found - found_uploads && !w->exclusive) {
        w->again = true;
        return mr_error_set(w->err, MR_CLASS_RETRY, 0, "a verdict came before its file's row");
    }
    return found < b->n_locked ? read_purged(w) : MR_OK;
}

static enum mr_status apply_stages(struct work *w)
{
    struct mr_metadata_batch *b = &w->batch;
    struct mr_rows reports, verdicts;
    enum mr_status status = MR_OK;
    if (b->n_stages == 0)
        return MR_OK;
    mr_rows_init(&reports, mr_stage_row_types, mr_stage_row_columns);
    mr_rows_init(&verdicts, mr_verdict_row_types, mr_verdict_row_columns);
    for (size_t i = 0; i < b->n_stages && status == MR_OK; i++) {
        const struct mr_file_processed *p = &b->stages[i]->processed;
        if (mr_metadata_batch_purged(b, p->file_id))
            continue;
        status = mr_stage_row(&reports, p, w->err);
        if (status == MR_OK && p->verdict.p)
            status = mr_verdict_row(&verdicts, p, w->err);
    }
    if (status == MR_OK)
        status = mr_rows_run(&reports, w->db, MR_SQL_STAGES, NULL, &w->stages, w->err);
    if (status == MR_OK && b->has_verdict)
        status = mr_rows_run(&verdicts, w->db, MR_SQL_VERDICTS, NULL, NULL, w->err);
    mr_rows_free(&reports);
    mr_rows_free(&verdicts);
    return status;
}

static enum mr_status apply_versions(struct work *w)
{
    struct mr_rows rows;
    enum mr_status status = MR_OK;
    if (w->batch.n_uploads == 0)
        return MR_OK;
    mr_rows_init(&rows, mr_version_row_types, mr_version_row_columns);
    for (size_t i = 0; i < w->batch.n_uploads && status == MR_OK; i++) {
        if (!mr_metadata_batch_purged(&w->batch, w->batch.uploads[i]->file_id))
            status = mr_version_row(&rows, &w->batch.uploads[i]->uploaded, w->err);
    }
    if (status == MR_OK)
        status = mr_rows_run(&rows, w->db, MR_SQL_VERSIONS, NULL, &w->versions, w->err);
    mr_rows_free(&rows);
    return status;
}

static enum mr_status apply_files(struct work *w)
{
    struct mr_rows rows;
    enum mr_status status = MR_OK;
    size_t n = 0;
    mr_rows_init(&rows, mr_file_row_types, mr_file_row_columns);
    for (size_t i = 0; i < w->batch.n_files && status == MR_OK; i++) {
        const struct mr_metadata_file *f = &w->batch.files[i];
        if (f->skip)
            continue;
        status = mr_file_row(&rows, f->newest, f->created_at_us, w->err);
        n++;
    }
    if (status == MR_OK && n > 0)
        status = mr_rows_run(&rows, w->db, MR_SQL_FILES, &w->rules->scan_required, &w->files, w->err);
    mr_rows_free(&rows);
    return status;
}

static enum mr_status apply_scans(struct work *w)
{
    PGresult *res = NULL;
    if (!w->batch.has_scan)
        return MR_OK;
    if (query_ids(w, MR_SQL_SCANNED, w->batch.locked, w->batch.n_locked, &res) != MR_OK)
        return MR_FAIL;
    w->files += strtoll(PQcmdTuples(res), NULL, 10);
    PQclear(res);
    return MR_OK;
}

static enum mr_status transaction(struct work *w)
{
    mr_crash_point("metadata.before-begin");
    if (mr_db_exec(w->db, w->exclusive ? MR_SQL_BEGIN_EXCLUSIVE : MR_SQL_BEGIN_SHARED, w->err) != MR_OK)
        return MR_FAIL;
    if (lock_files(w) != MR_OK)
        return MR_FAIL;
    mr_crash_point("metadata.after-lock");
    /* Stages first: what `files` gets depends on them. */
    if (apply_stages(w) != MR_OK || apply_versions(w) != MR_OK || apply_files(w) != MR_OK ||
        apply_scans(w) != MR_OK)
        return MR_FAIL;
    mr_crash_point("metadata.before-commit");
    if (mr_db_commit(w->db, w->err) != MR_OK)
        return MR_FAIL;
    mr_crash_point("metadata.after-commit");
    return MR_OK;
}

static bool asked_to_do_again(const struct mr_error *err)
{
    return err->code == mr_sqlstate("40001") || err->code == mr_sqlstate("40P01");
}

static void count(const struct work *w)
{
    mr_metric_add(MR_M_metadata_rows, "file_versions", w->versions);
    mr_metric_add(MR_M_metadata_rows, "files", w->files);
    mr_metric_add(MR_M_metadata_rows, "file_stages", w->stages);
}

static enum mr_status attempt(struct work *w, struct mr_metadata_item *const *items, size_t n)
{
    w->again = false;
    w->versions = w->files = w->stages = 0;
    if (mr_metadata_batch_make(&w->batch, items, n, w->err) != MR_OK)
        return MR_FAIL;
    enum mr_status status = transaction(w);
    if (status != MR_OK)
        mr_db_rollback(w->db);
    mr_metadata_batch_free(&w->batch);
    return status;
}

enum mr_status mr_metadata_apply(struct mr_db *db, const struct mr_metadata_rules *rules,
                                 struct mr_metadata_item *const *items, size_t n, struct mr_error *err)
{
    struct mr_error own;
    struct work w = {.db = db, .rules = rules, .err = err ? err : &own};
    enum mr_status status;
    int tries = 0;
    do {
        w.exclusive |= w.again;
        status = attempt(&w, items, n);
    } while (status != MR_OK && (w.again || (asked_to_do_again(w.err) && ++tries < TRIES)));
    if (status == MR_OK)
        count(&w);
    return status;
}
