#include <assert.h>
#include <errno.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdlib.h>
#include <time.h>

#include "base/clock.h"
#include "db/connection.h"

#define IDLE_MAX_MS (5 * 60 * 1000)

struct mr_db_pool {
    struct mr_db_settings settings;
    int max;
    pthread_mutex_t lock; /* guards what follows */
    pthread_cond_t freed;
    int open;   /* connections held, idle or being made */
    int n_idle; /* idle[0] has waited longest; the last one is given out next, so that the rest can age */
    struct mr_db *idle[];
};

enum mr_status mr_db_pool_open(const char *dsn, const char *application_name, int max,
                               int statement_timeout_ms, struct mr_db_pool **out, struct mr_error *err)
{
    struct mr_db_pool *p = calloc(1, sizeof(*p) + (size_t)max * sizeof(p->idle[0]));
    if (!p)
        return mr_error_set(err, MR_CLASS_RETRY, ENOMEM, "open the database pool: out of memory");
    if (mr_db_settings_make(dsn, application_name, statement_timeout_ms, &p->settings, err) != MR_OK) {
        free(p);
        return MR_FAIL;
    }
    p->max = max;
    pthread_mutex_init(&p->lock, NULL);
    pthread_condattr_t attr;
    pthread_condattr_init(&attr);
    pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    pthread_cond_init(&p->freed, &attr);
    pthread_condattr_destroy(&attr);
    *out = p;
    return MR_OK;
}

void mr_db_pool_close(struct mr_db_pool **pool)
{
    struct mr_db_pool *p = *pool;
    if (!p)
        return;
    assert(p->open == p->n_idle); /* every connection was released */
    for (int i = 0; i < p->n_idle; i++)
        mr_db_disconnect(p->idle[i]);
    mr_db_settings_free(&p->settings);
    pthread_cond_destroy(&p->freed);
    pthread_mutex_destroy(&p->lock);
    free(p);
    *pool = NULL;
}

static struct timespec deadline_in(int timeout_ms)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    t.tv_sec += timeout_ms / 1000;
    t.tv_nsec += (long)(timeout_ms % 1000) * 1000000;
    if (t.tv_nsec >= 1000000000) {
        t.tv_sec++;
        t.tv_nsec -= 1000000000;
    }
    return t;
}

/* A place in the pool: *idle is the connection that came with it, or NULL when one has to be made. */
static enum mr_status take_place(struct mr_db_pool *p, const struct timespec *deadline, struct mr_db **idle)
{
    int rc = 0;
    *idle = NULL;
    pthread_mutex_lock(&p->lock);
    while (p->n_idle == 0 && p->open == p->max && rc == 0)
        rc = pthread_cond_timedwait(&p->freed, &p->lock, deadline);
    bool got = p->n_idle > 0 || p->open < p->max;
    if (p->n_idle > 0)
        *idle = p->idle[--p->n_idle];
    else if (got)
        p->open++;
    pthread_mutex_unlock(&p->lock);
    return got ? MR_OK : MR_FAIL;
}

static void give_place_back(struct mr_db_pool *p)
{
    pthread_mutex_lock(&p->lock);
    p->open--;
    pthread_cond_signal(&p->freed);
    pthread_mutex_unlock(&p->lock);
}

struct mr_db *mr_db_acquire(struct mr_db_pool *pool, int timeout_ms, struct mr_error *err)
{
    const struct timespec deadline = deadline_in(timeout_ms);
    struct mr_db *db;
    for (;;) {
        if (take_place(pool, &deadline, &db) != MR_OK) {
            mr_error_set(err, MR_CLASS_RETRY, ETIMEDOUT, "all %d database connections were in use for %d ms",
                         pool->max, timeout_ms);
            return NULL;
        }
        if (!db || mr_db_alive(db))
            break;
        mr_db_disconnect(db); /* a restart of the server closes all that are idle: look at the next one */
        give_place_back(pool);
    }
    if (!db)
        db = mr_db_connect(&pool->settings, err);
    if (db)
        db->pool = pool;
    else
        give_place_back(pool);
    return db;
}

/* Whoever releases also closes one connection that nobody has needed for long. */
static struct mr_db *keep_idle(struct mr_db_pool *p, struct mr_db *db)
{
    struct mr_db *stale = NULL;
    int64_t now = mr_mono_ms();
    db->idle_since_ms = now;
    pthread_mutex_lock(&p->lock);
    if (p->n_idle > 0 && now - p->idle[0]->idle_since_ms > IDLE_MAX_MS) {
        stale = p->idle[0];
        p->n_idle--;
        for (int i = 0; i < p->n_idle; i++)
            p->idle[i] = p->idle[i + 1];
        p->open--;
    }
    p->idle[p->n_idle++] = db;
    pthread_cond_signal(&p->freed);
    pthread_mutex_unlock(&p->lock);
    return stale;
}

void mr_db_release(struct mr_db **db)
{
    struct mr_db *d = *db;
    *db = NULL;
    if (!d)
        return;
    mr_db_rollback(d);
    struct mr_db_pool *pool = d->pool;
    struct mr_db *unwanted = d;
    if (d->broken)
        give_place_back(pool);
    else
        unwanted = keep_idle(pool, d);
    if (unwanted)
        mr_db_disconnect(unwanted);
}

enum mr_status mr_db_probe(struct mr_db_pool *pool, struct mr_error *err)
{
    struct mr_db *db = mr_db_connect(&pool->settings, err);
    if (!db)
        return MR_FAIL;
    enum mr_status status = mr_db_exec(db, "SELECT 1", err);
    mr_db_disconnect(db);
    return status;
}
