#include "producer/hints.h"

#include <pthread.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/stop.h"
#include "producer/sweep.h"

#define HINTS_MAX   4096
#define PATIENCE_MS 1000 /* the holder, if it lives, is done long before */
#define TICK_MS     100

struct hint {
    struct mr_uuid upload_id;
    int64_t due_ms;
};

struct mr_hints {
    const struct mr_upload *up;
    pthread_t thread;
    pthread_mutex_t lock; /* guards the ring */
    struct hint ring[HINTS_MAX];
    size_t first, n;
};

void mr_hints_give(struct mr_hints *h, struct mr_uuid upload_id)
{
    pthread_mutex_lock(&h->lock);
    if (h->n < HINTS_MAX) {
        h->ring[(h->first + h->n) % HINTS_MAX] = (struct hint){upload_id, mr_mono_ms() + PATIENCE_MS};
        h->n++;
    }
    pthread_mutex_unlock(&h->lock);
}

static bool take_due(struct mr_hints *h, struct mr_uuid *upload_id)
{
    pthread_mutex_lock(&h->lock);
    bool due = h->n > 0 && h->ring[h->first].due_ms <= mr_mono_ms();
    if (due) {
        *upload_id = h->ring[h->first].upload_id;
        h->first = (h->first + 1) % HINTS_MAX;
        h->n--;
    }
    pthread_mutex_unlock(&h->lock);
    return due;
}

static void *run(void *ctx)
{
    struct mr_hints *h = ctx;
    struct mr_uuid upload_id;
    struct mr_error err;
    while (!mr_stop_wait(TICK_MS)) {
        struct mr_db *db = NULL;
        while (!mr_stop_requested() && take_due(h, &upload_id)) {
            if (!db)
                db = mr_db_acquire(h->up->db, MR_UPLOAD_DB_WAIT_MS, &err);
            if (!db || mr_take_over(h->up, db, upload_id, true, &err) != MR_OK)
                mr_log(MR_LOG_WARN, "a hint of the store could not be followed",
                       mr_log_str("error", err.text));
        }
        mr_db_release(&db);
    }
    return NULL;
}

enum mr_status mr_hints_open(const struct mr_upload *up, struct mr_hints **out, struct mr_error *err)
{
    struct mr_hints *h = calloc(1, sizeof *h);
    if (!h)
        return mr_error_set(err, MR_CLASS_RETRY, 0, "start the hints: out of memory");
    h->up = up;
    pthread_mutex_init(&h->lock, NULL);
    int failed = pthread_create(&h->thread, NULL, run, h);
    if (failed) {
        free(h);
        return mr_error_set(err, MR_CLASS_RETRY, failed, "start the hints: no thread");
    }
    *out = h;
    return MR_OK;
}

void mr_hints_close(struct mr_hints **hints)
{
    struct mr_hints *h = *hints;
    if (!h)
        return;
    pthread_join(h->thread, NULL); /* it ends by itself at mr_stop_requested() */
    pthread_mutex_destroy(&h->lock);
    free(h);
    *hints = NULL;
}
