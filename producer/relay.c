#include "producer/relay.h"

#include "base/clock.h"
#include "base/crash.h"
#include "base/log.h"
#include "base/stop.h"
#include "producer/broken.h"
#include "producer/publish.h"

#define BACKOFF_MAX_MS 5000
#define DRAIN_LOOK_MS  20

/* In the order they were assembled; what another replica's relay holds at this moment is skipped. */
static const char claim_sql[] =
    "WITH due AS (SELECT upload_id FROM upload_sessions WHERE state = 'assembled' "
    "AND (lease_until IS NULL OR lease_until <= now()) ORDER BY assembled_at LIMIT $1 FOR UPDATE SKIP "
    "LOCKED), "
    "leased AS (UPDATE upload_sessions s SET lease_until = now() + $2 * interval '1 millisecond' FROM due "
    "WHERE s.upload_id = due.upload_id "
    "RETURNING s.upload_id, s.file_id, s.event_topic, s.event_bytes, s.event_headers, s.assembled_at) "
    "SELECT * FROM leased ORDER BY assembled_at";

static enum mr_status claim(const struct mr_upload *up, int n, PGresult **r, struct mr_error *err)
{
    struct mr_db_args args;
    mr_db_args_init(&args);
    mr_db_arg_i64(&args, n);
    mr_db_arg_i64(&args, up->cfg->relay_lease);
    mr_crash_point("upload.relay.before-lease");
    struct mr_db *db = mr_db_acquire(up->db, MR_UPLOAD_DB_WAIT_MS, err);
    enum mr_status status = db ? mr_db_query(db, claim_sql, &args, r, err) : MR_FAIL;
    mr_db_release(&db);
    return status;
}

static enum mr_status send_row(const struct mr_upload *up, const PGresult *r, int row, struct mr_error *err)
{
    struct mr_send send = {.upload_id = mr_db_uuid(r, row, 0),
                           .file_id = mr_db_uuid(r, row, 1),
                           .topic = mr_db_text(r, row, 2),
                           .bytes = mr_db_span(r, row, 3),
                           .headers = mr_db_span(r, row, 4),
                           .assembled_at_us = mr_db_time(r, row, 5),
                           .is_relay = true};
    return mr_publisher_send(up->publisher, &send, NULL, err);
}

/* Sends up to n; *sent says how many. What could not be enqueued is sent again when its lease has ended. */
static enum mr_status send_some(const struct mr_upload *up, int n, int *sent, struct mr_error *err)
{
    PGresult *r = NULL;
    *sent = 0;
    if (claim(up, n, &r, err) != MR_OK)
        return MR_FAIL;
    enum mr_status status = MR_OK;
    int rows = PQntuples(r);
    if (rows > 0)
        mr_crash_point("upload.relay.after-lease");
    for (; status == MR_OK && *sent < rows; (*sent)++)
        status = send_row(up, r, *sent, err);
    if (*sent > 0)
        mr_crash_point("upload.relay.after-send");
    PQclear(r);
    if (rows > 0)
        mr_log(MR_LOG_INFO, "the relay sent what was left", mr_log_int("records", *sent));
    return status;
}

/* One pass: as many as there is room for. True when there may be more at once. */
static bool pass(const struct mr_upload *up)
{
    struct mr_error err;
    int batch = (int)up->cfg->relay_batch, sent = 0;
    int under_way = mr_publisher_relayed(up->publisher);
    if (under_way > batch / 2)
        return true; /* after an outage: the next batch only once half of this one is through */
    if (send_some(up, batch - under_way, &sent, &err) != MR_OK) {
        mr_log(MR_LOG_WARN, "the relay has to wait", mr_log_str("error", err.text));
        return false;
    }
    return sent == batch - under_way;
}

/* While the log is away only its own probe is sent there, ever less often. */
static bool log_answers(const struct mr_upload *up, int *failures)
{
    struct mr_error err;
    if (!mr_publisher_away(up->publisher))
        return true;
    if (mr_producer_probe(up->producer, &err) == MR_OK) {
        mr_publisher_set_away(up->publisher, false);
        *failures = 0;
        return true;
    }
    mr_broken_note(up->broken, &err);
    if ((*failures)++ == 0)
        mr_log(MR_LOG_WARN, "the log does not answer", mr_log_str("error", err.text));
    return false;
}

void *mr_relay_run(void *ctx)
{
    const struct mr_upload *up = ctx;
    int failures = 0;
    int64_t wait = 0;
    while (!mr_stop_wait(wait)) {
        if (!log_answers(up, &failures))
            wait = mr_backoff_ms(failures, up->cfg->relay_interval, BACKOFF_MAX_MS);
        else
            wait = pass(up) ? DRAIN_LOOK_MS : up->cfg->relay_interval;
    }
    return NULL;
}
