/* POST /upload/complete: leases the session, puts the file together, sends the event, and then waits without
 * a thread, called again every few milliseconds: for another replica at work on the same session, for the
 * log's acknowledgement, and with ?wait=metadata until the version can be read. */
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/crash.h"
#include "base/log.h"
#include "http/fields.h"
#include "metrics/metrics.h"
#include "producer/assemble.h"
#include "producer/end.h"
#include "producer/handlers.h"
#include "producer/publish.h"

#define POLL_FIRST_MS 2
#define POLL_MAX_MS   100
#define POLL_SOON_MS  8 /* longest wait while the answer is expected any moment */
#define SOON_MS       250

struct completion {
    const struct mr_upload *up;
    bool wait_metadata;
    struct mr_uuid user_id;
    struct mr_session session;
    struct mr_ticket *ticket; /* NULL: someone else sends it */
    int64_t assembled_ms;     /* monotonic; 0: not assembled yet */
    int64_t delay_ms;
};

static void completion_free(void *state)
{
    struct completion *c = state;
    mr_ticket_release(c->ticket);
    free(c);
}

/* Without a version there is nothing to answer yet: another replica may still be putting the file together.
 */
static void answer(const struct completion *c, unsigned status, struct mr_http_reply *rp)
{
    char file_id[MR_UUID_TEXT_SIZE], event_id[MR_UUID_TEXT_SIZE];
    const struct mr_session *s = &c->session;
    if (s->version <= 0) {
        mr_http_problem(rp, 503, "unavailable", "the upload is still being put together; ask again");
        mr_http_reply_header(rp, "Retry-After", "1");
        return;
    }
    mr_http_reply_json(rp, status,
                       json_pack("{s:s, s:I, s:s, s:s}", "file_id", mr_uuid_format(s->file_id, file_id),
                                 "version", (json_int_t)s->version, "event_id",
                                 mr_uuid_format(mr_event_id_of_upload(s->upload_id), event_id), "state",
                                 mr_session_state_name(s->state)));
}

static json_t *numbers(const int *list, int n)
{
    json_t *array = json_array();
    for (int i = 0; i < n; i++)
        json_array_append_new(array, json_integer(list[i]));
    return array;
}

static void problem_missing(const struct mr_assembly *a, struct mr_http_reply *rp)
{
    mr_http_problem(rp, 409, "parts-missing", "%d parts are missing and %d are not as they should be",
                    a->total_missing, a->total_wrong);
    mr_http_problem_member(rp, "missing", numbers(a->missing, a->n_missing));
    mr_http_problem_member(rp, "wrong", numbers(a->wrong, a->n_wrong));
}

static void problem_changed(struct mr_http_reply *rp)
{
    mr_http_problem(rp, 409, "parts-changed", "parts were replaced while they were put together; ask again");
    mr_http_reply_header(rp, "Retry-After", "1");
}

/* The record goes out at once, unless the log is known to be away: then the relay will do it. */
static void publish(struct completion *c, const struct mr_assembly *a)
{
    struct mr_send send = {.upload_id = c->session.upload_id,
                           .file_id = c->session.file_id,
                           .topic = MR_UPLOAD_TOPIC,
                           .bytes = mr_buf_span(&a->event),
                           .headers = mr_buf_span(&a->headers),
                           .assembled_at_us = mr_wall_us()};
    struct mr_error err;
    if (mr_publisher_away(c->up->publisher))
        return;
    mr_crash_point("upload.publish.before-send");
    if (mr_publisher_send(c->up->publisher, &send, &c->ticket, &err) != MR_OK)
        mr_log(MR_LOG_WARN, "a record could not be sent, the relay will", mr_log_str("error", err.text));
    else
        mr_crash_point("upload.publish.after-send");
}

static void assembled(struct completion *c, const struct mr_assembly *a)
{
    c->session.state = MR_SESSION_ASSEMBLED;
    c->session.version = a->version;
    c->session.event_id = a->event_id;
    c->assembled_ms = mr_mono_ms();
    publish(c, a);
}

/* What a failure leaves is open again when nothing was done to it, else the next call or the sweep takes it
 * over without waiting for the lease to end. */
static void give_up(struct completion *c, struct mr_db *db, bool untouched, const struct mr_error *err,
                    struct mr_http_reply *rp)
{
    struct mr_error later;
    enum mr_status status = untouched ? mr_session_reopen(db, &c->session, NULL, &later)
                                      : mr_session_unlease(db, &c->session, &later);
    if (status != MR_OK)
        mr_log(MR_LOG_WARN, "a lease could not be given back, it will end", mr_log_str("error", later.text));
    mr_http_problem_of(rp, "completing the upload", err);
}

/* True when the request goes on: someone else has the session now. */
static bool reload(struct completion *c, struct mr_db *db, struct mr_http_reply *rp)
{
    struct mr_error err;
    bool found = false;
    if (mr_session_load(db, c->session.upload_id, c->user_id, &found, &c->session, &err) != MR_OK)
        mr_http_problem_of(rp, "completing the upload", &err);
    else if (!found)
        mr_problem_no_session(rp);
    else
        return true;
    return false;
}

static bool store_lost_it(struct completion *c, struct mr_db *db, struct mr_http_reply *rp)
{
    struct mr_error err;
    bool ended = false;
    if (mr_session_end(c->up, db, &c->session, MR_END_GONE, &ended, &err) != MR_OK)
        give_up(c, db, false, &err, rp);
    else if (!ended)
        return reload(c, db, rp);
    else
        mr_http_problem(rp, 409, "upload-not-open", "the store has lost the upload; start again");
    return false;
}

/* True when the request goes on: the session is assembled, by this call or by another. */
static bool assemble(struct completion *c, struct mr_db *db, const char *traceparent,
                     struct mr_http_reply *rp)
{
    struct mr_assembly a;
    struct mr_error err;
    bool goes_on = false;
    mr_assembly_init(&a);
    bool sends = !mr_publisher_away(c->up->publisher);
    if (mr_assemble(c->up, db, &c->session, sends, traceparent, &a, &err) != MR_OK) {
        give_up(c, db, a.untouched, &err, rp);
    } else if (a.result == MR_ASSEMBLE_MISSING) {
        problem_missing(&a, rp);
    } else if (a.result == MR_ASSEMBLE_CHANGED) {
        problem_changed(rp);
    } else if (a.result == MR_ASSEMBLE_GONE) {
        goes_on = store_lost_it(c, db, rp);
    } else if (a.result == MR_ASSEMBLED) {
        assembled(c, &a);
        goes_on = true;
    } else {
        goes_on = reload(c, db, rp);
    }
    mr_assembly_free(&a);
    return goes_on;
}

static bool is_closed(const struct mr_session *s)
{
    return s->state == MR_SESSION_ABORTED || s->state == MR_SESSION_EXPIRED ||
           (s->state == MR_SESSION_OPEN && s->overdue);
}

/* The first look: takes the session, or finds out who has it. True when the request goes on. */
static bool begin(struct completion *c, struct mr_db *db, struct mr_uuid upload_id, const char *traceparent,
                  struct mr_http_reply *rp)
{
    struct mr_error err;
    bool leased = false, found = true;
    mr_crash_point("upload.complete.before-lease");
    enum mr_status status =
        mr_session_lease(db, upload_id, c->user_id, c->up->cfg->upload_lease, &leased, &c->session, &err);
    if (status == MR_OK && !leased)
        status = mr_session_load(db, upload_id, c->user_id, &found, &c->session, &err);
    if (status != MR_OK) {
        mr_http_problem_of(rp, "completing the upload", &err);
        return false;
    }
    if (leased) {
        mr_crash_point("upload.complete.after-lease");
        return assemble(c, db, traceparent, rp);
    }
    if (!found)
        mr_problem_no_session(rp);
    else if (is_closed(&c->session))
        mr_problem_not_open(rp, &c->session);
    else
        return true;
    return false;
}

static bool readable(struct completion *c, struct mr_db *db, bool *is, struct mr_error *err)
{
    struct mr_db_args args;
    PGresult *r = NULL;
    mr_db_args_init(&args);
    mr_db_arg_uuid(&args, c->session.file_id);
    mr_db_arg_i64(&args, c->session.version);
    if (mr_db_query(db, "SELECT FROM file_versions WHERE file_id = $1 AND version = $2", &args, &r, err) !=
        MR_OK)
        return false;
    *is = PQntuples(r) == 1;
    PQclear(r);
    return true;
}

enum look { LOOK_AGAIN, LOOK_DONE, LOOK_READABLE, LOOK_ANSWERED };

static enum look look_answered(struct mr_http_reply *rp, const struct mr_error *err)
{
    mr_http_problem_of(rp, "completing the upload", err);
    return LOOK_ANSWERED;
}

/* Nothing that the database has to be asked for. */
static enum look look_at_ticket(struct completion *c)
{
    enum mr_ticket_state state = mr_ticket_state(c->ticket);
    if (state == MR_TICKET_MARKED)
        c->session.state = MR_SESSION_PUBLISHED;
    if (c->wait_metadata)
        return LOOK_AGAIN;
    if (state == MR_TICKET_MARKED || state == MR_TICKET_FAILED)
        return LOOK_DONE;
    if (mr_mono_ms() - c->assembled_ms < c->up->cfg->upload_ack_wait)
        return LOOK_AGAIN;
    if (state == MR_TICKET_SENT) /* nobody else should wait that long: the relay finds out */
        mr_publisher_set_away(c->up->publisher, true);
    return LOOK_DONE;
}

static enum look look_at_database(struct completion *c, struct mr_http_reply *rp)
{
    struct mr_error err;
    bool found = true, is = false;
    struct mr_db *db = mr_db_acquire(c->up->db, MR_UPLOAD_DB_WAIT_MS, &err);
    bool ok = db != NULL;
    if (ok && c->session.state != MR_SESSION_PUBLISHED)
        ok = mr_session_load(db, c->session.upload_id, c->user_id, &found, &c->session, &err) == MR_OK;
    if (ok && found && c->wait_metadata && c->session.version > 0)
        ok = readable(c, db, &is, &err);
    mr_db_release(&db);
    if (!ok)
        return look_answered(rp, &err);
    if (!found || is_closed(&c->session)) {
        mr_problem_not_open(rp, &c->session);
        return LOOK_ANSWERED;
    }
    if (is) {
        c->session.state = MR_SESSION_PUBLISHED; /* what can be read was on the log */
        return LOOK_READABLE;
    }
    bool still_open = c->session.state == MR_SESSION_OPEN || c->session.state == MR_SESSION_COMPLETING;
    return still_open || c->wait_metadata ? LOOK_AGAIN : LOOK_DONE;
}

static enum look look(struct completion *c, struct mr_http_reply *rp)
{
    bool has_ticket = c->ticket != NULL;
    enum look seen = has_ticket ? look_at_ticket(c) : LOOK_AGAIN;
    if (seen != LOOK_AGAIN || (has_ticket && !c->wait_metadata))
        return seen;
    if (has_ticket && mr_ticket_state(c->ticket) == MR_TICKET_SENT)
        return LOOK_AGAIN; /* what is not on the log cannot be read */
    return look_at_database(c, rp);
}

/* Nobody waits for a log that is known to be away, nor longer than the settings say. */
static bool may_wait(const struct completion *c, const struct mr_http_request *rq)
{
    bool on_log = c->session.state == MR_SESSION_PUBLISHED;
    if (!on_log && c->session.version > 0 && mr_publisher_away(c->up->publisher))
        return false;
    if (c->ticket && !c->wait_metadata)
        return true; /* look_at_ticket() ends it */
    return mr_http_age_ms(rq) <
           (c->wait_metadata ? c->up->cfg->upload_wait_max : c->up->cfg->upload_ack_wait);
}

/* True when it is to be called again, and the request has taken c. */
static bool go_on(struct completion *c, struct mr_http_request *rq, struct mr_http_reply *rp)
{
    switch (look(c, rp)) {
    case LOOK_READABLE:
        answer(c, 200, rp);
        return false;
    case LOOK_DONE:
        answer(c, 202, rp);
        return false;
    case LOOK_ANSWERED:
        return false;
    case LOOK_AGAIN:
        break;
    }
    if (!may_wait(c, rq)) {
        answer(c, 202, rp);
        return false;
    }
    mr_http_again(rq, c->delay_ms, c, completion_free);
    int64_t next = c->delay_ms * 5 / 4 + 1;
    int64_t longest = mr_http_age_ms(rq) < SOON_MS ? POLL_SOON_MS : POLL_MAX_MS;
    c->delay_ms = next < longest ? next : longest;
    return true;
}

static bool read_wait(const struct mr_http_request *rq, bool *wait, struct mr_http_reply *rp)
{
    const char *value = mr_http_query(rq, "wait");
    *wait = value != NULL;
    if (!value || strcmp(value, "metadata") == 0)
        return true;
    mr_http_problem(rp, 400, "invalid-request", "query: \"wait\" must be metadata");
    return false;
}

void mr_handle_complete(void *ctx, struct mr_http_request *rq, struct mr_http_reply *rp)
{
    struct completion *c = mr_http_state(rq);
    if (c) {
        go_on(c, rq, rp);
        return;
    }
    struct mr_uuid upload_id;
    struct mr_error err;
    bool wait = false;
    const struct mr_field fields[] = {{"upload_id", MR_FIELD_JSON_UUID, true, 0, 0, &upload_id, NULL}};
    if (!read_wait(rq, &wait, rp) || !mr_http_fields(rp, mr_http_json(rq), "body", fields, 1))
        return;
    c = calloc(1, sizeof *c);
    if (!c) {
        mr_error_set(&err, MR_CLASS_RETRY, 0, "out of memory");
        mr_http_problem_of(rp, "completing the upload", &err);
        return;
    }
    *c = (struct completion){
        .up = ctx, .wait_metadata = wait, .user_id = mr_http_user(rq), .delay_ms = POLL_FIRST_MS};
    struct mr_db *db = mr_upload_db(c->up, rq, "completing the upload", rp);
    bool goes_on = db && begin(c, db, upload_id, mr_http_header(rq, "traceparent"), rp);
    mr_db_release(&db);
    if (!goes_on || !go_on(c, rq, rp))
        completion_free(c);
}
