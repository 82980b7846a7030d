#include "api/file_row.h"

#include <string.h>

#include "api/handlers.h"
#include "base/clock.h"
#include "base/digest.h"

json_t *mr_api_text_json(const PGresult *r, int row, int col)
{
    return mr_db_null(r, row, col) ? json_null() : json_string(mr_db_text(r, row, col));
}

json_t *mr_api_time_json(const PGresult *r, int row, int col)
{
    char text[MR_RFC3339_SIZE];
    return mr_db_null(r, row, col) ? json_null() : json_string(mr_rfc3339(mr_db_time(r, row, col), text));
}

json_t *mr_api_hash_json(const PGresult *r, int row, int col)
{
    char hex[MR_SHA256_HEX_SIZE];
    struct mr_span hash = mr_db_span(r, row, col);
    return hash.len == MR_SHA256_SIZE ? json_string(mr_hex(hash.p, hash.len, hex)) : json_null();
}

json_t *mr_api_file_json(const PGresult *r, int row, int first)
{
    char id[MR_UUID_TEXT_SIZE], owner[MR_UUID_TEXT_SIZE];
    return json_pack("{s:s, s:s, s:s, s:I, s:s, s:o, s:I, s:s, s:o, s:o, s:o, s:o}", "file_id",
                     mr_uuid_format(mr_db_uuid(r, row, first + MR_FILE_ID), id), "owner_id",
                     mr_uuid_format(mr_db_uuid(r, row, first + MR_FILE_OWNER), owner), "path",
                     mr_db_text(r, row, first + MR_FILE_PATH), "size",
                     (json_int_t)mr_db_i64(r, row, first + MR_FILE_SIZE), "content_type",
                     mr_db_text(r, row, first + MR_FILE_TYPE), "content_hash",
                     mr_api_hash_json(r, row, first + MR_FILE_HASH), "version",
                     (json_int_t)mr_db_i64(r, row, first + MR_FILE_VERSION), "status",
                     mr_db_text(r, row, first + MR_FILE_STATUS), "verdict",
                     mr_api_text_json(r, row, first + MR_FILE_VERDICT), "created_at",
                     mr_api_time_json(r, row, first + MR_FILE_CREATED), "updated_at",
                     mr_api_time_json(r, row, first + MR_FILE_UPDATED), "deleted_at",
                     mr_api_time_json(r, row, first + MR_FILE_DELETED));
}

static void not_found(struct mr_http_reply *rp)
{
    mr_http_problem(rp, 404, "not-found", "there is no such file");
}

PGresult *mr_api_file_read(struct mr_db *db, struct mr_uuid caller, const char *id, struct mr_http_reply *rp)
{
    struct mr_uuid file_id;
    struct mr_error err = {0};
    PGresult *res = NULL;
    if (!mr_uuid_parse(mr_span_of(id), &file_id)) {
        not_found(rp); /* what is no UUID names no file */
        return NULL;
    }
    struct mr_db_args args;
    mr_db_args_init(&args);
    mr_db_arg_uuid(&args, caller);
    mr_db_arg_uuid(&args, file_id);
    if (mr_db_query(db,
                    "select " MR_API_FILE_COLUMNS " from files f where f.file_id = $2 and " MR_API_MAY_READ
                    " and " MR_API_IS_THERE,
                    &args, &res, &err) != MR_OK) {
        mr_http_problem_of(rp, "reading the file", &err);
        return NULL;
    }
    if (PQntuples(res) == 1)
        return res;
    PQclear(res);
    if (mr_api_enabled(db, caller, "reading the file", rp))
        not_found(rp);
    return NULL;
}
