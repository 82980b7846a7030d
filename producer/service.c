#include "producer/service.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/stop.h"
#include "db/migrate.h"
#include "http/server.h"
#include "metrics/server.h"
#include "producer/broken.h"
#include "producer/handlers.h"
#include "producer/hints.h"
#include "producer/publish.h"
#include "producer/relay.h"
#include "producer/sweep.h"

#define DB_CONNECTIONS_MORE 6 /* beside one per request thread: relay, sweep, hints, marks, readiness */
#define DB_STATEMENT_MS     15000
#define START_BACKOFF_MS    200
#define START_BACKOFF_MAX   3000
#define STOP_PATIENCE_MS    8000

struct service {
    struct mr_upload up;
    struct mr_token_key *token;
    struct mr_http_server *http;
    struct mr_metrics_server *metrics;
    pthread_t relay, sweep;
    bool relay_runs, sweep_runs;
    struct mr_broken broken;
    pthread_mutex_t lock; /* guards missing */
    char missing[512];    /* what the start waits for; "" once it is done */
};

static void set_missing(struct service *s, const char *text)
{
    pthread_mutex_lock(&s->lock);
    snprintf(s->missing, sizeof s->missing, "%s", text);
    pthread_mutex_unlock(&s->lock);
}

/* The log may be away: uploads are taken without it. */
static enum mr_status ready(void *ctx, struct mr_error *err)
{
    struct service *s = ctx;
    char missing[sizeof s->missing];
    pthread_mutex_lock(&s->lock);
    memcpy(missing, s->missing, sizeof missing);
    pthread_mutex_unlock(&s->lock);
    if (mr_broken_get(&s->broken, err))
        return MR_FAIL;
    if (missing[0])
        return mr_error_set(err, MR_CLASS_RETRY, 0, "%s", missing);
    return mr_db_probe(s->up.db, err) == MR_OK ? mr_store_probe(s->up.store, err) : MR_FAIL;
}

static enum mr_status open_parts(struct service *s, const struct mr_config *cfg, struct mr_error *err)
{
    struct mr_producer_options producer = {.brokers = cfg->brokers,
                                           .client_id = "mr-upload",
                                           .message_timeout_ms = (int)(cfg->relay_lease * 2 / 3)};
    s->up.cfg = cfg;
    if (mr_token_key_open(cfg, &s->token, err) != MR_OK ||
        mr_db_pool_open(cfg->pg_dsn, "mr-upload", (int)cfg->http_threads + DB_CONNECTIONS_MORE,
                        DB_STATEMENT_MS, &s->up.db, err) != MR_OK ||
        mr_store_open(cfg, &s->up.store, err) != MR_OK ||
        mr_codec_open(cfg->schemas_dir, cfg->registry_url, &s->up.codec, err) != MR_OK ||
        mr_producer_open(&producer, &s->up.producer, err) != MR_OK)
        return MR_FAIL;
    return mr_metrics_server_start(cfg->metrics_listen, ready, s, &s->metrics, err);
}

static enum mr_status check_database(struct service *s, struct mr_error *err)
{
    struct mr_db *db = mr_db_acquire(s->up.db, MR_UPLOAD_DB_WAIT_MS, err);
    enum mr_status status = db ? mr_db_migrated(db, MR_UPLOAD_MIGRATION, err) : MR_FAIL;
    mr_db_release(&db);
    return status;
}

static enum mr_status check_registry(struct service *s, struct mr_error *err)
{
    return mr_codec_use_topic(s->up.codec, MR_EVENT_FILE_UPLOADED, MR_UPLOAD_TOPIC, err);
}

static enum mr_status check_store(struct service *s, struct mr_error *err)
{
    return mr_store_probe_checks(s->up.store, err);
}

/* What is away is waited for, as long as it takes; what is wrong ends the program. */
static enum mr_status wait_for(struct service *s,
                               enum mr_status (*check)(struct service *, struct mr_error *),
                               struct mr_error *err)
{
    for (int attempt = 0; check(s, err) != MR_OK; attempt++) {
        if (err->class == MR_CLASS_FATAL)
            return MR_FAIL;
        mr_log(MR_LOG_WARN, "waiting at the start", mr_log_str("error", err->text));
        set_missing(s, err->text);
        if (mr_stop_wait(mr_backoff_ms(attempt, START_BACKOFF_MS, START_BACKOFF_MAX)))
            return mr_error_set(err, MR_CLASS_RETRY, 0, "stopped before it could start");
    }
    return MR_OK;
}

static enum mr_status start_threads(struct service *s, struct mr_error *err)
{
    if (mr_publisher_open(s->up.db, s->up.producer, &s->broken, &s->up.publisher, err) != MR_OK ||
        mr_hints_open(&s->up, &s->up.hints, err) != MR_OK)
        return MR_FAIL;
    s->relay_runs = pthread_create(&s->relay, NULL, mr_relay_run, &s->up) == 0;
    s->sweep_runs = pthread_create(&s->sweep, NULL, mr_sweep_run, &s->up) == 0;
    if (!s->relay_runs || !s->sweep_runs)
        return mr_error_set(err, MR_CLASS_RETRY, 0, "start the relay and the sweep: no thread");
    return MR_OK;
}

/* So that the first record need not wait for its topic. The log may be away, then the relay asks for it. */
static enum mr_status warm_up(struct service *s, struct mr_error *err)
{
    if (mr_producer_warm(s->up.producer, MR_UPLOAD_TOPIC, err) == MR_OK)
        return MR_OK;
    if (err->class == MR_CLASS_FATAL)
        return MR_FAIL;
    mr_log(MR_LOG_WARN, "starting without the log", mr_log_str("error", err->text));
    mr_publisher_set_away(s->up.publisher, true);
    return MR_OK;
}

static enum mr_status start(struct service *s, struct mr_error *err)
{
    struct mr_http_options http = {.cfg = s->up.cfg,
                                   .routes = mr_upload_routes,
                                   .n_routes = mr_upload_routes_count,
                                   .ctx = &s->up,
                                   .token = s->token};
    if (wait_for(s, check_database, err) != MR_OK || wait_for(s, check_registry, err) != MR_OK ||
        wait_for(s, check_store, err) != MR_OK || start_threads(s, err) != MR_OK ||
        warm_up(s, err) != MR_OK || mr_http_server_start(&http, &s->http, err) != MR_OK)
        return MR_FAIL;
    set_missing(s, "");
    return MR_OK;
}

/* Requests first, then what they left to send, then the marks of what was sent. */
static void stop(struct service *s)
{
    mr_stop_request();
    if (s->http)
        mr_http_server_stop(&s->http, STOP_PATIENCE_MS);
    if (s->relay_runs)
        pthread_join(s->relay, NULL);
    if (s->sweep_runs)
        pthread_join(s->sweep, NULL);
    mr_hints_close(&s->up.hints);
    if (s->up.producer)
        mr_producer_close(&s->up.producer, STOP_PATIENCE_MS);
    mr_publisher_close(&s->up.publisher);
    if (s->metrics)
        mr_metrics_server_stop(&s->metrics);
    mr_codec_close(&s->up.codec);
    mr_store_close(&s->up.store);
    mr_db_pool_close(&s->up.db);
    mr_token_key_close(&s->token);
    pthread_mutex_destroy(&s->lock);
    mr_broken_free(&s->broken);
}

enum mr_status mr_service_run(const struct mr_config *cfg, struct mr_error *err)
{
    struct service s = {.missing = "starting"};
    pthread_mutex_init(&s.lock, NULL);
    mr_broken_init(&s.broken);
    s.up.broken = &s.broken;
    enum mr_status status = open_parts(&s, cfg, err);
    if (status == MR_OK)
        status = start(&s, err);
    if (status == MR_OK)
        mr_stop_wait(-1);
    struct mr_error why;
    bool asked = mr_stop_requested(), broken = mr_broken_get(&s.broken, &why);
    stop(&s);
    if (broken) {
        *err = why;
        return MR_FAIL;
    }
    return asked ? MR_OK : status;
}
