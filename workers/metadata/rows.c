#include "workers/metadata/rows.h"

#include <stdlib.h>

#include "db/oid.h"

#define COLUMN_MAX_BYTES ((size_t)64 << 20) /* a record has at most 1 MiB, so one always fits */

void mr_rows_init(struct mr_rows *rows, const Oid *types, int n)
{
    rows->n_columns = n;
    for (int i = 0; i < n; i++)
        mr_db_array_init(&rows->column[i], types[i], COLUMN_MAX_BYTES);
}

void mr_rows_free(struct mr_rows *rows)
{
    for (int i = 0; i < rows->n_columns; i++)
        mr_db_array_free(&rows->column[i]);
    rows->n_columns = 0;
}

enum mr_status mr_rows_run(struct mr_rows *rows, struct mr_db *db, const char *sql, const bool *flag,
                           int64_t *affected, struct mr_error *err)
{
    struct mr_db_args args;
    PGresult *res = NULL;
    mr_db_args_init(&args);
    for (int i = 0; i < rows->n_columns; i++)
        mr_db_arg_of_array(&args, &rows->column[i]);
    if (flag)
        mr_db_arg_bool(&args, *flag);
    if (mr_db_query(db, sql, &args, &res, err) != MR_OK)
        return MR_FAIL;
    if (affected)
        *affected = strtoll(PQcmdTuples(res), NULL, 10);
    PQclear(res);
    return MR_OK;
}

enum mr_status mr_rows_too_large(struct mr_error *err)
{
    return mr_error_set(err, MR_CLASS_REJECT, 0, "the batch does not fit into one statement");
}

enum mr_status mr_rows_ids(struct mr_db_array *a, const struct mr_uuid *ids, size_t n, struct mr_error *err)
{
    mr_db_array_init(a, MR_OID_UUID, COLUMN_MAX_BYTES);
    for (size_t i = 0; i < n; i++) {
        if (mr_db_array_uuid(a, ids[i]) != MR_OK)
            return mr_rows_too_large(err);
    }
    return MR_OK;
}

static enum mr_status time_or_null(struct mr_db_array *a, int64_t us)
{
    return us ? mr_db_array_time(a, us) : mr_db_array_null(a);
}

static enum mr_status span_or_null(struct mr_db_array *a, struct mr_span s)
{
    return s.p ? mr_db_array_span(a, s) : mr_db_array_null(a);
}

static struct mr_span hash_span(const uint8_t hash[MR_SHA256_SIZE])
{
    return (struct mr_span){(const char *)hash, MR_SHA256_SIZE};
}

/* file_id, version, event_id, user_id, s3_key, s3_etag, size, content_type, content_hash, created_at */
const Oid mr_version_row_types[] = {MR_OID_UUID, MR_OID_INT8, MR_OID_UUID, MR_OID_UUID,  MR_OID_TEXT,
                                    MR_OID_TEXT, MR_OID_INT8, MR_OID_TEXT, MR_OID_BYTEA, MR_OID_TIMESTAMPTZ};
const int mr_version_row_columns = sizeof(mr_version_row_types) / sizeof(mr_version_row_types[0]);

enum mr_status mr_version_row(struct mr_rows *rows, const struct mr_file_uploaded *e, struct mr_error *err)
{
    struct mr_db_array *c = rows->column;
    bool ok = mr_db_array_uuid(&c[0], e->file_id) == MR_OK && mr_db_array_i64(&c[1], e->version) == MR_OK &&
              mr_db_array_uuid(&c[2], e->event_id) == MR_OK && mr_db_array_uuid(&c[3], e->user_id) == MR_OK &&
              mr_db_array_span(&c[4], e->s3_key) == MR_OK && mr_db_array_span(&c[5], e->s3_etag) == MR_OK &&
              mr_db_array_i64(&c[6], e->size) == MR_OK && mr_db_array_span(&c[7], e->content_type) == MR_OK &&
              mr_db_array_span(&c[8], hash_span(e->content_hash)) == MR_OK &&
              mr_db_array_time(&c[9], e->occurred_at_us) == MR_OK;
    return ok ? MR_OK : mr_rows_too_large(err);
}

/* file_id, owner_id, path, size, content_type, content_hash, version, s3_key, created_at, updated_at */
const Oid mr_file_row_types[] = {MR_OID_UUID,        MR_OID_UUID,       MR_OID_TEXT, MR_OID_INT8,
                                 MR_OID_TEXT,        MR_OID_BYTEA,      MR_OID_INT8, MR_OID_TEXT,
                                 MR_OID_TIMESTAMPTZ, MR_OID_TIMESTAMPTZ};
const int mr_file_row_columns = sizeof(mr_file_row_types) / sizeof(mr_file_row_types[0]);

enum mr_status mr_file_row(struct mr_rows *rows, const struct mr_file_uploaded *e, int64_t created_at_us,
                           struct mr_error *err)
{
    struct mr_db_array *c = rows->column;
    bool ok = mr_db_array_uuid(&c[0], e->file_id) == MR_OK && mr_db_array_uuid(&c[1], e->owner_id) == MR_OK &&
              mr_db_array_span(&c[2], e->path) == MR_OK && mr_db_array_i64(&c[3], e->size) == MR_OK &&
              mr_db_array_span(&c[4], e->content_type) == MR_OK &&
              mr_db_array_span(&c[5], hash_span(e->content_hash)) == MR_OK &&
              mr_db_array_i64(&c[6], e->version) == MR_OK && mr_db_array_span(&c[7], e->s3_key) == MR_OK &&
              mr_db_array_time(&c[8], created_at_us) == MR_OK &&
              mr_db_array_time(&c[9], e->occurred_at_us) == MR_OK;
    return ok ? MR_OK : mr_rows_too_large(err);
}

/* file_id, version, stage, event_id, outcome, verdict, reason, engine, attempt, next_retry_at, started_at,
 * finished_at, attributes */
const Oid mr_stage_row_types[] = {MR_OID_UUID, MR_OID_INT8,        MR_OID_TEXT,        MR_OID_UUID,
                                  MR_OID_TEXT, MR_OID_TEXT,        MR_OID_TEXT,        MR_OID_TEXT,
                                  MR_OID_INT4, MR_OID_TIMESTAMPTZ, MR_OID_TIMESTAMPTZ, MR_OID_TIMESTAMPTZ,
                                  MR_OID_JSON};
const int mr_stage_row_columns = sizeof(mr_stage_row_types) / sizeof(mr_stage_row_types[0]);

static enum mr_status json_string(struct mr_buf *out, struct mr_span s)
{
    enum mr_status status = mr_buf_puts(out, "\"");
    for (size_t i = 0; i < s.len && status == MR_OK; i++) {
        unsigned char c = (unsigned char)s.p[i];
        if (c == '"' || c == '\\' || c < 0x20)
            status = mr_buf_printf(out, "\\u%04x", c);
        else
            status = mr_buf_add(out, &s.p[i], 1);
    }
    return status == MR_OK ? mr_buf_puts(out, "\"") : status;
}

static enum mr_status attributes(struct mr_db_array *column, const struct mr_file_processed *e)
{
    struct mr_buf json;
    mr_buf_init(&json, 6 * MR_EVENT_BYTES_MAX + 1024);
    enum mr_status status = mr_buf_puts(&json, "{");
    for (int i = 0; i < e->n_attributes && status == MR_OK; i++) {
        if (i > 0)
            status = mr_buf_puts(&json, ",");
        if (status == MR_OK)
            status = json_string(&json, e->attributes[i].name);
        if (status == MR_OK)
            status = mr_buf_puts(&json, ":");
        if (status == MR_OK)
            status = json_string(&json, e->attributes[i].value);
    }
    if (status == MR_OK)
        status = mr_buf_puts(&json, "}");
    if (status == MR_OK)
        status = mr_db_array_span(column, mr_buf_span(&json));
    mr_buf_free(&json);
    return status;
}

enum mr_status mr_stage_row(struct mr_rows *rows, const struct mr_file_processed *e, struct mr_error *err)
{
    struct mr_db_array *c = rows->column;
    bool ok = mr_db_array_uuid(&c[0], e->file_id) == MR_OK && mr_db_array_i64(&c[1], e->version) == MR_OK &&
              mr_db_array_span(&c[2], e->stage) == MR_OK && mr_db_array_uuid(&c[3], e->event_id) == MR_OK &&
              mr_db_array_span(&c[4], e->outcome) == MR_OK && span_or_null(&c[5], e->verdict) == MR_OK &&
              span_or_null(&c[6], e->reason) == MR_OK && span_or_null(&c[7], e->engine) == MR_OK &&
              mr_db_array_i32(&c[8], e->attempt) == MR_OK &&
              time_or_null(&c[9], e->next_retry_at_us) == MR_OK &&
              mr_db_array_time(&c[10], e->started_at_us) == MR_OK &&
              time_or_null(&c[11], e->finished_at_us) == MR_OK && attributes(&c[12], e) == MR_OK;
    return ok ? MR_OK : mr_rows_too_large(err);
}

/* file_id, version, stage, verdict, verdict_at */
const Oid mr_verdict_row_types[] = {MR_OID_UUID, MR_OID_INT8, MR_OID_TEXT, MR_OID_TEXT, MR_OID_TIMESTAMPTZ};
const int mr_verdict_row_columns = sizeof(mr_verdict_row_types) / sizeof(mr_verdict_row_types[0]);

enum mr_status mr_verdict_row(struct mr_rows *rows, const struct mr_file_processed *e, struct mr_error *err)
{
    struct mr_db_array *c = rows->column;
    bool ok = mr_db_array_uuid(&c[0], e->file_id) == MR_OK && mr_db_array_i64(&c[1], e->version) == MR_OK &&
              mr_db_array_span(&c[2], e->stage) == MR_OK && mr_db_array_span(&c[3], e->verdict) == MR_OK &&
              mr_db_array_time(&c[4], mr_metadata_reported_us(e)) == MR_OK;
    return ok ? MR_OK : mr_rows_too_large(err);
}
