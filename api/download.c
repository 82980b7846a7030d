/* Downloads: a URL of the object store, signed for a short time. */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "api/file_row.h"
#include "api/handlers.h"
#include "base/clock.h"

#define DOING   "making a download URL"
#define URL_MAX 8192

/* Types that a browser shows without running anything in them; everything else goes out as bytes. */
static const char *const plain_types[] = {"image/png",  "image/jpeg",      "image/gif",
                                          "image/webp", "image/avif",      "text/plain",
                                          "text/csv",   "application/pdf", "application/zip"};

static const char *served_type(const char *type)
{
    if (strncmp(type, "video/", 6) == 0 || strncmp(type, "audio/", 6) == 0)
        return type;
    for (size_t i = 0; i < sizeof(plain_types) / sizeof(plain_types[0]); i++) {
        if (strcmp(type, plain_types[i]) == 0)
            return type;
    }
    return "application/octet-stream";
}

/* The version's object, type and scan. */
static PGresult *query_version(struct mr_db *db, const PGresult *file, int64_t version,
                               struct mr_http_reply *rp)
{
    struct mr_error err = {0};
    struct mr_db_args args;
    PGresult *res = NULL;
    mr_db_args_init(&args);
    mr_db_arg_uuid(&args, mr_db_uuid(file, 0, MR_FILE_ID));
    mr_db_arg_i64(&args, version);
    if (mr_db_query(db,
                    "select v.s3_key, v.content_type, s.outcome, s.verdict, s.reason, s.attempt, s.updated_at"
                    " from file_versions v left join file_stages s"
                    "   on s.file_id = v.file_id and s.version = v.version and s.stage = 'SCAN'"
                    " where v.file_id = $1 and v.version = $2",
                    &args, &res, &err) != MR_OK) {
        mr_http_problem_of(rp, DOING, &err);
        return NULL;
    }
    if (PQntuples(res) == 1)
        return res;
    PQclear(res);
    mr_http_problem(rp, 404, "no-such-version", "the file has no version %" PRId64, version);
    return NULL;
}
enum { V_KEY, V_TYPE, V_OUTCOME, V_VERDICT, V_REASON, V_ATTEMPT, V_UPDATED };

static void locked(const PGresult *res, int64_t version, const char *slug, const char *why,
                   struct mr_http_reply *rp)
{
    bool reported = !mr_db_null(res, 0, V_OUTCOME);
    mr_http_problem(rp, 423, slug, "%s", why);
    mr_http_problem_member(rp, "stage",
                           json_pack("{s:s, s:I, s:s, s:o, s:I, s:o, s:n, s:o}", "stage", "SCAN", "version",
                                     (json_int_t)version, "outcome",
                                     reported ? mr_db_text(res, 0, V_OUTCOME) : "PENDING", "verdict",
                                     mr_api_text_json(res, 0, V_VERDICT), "attempt",
                                     (json_int_t)(reported ? mr_db_i64(res, 0, V_ATTEMPT) : 0), "reason",
                                     mr_api_text_json(res, 0, V_REASON), "next_retry_at", "updated_at",
                                     mr_api_time_json(res, 0, V_UPDATED)));
}

/* What owners get of their own files is `download.owner`; the stage is shown with a refusal. */
static bool may_download(const struct mr_api *api, const PGresult *file, const PGresult *res, int64_t version,
                         struct mr_http_reply *rp)
{
    bool current = version == mr_db_i64(file, 0, MR_FILE_VERSION);
    /* The verdict of the current version is in `files` too, where a release by an operator is seen first. */
    const char *verdict = current ? mr_db_text(file, 0, MR_FILE_VERDICT) : mr_db_text(res, 0, V_VERDICT);
    bool quarantined = current && strcmp(mr_db_text(file, 0, MR_FILE_STATUS), "QUARANTINED") == 0;
    if (quarantined || strcmp(verdict, "INFECTED") == 0)
        locked(res, version, "quarantined", "a virus was found in this version", rp);
    else if (strcmp(api->cfg->download_owner, "clean") == 0 && strcmp(verdict, "CLEAN") != 0)
        locked(res, version, "not-clean", "this version has not been found clean", rp);
    else
        return true;
    return false;
}

/* A URL in *url, or false and the reply says why not. */
static bool sign(struct mr_api *api, const PGresult *file, const PGresult *res, struct mr_buf *url,
                 struct mr_http_reply *rp)
{
    struct mr_error err = {0};
    const char *name = strrchr(mr_db_text(file, 0, MR_FILE_PATH), '/');
    if (mr_store_presign_get(api->store, mr_db_text(res, 0, V_KEY), name ? name + 1 : "file",
                             served_type(mr_db_text(res, 0, V_TYPE)), api->cfg->url_get_ttl, url,
                             &err) == MR_OK)
        return true;
    mr_http_problem_of(rp, DOING, &err);
    return false;
}

static bool make_url(struct mr_api *api, struct mr_http_request *rq, struct mr_http_reply *rp,
                     struct mr_buf *url)
{
    int64_t version;
    const char *id = mr_http_path_param(rq, "file_id");
    if (!id[0])
        id = mr_http_query(rq, "file_id");
    if (!id) {
        mr_http_problem(rp, 400, "invalid-request", "the query parameter \"file_id\" is missing");
        return false;
    }
    if (!mr_api_version(rq, rp, &version))
        return false;
    struct mr_db *db = mr_api_db(api, DOING, rp);
    if (!db)
        return false;
    PGresult *file = mr_api_file_read(db, mr_http_user(rq), id, rp), *res = NULL;
    if (file && !mr_db_null(file, 0, MR_FILE_DELETED)) {
        mr_http_problem(rp, 404, "deleted", "the file is deleted");
    } else if (file) {
        version = version ? version : mr_db_i64(file, 0, MR_FILE_VERSION);
        res = query_version(db, file, version, rp);
    }
    mr_db_release(&db);
    bool made = res && may_download(api, file, res, version, rp) && sign(api, file, res, url, rp);
    PQclear(res);
    PQclear(file);
    return made;
}

void mr_api_presigned_url(void *ctx, struct mr_http_request *rq, struct mr_http_reply *rp)
{
    struct mr_api *api = ctx;
    struct mr_buf url;
    char expires[MR_RFC3339_SIZE];
    int64_t now = mr_wall_us();
    now -= now % 1000000; /* signatures count whole seconds: the URL lives as long as it says, not less */
    mr_buf_init(&url, URL_MAX);
    if (make_url(api, rq, rp, &url))
        mr_http_reply_json(rp, 200,
                           json_pack("{s:s, s:s}", "url", url.data, "expires_at",
                                     mr_rfc3339(now + api->cfg->url_get_ttl * 1000, expires)));
    mr_buf_free(&url);
}

void mr_api_download(void *ctx, struct mr_http_request *rq, struct mr_http_reply *rp)
{
    struct mr_buf url;
    mr_buf_init(&url, URL_MAX);
    if (make_url(ctx, rq, rp, &url))
        mr_http_reply_redirect(rp, 302, url.data);
    mr_buf_free(&url);
}
