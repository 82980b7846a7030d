#include <stdlib.h>
#include <string.h>

#include "account/account.h"
#include "api/handlers.h"

const struct mr_http_route mr_api_routes[] = {
    {"POST", "/register", mr_api_register, 0, NULL},
    {"POST", "/token", mr_api_token, MR_HTTP_FORM, NULL},
    {"GET", "/me", mr_api_me, MR_HTTP_AUTH, NULL},
    {"GET", "/files", mr_api_list, MR_HTTP_AUTH, "folder,deleted,cursor,limit"},
    {"GET", "/files/{file_id}", mr_api_file, MR_HTTP_AUTH, NULL},
    {"GET", "/files/{file_id}/versions", mr_api_versions, MR_HTTP_AUTH, "cursor,limit"},
    {"GET", "/files/{file_id}/stages", mr_api_stages, MR_HTTP_AUTH, "version"},
    {"GET", "/files/{file_id}/presigned-url", mr_api_presigned_url, MR_HTTP_AUTH, "version"},
    /* the same under the names that the seeds of the design gave them */
    {"GET", "/download-url", mr_api_presigned_url, MR_HTTP_AUTH, "file_id,version"},
    {"GET", "/file", mr_api_list, MR_HTTP_AUTH, "folder,deleted,cursor,limit"},
    {"GET", "/file/{file_id}", mr_api_file, MR_HTTP_AUTH, NULL},
    {"GET", "/download/{file_id}", mr_api_download, MR_HTTP_AUTH, "version"},
    {"GET", "/api/v1/download", mr_api_download, MR_HTTP_AUTH, "file_id,version"},
};
const size_t mr_api_n_routes = sizeof(mr_api_routes) / sizeof(mr_api_routes[0]);

struct mr_db *mr_api_db(struct mr_api *api, const char *doing, struct mr_http_reply *rp)
{
    struct mr_error err = {0};
    struct mr_db *db = mr_db_acquire(api->db, MR_API_DB_WAIT_MS, &err);
    if (!db)
        mr_http_problem_of(rp, doing, &err);
    return db;
}

bool mr_api_enabled(struct mr_db *db, struct mr_uuid caller, const char *doing, struct mr_http_reply *rp)
{
    bool enabled = false;
    struct mr_error err = {0};
    if (mr_account_enabled(db, caller, &enabled, &err) != MR_OK)
        mr_http_problem_of(rp, doing, &err);
    else if (!enabled)
        mr_http_problem_disabled(rp);
    return enabled;
}

static bool number(const struct mr_http_request *rq, struct mr_http_reply *rp, const char *name, int64_t high,
                   int64_t *out)
{
    const char *text = mr_http_query(rq, name);
    if (!text)
        return true;
    size_t len = strlen(text);
    int64_t n = len > 0 && len <= 18 && strspn(text, "0123456789") == len ? strtoll(text, NULL, 10) : 0;
    if (n >= 1 && n <= high) {
        *out = n;
        return true;
    }
    mr_http_problem(rp, 400, "invalid-request",
                    "the query parameter \"%s\" must be a whole number from 1 to %lld", name,
                    (long long)high);
    return false;
}

bool mr_api_limit(const struct mr_http_request *rq, struct mr_http_reply *rp, int64_t *limit)
{
    *limit = 100;
    return number(rq, rp, "limit", 1000, limit);
}

bool mr_api_version(const struct mr_http_request *rq, struct mr_http_reply *rp, int64_t *version)
{
    *version = 0;
    return number(rq, rp, "version", 999999999999999999, version);
}
