/* mr-bench-load COUNT BATCH CONNECTIONS: the rows that mr-metadata makes of mr-bench-fill's events, as bare
 * UNNEST upserts: no log, no decoding, no locks, no look at stages. What mr-metadata is compared with. */
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/config.h"
#include "bench/uploads.h"
#include "db/array.h"
#include "db/oid.h"

#define COLUMNS          12
#define COLUMN_MAX_BYTES ((size_t)64 << 20)

static const Oid types[COLUMNS] = {MR_OID_UUID,  MR_OID_INT8,        MR_OID_UUID, MR_OID_UUID,
                                   MR_OID_TEXT,  MR_OID_TEXT,        MR_OID_INT8, MR_OID_TEXT,
                                   MR_OID_BYTEA, MR_OID_TIMESTAMPTZ, MR_OID_UUID, MR_OID_TEXT};

/* $1 file_id, 2 version, 3 event_id, 4 user_id, 5 s3_key, 6 s3_etag, 7 size, 8 content_type, 9 content_hash,
 * 10 at */
static const char versions_sql[] =
    "insert into file_versions (file_id, version, event_id, user_id, s3_key, s3_etag, size, content_type, "
    "content_hash, "
    "created_at) select * from unnest($1, $2, $3, $4, $5, $6, $7, $8, $9, $10) on conflict do nothing";

/* $1 file_id, 2 version, 3 owner, 4 path, 5 s3_key, 6 size, 7 content_type, 8 content_hash, 9 at */
static const char files_sql[] =
    "insert into files as f (file_id, version, next_version, user_id, path, s3_key, size, content_type, "
    "content_hash, "
    "status, change_seq, created_at, updated_at) "
    "select id, v, v + 1, u, p, k, s, t, h, 'AVAILABLE', 1, at, at "
    "from unnest($1, $2, $3, $4, $5, $6, $7, $8, $9) as x (id, v, u, p, k, s, t, h, at) "
    "on conflict (file_id) do update set version = excluded.version, s3_key = excluded.s3_key, size = "
    "excluded.size, "
    "content_type = excluded.content_type, content_hash = excluded.content_hash, status = excluded.status, "
    "change_seq = f.change_seq + 1, updated_at = excluded.updated_at where excluded.version > f.version";

static struct {
    struct mr_db_pool *pool;
    uint64_t count, batch;
    atomic_ullong next;
    atomic_bool failed;
} job;

static void add(struct mr_db_array *a, const struct mr_file_uploaded *e)
{
    const struct mr_span hash = {(const char *)e->content_hash, MR_SHA256_SIZE};
    if (mr_db_array_uuid(&a[0], e->file_id) != MR_OK || mr_db_array_i64(&a[1], e->version) != MR_OK ||
        mr_db_array_uuid(&a[2], e->event_id) != MR_OK || mr_db_array_uuid(&a[3], e->user_id) != MR_OK ||
        mr_db_array_span(&a[4], e->s3_key) != MR_OK || mr_db_array_span(&a[5], e->s3_etag) != MR_OK ||
        mr_db_array_i64(&a[6], e->size) != MR_OK || mr_db_array_span(&a[7], e->content_type) != MR_OK ||
        mr_db_array_span(&a[8], hash) != MR_OK || mr_db_array_time(&a[9], e->occurred_at_us) != MR_OK ||
        mr_db_array_uuid(&a[10], e->owner_id) != MR_OK || mr_db_array_span(&a[11], e->path) != MR_OK)
        abort();
}

static enum mr_status write_batch(struct mr_db *db, struct mr_db_array *a, struct mr_error *err)
{
    static const int file_columns[] = {0, 1, 10, 11, 4, 6, 7, 8, 9};
    struct mr_db_args versions, files;
    mr_db_args_init(&versions);
    mr_db_args_init(&files);
    for (int i = 0; i < 10; i++)
        mr_db_arg_of_array(&versions, &a[i]);
    for (int i = 0; i < 9; i++)
        mr_db_arg_of_array(&files, &a[file_columns[i]]);
    if (mr_db_begin(db, err) != MR_OK || mr_db_query(db, versions_sql, &versions, NULL, err) != MR_OK ||
        mr_db_query(db, files_sql, &files, NULL, err) != MR_OK)
        return MR_FAIL;
    return mr_db_commit(db, err);
}

static enum mr_status load_all(struct mr_db *db, struct mr_db_array *a, struct mr_error *err)
{
    for (;;) {
        uint64_t from = atomic_fetch_add(&job.next, job.batch);
        if (from >= job.count)
            return MR_OK;
        for (int i = 0; i < COLUMNS; i++)
            mr_db_array_reset(&a[i]);
        for (uint64_t n = from; n < from + job.batch && n < job.count; n++) {
            struct bench_upload u;
            bench_upload_make(n, &u);
            add(a, &u.event);
        }
        if (write_batch(db, a, err) != MR_OK)
            return MR_FAIL;
    }
}

static void *load(void *unused)
{
    (void)unused;
    struct mr_error err;
    struct mr_db_array a[COLUMNS];
    struct mr_db *db = mr_db_acquire(job.pool, 5000, &err);
    for (int i = 0; i < COLUMNS; i++)
        mr_db_array_init(&a[i], types[i], COLUMN_MAX_BYTES);
    if (!db || load_all(db, a, &err) != MR_OK) {
        fprintf(stderr, "mr-bench-load: %s\n", err.text);
        atomic_store(&job.failed, true);
    }
    for (int i = 0; i < COLUMNS; i++)
        mr_db_array_free(&a[i]);
    mr_db_release(&db);
    return NULL;
}

int main(int argc, char **argv)
{
    struct mr_config cfg;
    struct mr_error err;
    char **args;
    int n;
    if (mr_config_load(&cfg, MR_P_BENCH, "mr-bench-load", "COUNT BATCH CONNECTIONS: bare UNNEST upserts",
                       argc, argv, &args, &n, &err) != MR_OK ||
        n != 3) {
        fprintf(stderr, "mr-bench-load: %s\n", n == 3 ? err.text : "wants COUNT BATCH CONNECTIONS");
        return 2;
    }
    job.count = bench_count(args[0], "COUNT");
    job.batch = bench_count(args[1], "BATCH");
    uint64_t connections = bench_count(args[2], "CONNECTIONS");
    pthread_t threads[64];
    if (connections > 64 ||
        mr_db_pool_open(cfg.pg_dsn, "mr-bench-load", (int)connections, 0, &job.pool, &err) != MR_OK) {
        fprintf(stderr, "mr-bench-load: %s\n", connections > 64 ? "at most 64 connections" : err.text);
        return 1;
    }
    int64_t start = mr_mono_us();
    for (uint64_t i = 0; i < connections; i++) {
        if (pthread_create(&threads[i], NULL, load, NULL) != 0)
            abort();
    }
    for (uint64_t i = 0; i < connections; i++)
        pthread_join(threads[i], NULL);
    double seconds = (double)(mr_mono_us() - start) / 1e6;
    mr_db_pool_close(&job.pool);
    printf("%.0f\n", (double)job.count / seconds);
    return atomic_load(&job.failed) ? 1 : 0;
}
