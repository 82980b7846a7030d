/* Handler threads, the queue before them, requests that wait to be called again, and the clock that looks
 * after connections.
 *
 * libmicrohttpd 0.9.75 neither times out a suspended connection nor notices that its client left, and panics
 * when stopped while one is suspended. So each is resumed for a moment every 20 s (the event thread then
 * reads the socket, ends the connection if the client left, and suspends it again), and all are before the
 * stop. */
#include <stdlib.h>
#include <sys/socket.h>
#include <time.h>

#include "base/clock.h"
#include "base/log.h"
#include "http/internal.h"
#include "metrics/metrics.h"

static void list_insert_before(struct mr_http_list *l, struct mr_http_request *at, struct mr_http_request *rq)
{
    rq->next = at;
    rq->prev = at ? at->prev : l->tail;
    *(rq->prev ? &rq->prev->next : &l->head) = rq;
    *(at ? &at->prev : &l->tail) = rq;
    l->n++;
}

static void list_remove(struct mr_http_list *l, struct mr_http_request *rq)
{
    *(rq->prev ? &rq->prev->next : &l->head) = rq->next;
    *(rq->next ? &rq->next->prev : &l->tail) = rq->prev;
    rq->prev = rq->next = NULL;
    l->n--;
}

static void enqueue(struct mr_http_server *s, struct mr_http_request *rq)
{
    rq->queued = true;
    list_insert_before(&s->queue, NULL, rq);
    pthread_cond_signal(&s->work);
}

static void wait_until(struct mr_http_server *s, struct mr_http_request *rq, int64_t due_ms)
{
    rq->waiting = true;
    rq->due_ms = due_ms;
    struct mr_http_request *at = s->waiting.tail; /* most waits are alike, so the place is near the end */
    while (at && at->due_ms > due_ms)
        at = at->prev;
    list_insert_before(&s->waiting, at ? at->next : s->waiting.head, rq);
    pthread_cond_signal(&s->timer);
}

/* With the lock held; a request without holders is returned for the caller to free after unlocking. */
static struct mr_http_request *unref(struct mr_http_request *rq)
{
    return --rq->refs == 0 ? rq : NULL;
}

static void resume(struct mr_http_request *rq)
{
    if (!rq->suspended || rq->gone)
        return;
    rq->suspended = false;
    MHD_resume_connection(rq->mhd);
}

bool mr_http_pool_hand(struct mr_http_request *rq)
{
    struct mr_http_server *s = rq->server;
    pthread_mutex_lock(&s->lock);
    if (rq->stage == MR_HTTP_BODY) {
        rq->stage = MR_HTTP_HANDED;
        rq->whole_us = mr_mono_us();
        rq->conn->deadline_ms = 0;
        if (rq->reply.status == 0 && s->ending)
            mr_http_shed(&rq->reply, "the service is stopping");
        else if (rq->reply.status == 0 && s->queue.n >= s->queue_max)
            mr_http_shed(&rq->reply, "the service has too many requests");
        rq->done = rq->reply.status != 0;
        if (rq->done) {
            mr_http_reply_seal(&rq->reply);
        } else {
            rq->refs++;
            rq->counted = true;
            mr_metric_set(MR_M_http_inflight, NULL, (int64_t)++s->handed);
            enqueue(s, rq);
        }
    }
    bool suspend = !rq->done;
    if (suspend) {
        rq->suspended = true;
        rq->suspended_ms = mr_mono_ms();
        MHD_suspend_connection(rq->mhd);
    }
    pthread_mutex_unlock(&s->lock);
    return suspend;
}

void mr_http_pool_gone(struct mr_http_request *rq)
{
    struct mr_http_server *s = rq->server;
    pthread_mutex_lock(&s->lock);
    rq->gone = true;
    if (rq->queued || rq->waiting) {
        list_remove(rq->queued ? &s->queue : &s->waiting, rq);
        rq->queued = rq->waiting = false;
        rq->refs--;
    }
    if (rq->counted) {
        rq->counted = false;
        mr_metric_set(MR_M_http_inflight, NULL, (int64_t)--s->handed);
        pthread_cond_broadcast(&s->drained);
    }
    struct mr_http_request *last = unref(rq);
    pthread_mutex_unlock(&s->lock);
    if (last)
        mr_http_request_free(last);
}

void mr_http_pool_streams(struct mr_http_request *rq)
{
    struct mr_http_server *s = rq->server;
    pthread_mutex_lock(&s->lock);
    rq->conn->rq = NULL;
    rq->conn->deadline_ms = 0;
    if (rq->counted) {
        rq->counted = false;
        mr_metric_set(MR_M_http_inflight, NULL, (int64_t)--s->handed);
        pthread_cond_broadcast(&s->drained);
    }
    pthread_mutex_unlock(&s->lock);
}

static void call(struct mr_http_request *rq)
{
    rq->again = false;
    if (mr_http_request_parse(rq))
        rq->route->handler(rq->server->ctx, rq, &rq->reply);
    if (rq->reply.status != 0)
        rq->again = false;
    else if (rq->again && !(rq->route->flags & MR_HTTP_POLL)) {
        mr_log(MR_LOG_ERROR, "handler of a route without MR_HTTP_POLL asked to be called again",
               mr_log_str("route", rq->route->pattern));
        rq->again = false;
    }
    if (!rq->again)
        mr_http_reply_seal(&rq->reply);
}

/* The lock is held on entry and on return. */
static void serve_one(struct mr_http_server *s)
{
    struct mr_http_request *rq = s->queue.head;
    list_remove(&s->queue, rq);
    rq->queued = false;
    if (s->ending && rq->reply.status == 0) {
        mr_http_shed(&rq->reply, "the service is stopping");
        mr_http_reply_seal(&rq->reply);
        rq->again = false;
    } else {
        pthread_mutex_unlock(&s->lock);
        call(rq);
        pthread_mutex_lock(&s->lock);
    }
    if (rq->again && s->stopping) {
        mr_http_shed(&rq->reply, "the service is stopping");
        mr_http_reply_seal(&rq->reply);
        rq->again = false;
    }
    if (rq->again && !rq->gone) {
        wait_until(s, rq, mr_mono_ms() + rq->again_ms);
        return;
    }
    rq->done = true;
    resume(rq);
    struct mr_http_request *last = unref(rq);
    if (last) {
        pthread_mutex_unlock(&s->lock);
        mr_http_request_free(last);
        pthread_mutex_lock(&s->lock);
    }
}

static void *handler_thread(void *arg)
{
    struct mr_http_server *s = arg;
    pthread_mutex_lock(&s->lock);
    for (;;) {
        while (s->queue.n == 0 && !s->ending)
            pthread_cond_wait(&s->work, &s->lock);
        if (s->queue.n == 0)
            break;
        serve_one(s);
    }
    pthread_mutex_unlock(&s->lock);
    return NULL;
}

/* A client that takes longer than its deadline is cut off; shutdown() makes the event thread end the
 * connection. */
static void look_after_connections(struct mr_http_server *s, int64_t now)
{
    for (struct mr_http_conn *c = s->conns; c; c = c->next) {
        if (c->deadline_ms && now >= c->deadline_ms) {
            c->deadline_ms = 0;
            shutdown(c->fd, SHUT_RDWR);
        }
        if (c->rq && c->rq->suspended && now - c->rq->suspended_ms >= s->times.tick_ms)
            resume(c->rq);
    }
}

/* Those whose time has come; at stop all. */
static void wake_waiting(struct mr_http_server *s, int64_t now)
{
    struct mr_http_request *rq;
    while ((rq = s->waiting.head) && (rq->due_ms <= now || s->stopping)) {
        list_remove(&s->waiting, rq);
        rq->waiting = false;
        enqueue(s, rq);
    }
}

static void *timer_thread(void *arg)
{
    struct mr_http_server *s = arg;
    int64_t next_look = mr_mono_ms() + 1000;
    pthread_mutex_lock(&s->lock);
    while (!s->ending) {
        int64_t now = mr_mono_ms();
        wake_waiting(s, now);
        if (now >= next_look) {
            look_after_connections(s, now);
            next_look = now + 1000;
        }
        const struct mr_http_request *first = s->waiting.head;
        int64_t wake = first && first->due_ms < next_look ? first->due_ms : next_look;
        struct timespec at = {.tv_sec = wake / 1000, .tv_nsec = wake % 1000 * 1000000};
        pthread_cond_timedwait(&s->timer, &s->lock, &at);
    }
    pthread_mutex_unlock(&s->lock);
    return NULL;
}

void mr_http_conn_open(struct mr_http_server *s, struct mr_http_conn *c)
{
    pthread_mutex_lock(&s->lock);
    c->deadline_ms = mr_mono_ms() + s->times.idle_ms;
    c->next = s->conns;
    if (c->next)
        c->next->prev = c;
    s->conns = c;
    pthread_mutex_unlock(&s->lock);
}

void mr_http_conn_close(struct mr_http_server *s, struct mr_http_conn *c)
{
    pthread_mutex_lock(&s->lock);
    *(c->prev ? &c->prev->next : &s->conns) = c->next;
    if (c->next)
        c->next->prev = c->prev;
    pthread_mutex_unlock(&s->lock);
}

void mr_http_conn_deadline(struct mr_http_server *s, struct mr_http_conn *c, struct mr_http_request *rq,
                           int64_t in_ms)
{
    pthread_mutex_lock(&s->lock);
    c->rq = rq;
    c->deadline_ms = mr_mono_ms() + in_ms;
    pthread_mutex_unlock(&s->lock);
}

enum mr_status mr_http_pool_start(struct mr_http_server *s, size_t threads, struct mr_error *err)
{
    pthread_condattr_t monotonic;
    pthread_condattr_init(&monotonic);
    pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    pthread_mutex_init(&s->lock, NULL);
    pthread_cond_init(&s->work, NULL);
    pthread_cond_init(&s->timer, &monotonic);
    pthread_cond_init(&s->drained, &monotonic);
    pthread_condattr_destroy(&monotonic);
    s->threads = calloc(threads, sizeof(*s->threads));
    int failed = s->threads ? pthread_create(&s->timer_thread, NULL, timer_thread, s) : 1;
    s->timer_started = !failed;
    while (!failed && s->n_threads < threads) {
        failed = pthread_create(&s->threads[s->n_threads], NULL, handler_thread, s);
        s->n_threads += !failed;
    }
    if (failed)
        return mr_error_set(err, MR_CLASS_FATAL, failed,
                            "start %zu HTTP handler threads: no memory or threads left", threads);
    return MR_OK;
}

static void wait_drained(struct mr_http_server *s, int64_t until_ms)
{
    struct timespec at = {.tv_sec = until_ms / 1000, .tv_nsec = until_ms % 1000 * 1000000};
    while (s->handed > 0 && mr_mono_ms() < until_ms)
        pthread_cond_timedwait(&s->drained, &s->lock, &at);
}

void mr_http_pool_stop(struct mr_http_server *s, int timeout_ms)
{
    pthread_mutex_lock(&s->lock);
    s->stopping = true;
    wake_waiting(s, mr_mono_ms());
    wait_drained(s, mr_mono_ms() + timeout_ms);
    s->ending = true;
    pthread_cond_broadcast(&s->work);
    pthread_cond_signal(&s->timer);
    pthread_mutex_unlock(&s->lock);
    for (size_t i = 0; i < s->n_threads; i++)
        pthread_join(s->threads[i], NULL);
    if (s->timer_started)
        pthread_join(s->timer_thread, NULL);
    pthread_mutex_lock(&s->lock);
    wait_drained(s, mr_mono_ms() + MR_HTTP_FLUSH_MS);
    pthread_mutex_unlock(&s->lock);
}

void mr_http_pool_close(struct mr_http_server *s)
{
    free(s->threads);
    pthread_cond_destroy(&s->work);
    pthread_cond_destroy(&s->timer);
    pthread_cond_destroy(&s->drained);
    pthread_mutex_destroy(&s->lock);
}
