#include "producer/end.h"
#include "producer/handlers.h"

/* Gone is gone: asking again for the end of an ended session changes nothing. */
static void answer(const struct mr_session *s, bool found, bool ended, struct mr_http_reply *rp)
{
    if (!found) {
        mr_problem_no_session(rp);
    } else if (ended || s->state == MR_SESSION_ABORTED || s->state == MR_SESSION_EXPIRED) {
        mr_http_reply_empty(rp, 204);
    } else {
        mr_problem_not_open(rp, s);
    }
}

void mr_handle_delete(void *ctx, struct mr_http_request *rq, struct mr_http_reply *rp)
{
    const struct mr_upload *up = ctx;
    struct mr_uuid upload_id;
    struct mr_session s;
    struct mr_error err;
    bool found = false, ended = false;
    if (!mr_uuid_parse(mr_span_of(mr_http_path_param(rq, "upload_id")), &upload_id)) {
        mr_problem_no_session(rp);
        return;
    }
    struct mr_db *db = mr_upload_db(up, rq, "deleting the upload", rp);
    if (!db)
        return;
    enum mr_status status = mr_session_load(db, upload_id, mr_http_user(rq), &found, &s, &err);
    if (status == MR_OK && found && s.state == MR_SESSION_OPEN) {
        status = mr_session_end(up, db, &s, MR_END_DELETED, &ended, &err);
        if (status == MR_OK && !ended) /* a complete was faster */
            status = mr_session_load(db, upload_id, mr_http_user(rq), &found, &s, &err);
    }
    mr_db_release(&db);
    if (status == MR_OK)
        answer(&s, found, ended, rp);
    else
        mr_http_problem_of(rp, "deleting the upload", &err);
}
