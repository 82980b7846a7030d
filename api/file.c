/* GET /files/{id}, its versions and its stages. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "api/cursor.h"
#include "api/file_row.h"
#include "api/handlers.h"

static const char *file_id_of(const struct mr_http_request *rq)
{
    return mr_http_path_param(rq, "file_id");
}

/* If-None-Match (RFC 9110, 13.1.2): "*" or a list of tags, compared weakly. */
static bool matches_tag(const char *header, const char *tag)
{
    size_t len = strlen(tag);
    if (header && strcmp(header, "*") == 0)
        return true;
    for (const char *p = header; p && *p; p += strspn(p, ", \t")) {
        if (strncmp(p, "W/", 2) == 0)
            p += 2;
        size_t n = strcspn(p, ",");
        while (n > 0 && (p[n - 1] == ' ' || p[n - 1] == '\t'))
            n--;
        if (n == len && memcmp(p, tag, n) == 0)
            return true;
        p += strcspn(p, ",");
    }
    return false;
}

void mr_api_file(void *ctx, struct mr_http_request *rq, struct mr_http_reply *rp)
{
    char tag[32];
    struct mr_db *db = mr_api_db(ctx, "reading the file", rp);
    if (!db)
        return;
    PGresult *file = mr_api_file_read(db, mr_http_user(rq), file_id_of(rq), rp);
    mr_db_release(&db);
    if (!file)
        return;
    snprintf(tag, sizeof(tag), "\"%" PRId64 "\"", mr_db_i64(file, 0, MR_FILE_CHANGE_SEQ));
    if (matches_tag(mr_http_header(rq, "If-None-Match"), tag))
        mr_http_reply_empty(rp, 304);
    else
        mr_http_reply_json(rp, 200, mr_api_file_json(file, 0, 0));
    mr_http_reply_header(rp, "ETag", tag);
    mr_http_reply_header(rp, "Cache-Control", "private, no-cache");
    PQclear(file);
}

static bool read_version_cursor(const struct mr_http_request *rq, struct mr_http_reply *rp, int64_t *below)
{
    char position[MR_CURSOR_MAX + 1];
    const char *cursor = mr_http_query(rq, "cursor");
    *below = INT64_MAX;
    if (!cursor)
        return true;
    if (mr_cursor_read(cursor, 'v', position) && position[0] && strlen(position) <= 18 &&
        strspn(position, "0123456789") == strlen(position)) {
        *below = strtoll(position, NULL, 10);
        return true;
    }
    mr_http_problem(rp, 400, "invalid-request", "the query parameter \"cursor\" is not one of this list");
    return false;
}

static enum mr_status query_versions(struct mr_db *db, struct mr_uuid file_id, int64_t below, int64_t limit,
                                     PGresult **res, struct mr_error *err)
{
    struct mr_db_args args;
    mr_db_args_init(&args);
    mr_db_arg_uuid(&args, file_id);
    mr_db_arg_i64(&args, below);
    mr_db_arg_i64(&args, limit + 1);
    return mr_db_query(db,
                       "select version, size, content_type, content_hash, created_at from file_versions"
                       " where file_id = $1 and version < $2 order by version desc limit $3",
                       &args, res, err);
}

static json_t *versions_json(const PGresult *res, int64_t limit)
{
    json_t *versions = json_array(), *next = NULL;
    int n = PQntuples(res), shown = n > limit ? (int)limit : n;
    for (int i = 0; i < shown; i++)
        json_array_append_new(
            versions,
            json_pack("{s:I, s:I, s:s, s:o, s:o}", "version", (json_int_t)mr_db_i64(res, i, 0), "size",
                      (json_int_t)mr_db_i64(res, i, 1), "content_type", mr_db_text(res, i, 2), "content_hash",
                      mr_api_hash_json(res, i, 3), "created_at", mr_api_time_json(res, i, 4)));
    if (n > shown) {
        char position[24];
        snprintf(position, sizeof(position), "%" PRId64, mr_db_i64(res, shown - 1, 0));
        next = mr_cursor_json('v', position);
    }
    return json_pack("{s:o, s:o}", "versions", versions, "next_cursor", next ? next : json_null());
}

void mr_api_versions(void *ctx, struct mr_http_request *rq, struct mr_http_reply *rp)
{
    int64_t limit, below;
    struct mr_error err = {0};
    PGresult *res = NULL;
    if (!mr_api_limit(rq, rp, &limit) || !read_version_cursor(rq, rp, &below))
        return;
    struct mr_db *db = mr_api_db(ctx, "reading the versions", rp);
    if (!db)
        return;
    PGresult *file = mr_api_file_read(db, mr_http_user(rq), file_id_of(rq), rp);
    if (file && query_versions(db, mr_db_uuid(file, 0, MR_FILE_ID), below, limit, &res, &err) == MR_OK)
        mr_http_reply_json(rp, 200, versions_json(res, limit));
    else if (file)
        mr_http_problem_of(rp, "reading the versions", &err);
    PQclear(res);
    PQclear(file);
    mr_db_release(&db);
}

/* Stages that every version goes through; one without a report is PENDING. */
static const char *const stages_of_all[] = {"SCAN", "SEARCH", "THUMBNAIL"};

static json_t *pending_json(const char *stage, int64_t version)
{
    return json_pack("{s:s, s:I, s:s, s:n, s:i, s:n, s:n, s:n}", "stage", stage, "version",
                     (json_int_t)version, "outcome", "PENDING", "verdict", "attempt", 0, "reason",
                     "next_retry_at", "updated_at");
}

static json_t *stages_json(const PGresult *res, int64_t version)
{
    enum { N = sizeof(stages_of_all) / sizeof(stages_of_all[0]) };
    bool seen[N] = {false};
    json_t *stages = json_array();
    for (int i = 0; i < PQntuples(res); i++) {
        for (size_t j = 0; j < N; j++)
            seen[j] = seen[j] || strcmp(mr_db_text(res, i, 0), stages_of_all[j]) == 0;
        json_array_append_new(
            stages, json_pack("{s:s, s:I, s:s, s:o, s:I, s:o, s:o, s:o}", "stage", mr_db_text(res, i, 0),
                              "version", (json_int_t)version, "outcome", mr_db_text(res, i, 1), "verdict",
                              mr_api_text_json(res, i, 2), "attempt", (json_int_t)mr_db_i64(res, i, 3),
                              "reason", mr_api_text_json(res, i, 4), "next_retry_at",
                              mr_api_time_json(res, i, 5), "updated_at", mr_api_time_json(res, i, 6)));
    }
    for (size_t j = 0; j < N; j++) {
        if (!seen[j])
            json_array_append_new(stages, pending_json(stages_of_all[j], version));
    }
    return json_pack("{s:o}", "stages", stages);
}

static enum mr_status query_stages(struct mr_db *db, struct mr_uuid file_id, int64_t version, PGresult **res,
                                   struct mr_error *err)
{
    struct mr_db_args args;
    mr_db_args_init(&args);
    mr_db_arg_uuid(&args, file_id);
    mr_db_arg_i64(&args, version);
    return mr_db_query(db,
                       "select stage, outcome, verdict, attempt, reason, next_retry_at, updated_at"
                       " from file_stages where file_id = $1 and version = $2 order by stage",
                       &args, res, err);
}

void mr_api_stages(void *ctx, struct mr_http_request *rq, struct mr_http_reply *rp)
{
    int64_t version;
    struct mr_error err = {0};
    PGresult *res = NULL;
    if (!mr_api_version(rq, rp, &version))
        return;
    struct mr_db *db = mr_api_db(ctx, "reading the stages", rp);
    if (!db)
        return;
    PGresult *file = mr_api_file_read(db, mr_http_user(rq), file_id_of(rq), rp);
    int64_t current = file ? mr_db_i64(file, 0, MR_FILE_VERSION) : 0;
    version = version ? version : current;
    if (file && version > current)
        mr_http_problem(rp, 404, "no-such-version", "the file has no version %" PRId64, version);
    else if (file && query_stages(db, mr_db_uuid(file, 0, MR_FILE_ID), version, &res, &err) == MR_OK)
        mr_http_reply_json(rp, 200, stages_json(res, version));
    else if (file)
        mr_http_problem_of(rp, "reading the stages", &err);
    PQclear(res);
    PQclear(file);
    mr_db_release(&db);
}
