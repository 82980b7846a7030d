#include "producer/publish.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/crash.h"
#include "base/log.h"
#include "base/stop.h"
#include "db/array.h"
#include "db/oid.h"
#include "metrics/metrics.h"
#include "producer/broken.h"

#define MARK_BYTES_MAX    (16u << 20)
#define MARK_RETRY_MS     100
#define MARK_RETRY_MAX    2000
#define CLOSE_PATIENCE_MS 3000

struct mr_ticket {
    atomic_int refs;
    atomic_int state;
};

struct report {
    struct report *next;
    struct mr_publisher *publisher;
    struct mr_uuid upload_id;
    struct mr_ticket *ticket;
    int64_t assembled_at_us;
    bool is_relay;
    bool acked;
};

struct mr_publisher {
    struct mr_db_pool *db;
    struct mr_producer *producer;
    struct mr_broken *broken;
    atomic_bool away;
    atomic_int relayed;
    pthread_t thread;
    pthread_mutex_t lock; /* guards first, last, closing */
    pthread_cond_t some;
    struct report *first, **last; /* reports that wait for their mark */
    bool closing;
};

enum mr_ticket_state mr_ticket_state(const struct mr_ticket *t)
{
    return (enum mr_ticket_state)atomic_load(&t->state);
}

void mr_ticket_release(struct mr_ticket *t)
{
    if (t && atomic_fetch_sub(&t->refs, 1) == 1)
        free(t);
}

bool mr_publisher_away(const struct mr_publisher *p)
{
    return atomic_load(&p->away);
}

void mr_publisher_set_away(struct mr_publisher *p, bool away)
{
    if (atomic_exchange(&p->away, away) != away)
        mr_log(away ? MR_LOG_WARN : MR_LOG_INFO,
               away ? "the log does not acknowledge" : "the log acknowledges again");
}

int mr_publisher_relayed(const struct mr_publisher *p)
{
    return atomic_load(&p->relayed);
}

/* On the producer's thread. */
static void on_delivery(void *ctx, const struct mr_error *err, int32_t partition, int64_t offset)
{
    struct report *r = ctx;
    struct mr_publisher *p = r->publisher;
    (void)partition;
    (void)offset;
    r->acked = err == NULL;
    atomic_store(&r->ticket->state, r->acked ? MR_TICKET_ACKED : MR_TICKET_FAILED);
    if (r->acked && r->assembled_at_us > 0)
        mr_metric_observe(MR_M_publish_seconds, NULL, (double)(mr_wall_us() - r->assembled_at_us) / 1e6);
    if (!r->acked) {
        mr_broken_note(p->broken, err);
        mr_log(MR_LOG_WARN, "a record was not acknowledged, the relay sends it again",
               mr_log_str("error", err->text));
    }
    mr_publisher_set_away(p, !r->acked);
    pthread_mutex_lock(&p->lock);
    *p->last = r;
    p->last = &r->next;
    pthread_cond_signal(&p->some);
    pthread_mutex_unlock(&p->lock);
}

static struct report *take_all(struct mr_publisher *p)
{
    pthread_mutex_lock(&p->lock);
    while (!p->first && !p->closing)
        pthread_cond_wait(&p->some, &p->lock);
    struct report *all = p->first;
    p->first = NULL;
    p->last = &p->first;
    pthread_mutex_unlock(&p->lock);
    return all;
}

static bool closing(struct mr_publisher *p)
{
    pthread_mutex_lock(&p->lock);
    bool is = p->closing;
    pthread_mutex_unlock(&p->lock);
    return is;
}

/* A mark that a crash of the database forgets is made again after the relay has sent the record again. */
static const char acked_sql[] =
    "WITH quick AS MATERIALIZED (SELECT set_config('synchronous_commit', 'off', true)) "
    "UPDATE upload_sessions s SET state = 'published', published_at = now(), lease_until = NULL FROM quick "
    "WHERE s.upload_id = ANY ($1) AND s.state = 'assembled'";
static const char failed_sql[] =
    "UPDATE upload_sessions SET lease_until = NULL WHERE upload_id = ANY ($1) AND state = 'assembled'";

/* Fewer than the reports when a record was sent twice, or when a mark is made again. */
static int64_t rows_changed(PGresult *r)
{
    return strtoll(PQcmdTuples(r), NULL, 10);
}

static enum mr_status mark(struct mr_publisher *p, const struct report *all, bool acked, struct mr_error *err)
{
    struct mr_db_array ids;
    struct mr_db_args args;
    enum mr_status status = MR_OK;
    int n = 0;
    mr_db_array_init(&ids, MR_OID_UUID, MARK_BYTES_MAX);
    for (const struct report *r = all; r && status == MR_OK; r = r->next) {
        if (r->acked == acked) {
            status = mr_db_array_uuid(&ids, r->upload_id);
            n++;
        }
    }
    if (n > 0 && status == MR_OK) {
        PGresult *result = NULL;
        struct mr_db *db = mr_db_acquire(p->db, MR_UPLOAD_DB_WAIT_MS, err);
        mr_db_args_init(&args);
        mr_db_arg_of_array(&args, &ids);
        status = db ? mr_db_query(db, acked ? acked_sql : failed_sql, &args, &result, err) : MR_FAIL;
        mr_db_release(&db);
        if (status == MR_OK && acked)
            mr_metric_add(MR_M_uploads, "published", rows_changed(result));
        PQclear(result);
    }
    mr_db_array_free(&ids);
    return status;
}

static void release(struct mr_publisher *p, struct report *all)
{
    while (all) {
        struct report *r = all;
        all = r->next;
        if (r->acked)
            atomic_store(&r->ticket->state, MR_TICKET_MARKED);
        mr_ticket_release(r->ticket);
        if (r->is_relay)
            atomic_fetch_sub(&p->relayed, 1);
        free(r);
    }
}

/* The database may be away: the marks wait for it, and at the end of the program are left to a relay. */
static void mark_until_done(struct mr_publisher *p, struct report *all)
{
    struct mr_error err;
    int64_t end = 0;
    for (int attempt = 0; mark(p, all, true, &err) != MR_OK || mark(p, all, false, &err) != MR_OK;
         attempt++) {
        mr_log(MR_LOG_WARN, "published sessions could not be marked", mr_log_str("error", err.text));
        if (closing(p) && end == 0)
            end = mr_mono_ms() + CLOSE_PATIENCE_MS;
        if (end != 0 && mr_mono_ms() > end)
            return;
        mr_sleep_ms(mr_backoff_ms(attempt, MARK_RETRY_MS, MARK_RETRY_MAX));
    }
}

static void *run(void *ctx)
{
    struct mr_publisher *p = ctx;
    struct report *all;
    while ((all = take_all(p)) || !closing(p)) {
        mr_crash_point("upload.publish.before-mark");
        mark_until_done(p, all);
        mr_crash_point("upload.publish.after-mark");
        release(p, all);
    }
    return NULL;
}

enum mr_status mr_publisher_open(struct mr_db_pool *db, struct mr_producer *producer,
                                 struct mr_broken *broken, struct mr_publisher **out, struct mr_error *err)
{
    struct mr_publisher *p = calloc(1, sizeof *p);
    if (!p)
        return mr_error_set(err, MR_CLASS_RETRY, 0, "start the publisher: out of memory");
    p->db = db;
    p->producer = producer;
    p->broken = broken;
    p->last = &p->first;
    pthread_mutex_init(&p->lock, NULL);
    pthread_cond_init(&p->some, NULL);
    int failed = pthread_create(&p->thread, NULL, run, p);
    if (failed) {
        free(p);
        return mr_error_set(err, MR_CLASS_RETRY, failed, "start the publisher: no thread");
    }
    *out = p;
    return MR_OK;
}

void mr_publisher_close(struct mr_publisher **publisher)
{
    struct mr_publisher *p = *publisher;
    if (!p)
        return;
    pthread_mutex_lock(&p->lock);
    p->closing = true;
    pthread_cond_signal(&p->some);
    pthread_mutex_unlock(&p->lock);
    pthread_join(p->thread, NULL);
    pthread_cond_destroy(&p->some);
    pthread_mutex_destroy(&p->lock);
    free(p);
    *publisher = NULL;
}

static struct report *report_new(struct mr_publisher *p, const struct mr_send *send)
{
    struct report *r = calloc(1, sizeof *r);
    struct mr_ticket *t = calloc(1, sizeof *t);
    if (!r || !t) {
        free(r);
        free(t);
        return NULL;
    }
    atomic_init(&t->refs, 2);
    atomic_init(&t->state, MR_TICKET_SENT);
    *r = (struct report){.publisher = p,
                         .upload_id = send->upload_id,
                         .ticket = t,
                         .assembled_at_us = send->assembled_at_us,
                         .is_relay = send->is_relay};
    return r;
}

enum mr_status mr_publisher_send(struct mr_publisher *p, const struct mr_send *send,
                                 struct mr_ticket **ticket, struct mr_error *err)
{
    struct mr_headers headers;
    char key[MR_UUID_TEXT_SIZE];
    if (mr_headers_from_json(&headers, send->headers, err) != MR_OK)
        return MR_FAIL;
    struct report *r = report_new(p, send);
    if (!r)
        return mr_error_set(err, MR_CLASS_RETRY, 0, "send a record: out of memory");
    struct mr_ticket *t = r->ticket;
    struct mr_outgoing out = {.topic = send->topic,
                              .partition = -1,
                              .key = mr_span_of(mr_uuid_format(send->file_id, key)),
                              .value = send->bytes,
                              .headers = &headers};
    if (send->is_relay)
        atomic_fetch_add(&p->relayed, 1);
    if (mr_producer_send(p->producer, &out, on_delivery, r, err) != MR_OK) {
        mr_broken_note(p->broken, err);
        if (send->is_relay)
            atomic_fetch_sub(&p->relayed, 1);
        free(t);
        free(r);
        return MR_FAIL;
    }
    if (ticket)
        *ticket = t;
    else
        mr_ticket_release(t);
    return MR_OK;
}
