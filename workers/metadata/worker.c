#include "workers/metadata/worker.h"

#include <stdatomic.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/crash.h"
#include "base/log.h"
#include "base/stop.h"
#include "db/migrate.h"
#include "metrics/metrics.h"
#include "metrics/server.h"
#include "stream/consumer.h"
#include "workers/metadata/apply.h"

#define MIGRATION            1     /* the tables this program was written for */
#define STATEMENT_TIMEOUT_MS 30000 /* a statement takes milliseconds; past this something is stuck */
#define ACQUIRE_MS           5000

const char *const mr_metadata_kill_points[] = {
    "metadata.before-begin",        "metadata.after-lock",
    "metadata.before-commit",       "metadata.after-commit",
    "metadata.before-purge-commit", "metadata.after-purge-commit",
    MR_CONSUMER_KILL_POINTS,        NULL,
};

static const char *const topics[] = {"file.uploaded", "file.backfill", "file.processed", NULL};

struct mr_metadata_worker {
    struct mr_metadata_rules rules;
    struct mr_db_pool *pool;
    struct mr_codec *codec;
    struct mr_producer *producer;
    struct mr_consumer *consumer;
    struct mr_metrics_server *metrics;
    atomic_bool
        needs_registry; /* a record has a schema id not seen before, and the registry did not answer */
};

/* --- the handler --- */

static enum mr_status decode(void *ctx, const struct mr_record *r, void **decoded, struct mr_error *err)
{
    struct mr_metadata_worker *w = ctx;
    struct mr_metadata_item *item = NULL;
    struct mr_error own;
    struct mr_error *e = err ? err : &own;
    enum mr_status status = mr_metadata_decode(w->codec, r, &item, e);
    if (status != MR_OK && e->class == MR_CLASS_RETRY)
        atomic_store(&w->needs_registry, true);
    *decoded = item;
    return status;
}

static void free_decoded(void *ctx, void *decoded)
{
    (void)ctx;
    free(decoded);
}

static enum mr_status apply(struct mr_metadata_worker *w, struct mr_db *db, struct mr_metadata_item **items,
                            size_t n, struct mr_error *err)
{
    size_t from = 0;
    for (size_t i = 0; i < n; i++) {
        if (items[i]->kind != MR_METADATA_PURGED)
            continue;
        /* What was before the purge is done before it, what came after it after. */
        if ((i > from && mr_metadata_apply(db, &w->rules, items + from, i - from, err) != MR_OK) ||
            mr_metadata_purge(db, items[i]->file_id, err) != MR_OK)
            return MR_FAIL;
        from = i + 1;
    }
    return from < n ? mr_metadata_apply(db, &w->rules, items + from, n - from, err) : MR_OK;
}

static enum mr_status handle_batch(void *ctx, struct mr_record *const *records, size_t n,
                                   struct mr_error *err)
{
    struct mr_metadata_worker *w = ctx;
    struct mr_metadata_item **items = malloc((n + 1) * sizeof(struct mr_metadata_item *));
    if (!items)
        return mr_error_set(err, MR_CLASS_RETRY, 0, "handle %zu records: out of memory", n);
    size_t kept = 0;
    for (size_t i = 0; i < n; i++) {
        struct mr_metadata_item *item = records[i]->decoded;
        if (item->kind != MR_METADATA_IGNORED)
            items[kept++] = item;
    }
    if (kept < n)
        mr_metric_add(MR_M_metadata_ignored, "unknown-outcome", (int64_t)(n - kept));
    enum mr_status status = MR_OK;
    if (kept > 0) {
        struct mr_db *db = mr_db_acquire(w->pool, ACQUIRE_MS, err);
        status = db ? apply(w, db, items, kept, err) : MR_FAIL;
        mr_db_release(&db);
    }
    free(items);
    return status;
}

/* The registry only counts as a dependency while a record waits for it: running programs go on without. */
static enum mr_status probe(void *ctx, struct mr_error *err)
{
    struct mr_metadata_worker *w = ctx;
    if (mr_db_probe(w->pool, err) != MR_OK)
        return MR_FAIL;
    if (atomic_load(&w->needs_registry)) {
        if (mr_codec_probe(w->codec, err) != MR_OK)
            return MR_FAIL;
        atomic_store(&w->needs_registry, false);
    }
    return MR_OK;
}

static enum mr_status ready(void *ctx, struct mr_error *err)
{
    struct mr_metadata_worker *w = ctx;
    struct mr_consumer_state state;
    mr_consumer_state(w->consumer, &state);
    if (state.waiting_for_world)
        return mr_error_set(err, MR_CLASS_RETRY, 0, "waiting: %s", state.why);
    if (state.assigned == 0)
        return mr_error_set(err, MR_CLASS_RETRY, 0, "no partitions assigned yet");
    return mr_db_probe(w->pool, err);
}

/* --- its life --- */

static enum mr_status check_tables(struct mr_metadata_worker *w, struct mr_error *err)
{
    struct mr_db *db = mr_db_acquire(w->pool, ACQUIRE_MS, err);
    enum mr_status status = db ? mr_db_migrated(db, MIGRATION, err) : MR_FAIL;
    mr_db_release(&db);
    return status;
}

/* A database that is away at start is waited for like one that goes away later. */
static enum mr_status await_tables(struct mr_metadata_worker *w, struct mr_error *err)
{
    for (int tries = 0;; tries++) {
        if (check_tables(w, err) == MR_OK)
            return MR_OK;
        if (err->class != MR_CLASS_RETRY)
            return MR_FAIL;
        mr_log(MR_LOG_WARN, "waiting for the database", mr_log_str("error", err->text));
        if (mr_stop_wait(mr_backoff_ms(tries, 200, 5000)))
            return MR_FAIL;
    }
}

static enum mr_status open_parts(struct mr_metadata_worker *w, const struct mr_config *cfg,
                                 struct mr_error *err)
{
    const struct mr_producer_options out = {.brokers = cfg->brokers, .client_id = "mr-metadata"};
    const struct mr_worker worker = {
        .name = "metadata",
        .topics = topics,
        .ctx = w,
        .decode = decode,
        .free_decoded = free_decoded,
        .handle_batch = handle_batch,
        .batch_keeps_order = true,
        .probe = probe,
    };
    if (mr_codec_open(cfg->schemas_dir, cfg->registry_url, &w->codec, err) != MR_OK ||
        mr_db_pool_open(cfg->pg_dsn, "mr-metadata", (int)cfg->consumer_threads + 1, STATEMENT_TIMEOUT_MS,
                        &w->pool, err) != MR_OK ||
        await_tables(w, err) != MR_OK)
        return MR_FAIL;
    if (mr_producer_open(&out, &w->producer, err) != MR_OK ||
        mr_consumer_open(cfg, &worker, w->producer, &w->consumer, err) != MR_OK)
        return MR_FAIL;
    return mr_metrics_server_start(cfg->metrics_listen, ready, w, &w->metrics, err);
}

enum mr_status mr_metadata_open(const struct mr_config *cfg, struct mr_metadata_worker **out,
                                struct mr_error *err)
{
    struct mr_metadata_worker *w = calloc(1, sizeof(*w));
    *out = NULL;
    if (!w)
        return mr_error_set(err, MR_CLASS_FATAL, 0, "start: out of memory");
    w->rules.scan_required = cfg->scan_required;
    enum mr_status status = open_parts(w, cfg, err);
    if (status == MR_OK) {
        *out = w;
        return MR_OK;
    }
    mr_metadata_close(&w);
    return mr_stop_requested() ? MR_OK : MR_FAIL;
}

enum mr_status mr_metadata_run(struct mr_metadata_worker *w, struct mr_error *err)
{
    return w ? mr_consumer_run(w->consumer, err) : MR_OK;
}

void mr_metadata_close(struct mr_metadata_worker **worker)
{
    struct mr_metadata_worker *w = *worker;
    if (!w)
        return;
    if (w->metrics)
        mr_metrics_server_stop(&w->metrics);
    if (w->consumer)
        mr_consumer_close(&w->consumer);
    if (w->producer)
        mr_producer_close(&w->producer, 5000);
    if (w->pool)
        mr_db_pool_close(&w->pool);
    if (w->codec)
        mr_codec_close(&w->codec);
    free(w);
    *worker = NULL;
}
