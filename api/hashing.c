#include "api/hashing.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <time.h>

#include "base/clock.h"

#define WAIT_MS         1000
#define WAITING_PER_RUN 2 /* requests that may wait for each that runs; each holds a handler thread */

struct mr_hashing {
    pthread_mutex_t lock;
    pthread_cond_t freed;
    int at_once, running, waiting;
};

enum mr_status mr_hashing_open(int at_once, struct mr_hashing **out, struct mr_error *err)
{
    struct mr_hashing *h = calloc(1, sizeof(*h));
    if (!h)
        return mr_error_set(err, MR_CLASS_FATAL, ENOMEM, "prepare password hashing: out of memory");
    pthread_condattr_t monotonic;
    pthread_condattr_init(&monotonic);
    pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    pthread_mutex_init(&h->lock, NULL);
    pthread_cond_init(&h->freed, &monotonic);
    pthread_condattr_destroy(&monotonic);
    h->at_once = at_once;
    *out = h;
    return MR_OK;
}

void mr_hashing_close(struct mr_hashing **hashing)
{
    struct mr_hashing *h = *hashing;
    if (!h)
        return;
    pthread_cond_destroy(&h->freed);
    pthread_mutex_destroy(&h->lock);
    free(h);
    *hashing = NULL;
}

/* With the lock held. */
static bool wait_for_place(struct mr_hashing *h)
{
    int64_t until = mr_mono_ms() + WAIT_MS;
    struct timespec at = {.tv_sec = until / 1000, .tv_nsec = until % 1000 * 1000000};
    if (h->running >= h->at_once && h->waiting >= h->at_once * WAITING_PER_RUN)
        return false;
    h->waiting++;
    while (h->running >= h->at_once && pthread_cond_timedwait(&h->freed, &h->lock, &at) == 0)
        ;
    h->waiting--;
    return h->running < h->at_once;
}

bool mr_hashing_enter(struct mr_hashing *h, struct mr_http_reply *rp)
{
    pthread_mutex_lock(&h->lock);
    bool entered = wait_for_place(h);
    h->running += entered;
    pthread_mutex_unlock(&h->lock);
    if (!entered) {
        mr_http_problem(rp, 429, "too-many-logins", "too many passwords are being checked, try again");
        mr_http_reply_header(rp, "Retry-After", "1");
    }
    return entered;
}

void mr_hashing_leave(struct mr_hashing *h)
{
    pthread_mutex_lock(&h->lock);
    h->running--;
    pthread_cond_signal(&h->freed);
    pthread_mutex_unlock(&h->lock);
}
