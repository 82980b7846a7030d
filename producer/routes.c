#include "account/account.h"
#include "producer/handlers.h"

#include "http/server.h"

const struct mr_http_route mr_upload_routes[] = {
    {"POST", "/upload/initiate", mr_handle_initiate, MR_HTTP_AUTH, NULL},
    {"POST", "/upload/init", mr_handle_initiate, MR_HTTP_AUTH, NULL},
    {"POST", "/api/v1/uploadRequest", mr_handle_initiate, MR_HTTP_AUTH, NULL},
    {"POST", "/s3presigned_url", mr_handle_initiate, MR_HTTP_AUTH, NULL},
    {"POST", "/files", mr_handle_initiate, MR_HTTP_AUTH, NULL},
    {"POST", "/file", mr_handle_initiate, MR_HTTP_AUTH, NULL},
    {"POST", "/upload/chunk", mr_handle_chunk, MR_HTTP_AUTH, NULL},
    {"POST", "/upload/complete", mr_handle_complete, MR_HTTP_AUTH | MR_HTTP_POLL, "wait"},
    {"GET", "/upload/{upload_id}", mr_handle_status, MR_HTTP_AUTH, NULL},
    {"DELETE", "/upload/{upload_id}", mr_handle_delete, MR_HTTP_AUTH, NULL},
    {"POST", "/hooks/s3", mr_handle_hook, 0, NULL},
};
const size_t mr_upload_routes_count = sizeof mr_upload_routes / sizeof mr_upload_routes[0];

/* A question of its own, so that no statement of a session can forget it. */
struct mr_db *mr_upload_db(const struct mr_upload *up, const struct mr_http_request *rq, const char *doing,
                           struct mr_http_reply *rp)
{
    struct mr_error err;
    bool enabled = false;
    struct mr_db *db = mr_db_acquire(up->db, MR_UPLOAD_DB_WAIT_MS, &err);
    if (!db || mr_account_enabled(db, mr_http_user(rq), &enabled, &err) != MR_OK)
        mr_http_problem_of(rp, doing, &err);
    else if (!enabled)
        mr_http_problem_disabled(rp);
    if (!enabled)
        mr_db_release(&db);
    return db;
}

void mr_problem_no_session(struct mr_http_reply *rp)
{
    mr_http_problem(rp, 404, "no-such-upload", "there is no such upload session of yours");
}

void mr_problem_not_open(struct mr_http_reply *rp, const struct mr_session *s)
{
    bool overdue = s->state == MR_SESSION_OPEN && s->overdue;
    const char *state = overdue ? "expired" : mr_session_state_name(s->state);
    mr_http_problem(rp, 409, "upload-not-open", "the upload session is %s", state);
    mr_http_problem_member(rp, "state", json_string(state));
}
