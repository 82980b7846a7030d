/* One thread for all streams of a server: it speaks WebSocket, keeps quiet streams alive, cuts slow ones, and
 * tells applications that a client is gone. It starts with the first stream. */
#include "http/hub.h"

#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "metrics/metrics.h"

#define EVENTS   64
#define FINAL_MS 1000 /* at stop: for the thread's last round */

struct mr_push_hub *mr_push_hub_new(size_t max)
{
    struct mr_push_hub *h = calloc(1, sizeof(*h));
    if (!h)
        return NULL;
    h->limits = mr_push_limits;
    h->max = max;
    h->epoll = h->wake = -1;
    pthread_condattr_t monotonic;
    pthread_condattr_init(&monotonic);
    pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    pthread_mutex_init(&h->lock, NULL);
    pthread_cond_init(&h->changed, &monotonic);
    pthread_condattr_destroy(&monotonic);
    return h;
}

static void ring(const struct mr_push_hub *h)
{
    uint64_t one = 1;
    ssize_t n = write(h->wake, &one, sizeof(one)); /* can only fail when it is rung already */
    (void)n;
}

/* The hub's lock is held. */
static void make_dirty(struct mr_push_hub *h, struct mr_push *p)
{
    if (p->dirty)
        return;
    p->dirty = true;
    atomic_fetch_add(&p->refs, 1);
    p->next_dirty = h->dirty;
    h->dirty = p;
    ring(h);
}

void mr_push_touch(struct mr_push *p)
{
    struct mr_push_hub *h = p->hub;
    pthread_mutex_lock(&h->lock);
    make_dirty(h, p);
    pthread_mutex_unlock(&h->lock);
}

/* A stream is in the list from its acceptance until it is reaped; the list holds it. */
static void list_add(struct mr_push_hub *h, struct mr_push *p)
{
    p->listed = true;
    p->next = h->list;
    if (p->next)
        p->next->prev = p;
    h->list = p;
    mr_metric_add(MR_M_http_streams, p->kind == MR_PUSH_EVENTS ? "sse" : "websocket", 1);
}

static void reap(struct mr_push_hub *h, struct mr_push *p)
{
    pthread_mutex_lock(&p->lock);
    p->gone = true;
    const char *why = p->why ? p->why : "client";
    mr_push_drop_queue(p);
    pthread_mutex_unlock(&p->lock);
    if (p->events.gone)
        p->events.gone(p->ctx, p);
    mr_metric_add(MR_M_http_streams, p->kind == MR_PUSH_EVENTS ? "sse" : "websocket", -1);
    mr_metric_add(MR_M_http_streams_ended, why, 1);
    *(p->prev ? &p->prev->next : &h->list) = p->next;
    if (p->next)
        p->next->prev = p->prev;
    pthread_mutex_lock(&h->lock);
    h->n--;
    pthread_cond_broadcast(&h->changed);
    pthread_mutex_unlock(&h->lock);
    mr_push_unref(p);
}

static void watch_for_leaving(struct mr_push_hub *h, struct mr_push *p)
{
    struct epoll_event event = {.events = EPOLLRDHUP | EPOLLONESHOT, .data.ptr = p};
    pthread_mutex_lock(&p->lock);
    if (p->fd >= 0 && !p->polled && !p->over)
        p->polled = epoll_ctl(h->epoll, EPOLL_CTL_ADD, p->fd, &event) == 0;
    pthread_mutex_unlock(&p->lock);
}

static bool is_over(struct mr_push *p)
{
    pthread_mutex_lock(&p->lock);
    bool over = p->over;
    pthread_mutex_unlock(&p->lock);
    return over;
}

/* Something about it has changed. */
static void attend(struct mr_push_hub *h, struct mr_push *p)
{
    if (p->gone)
        return;
    if (!p->listed)
        list_add(h, p);
    if (p->kind == MR_PUSH_EVENTS)
        watch_for_leaving(h, p);
    else
        mr_websocket_turn(p, 0);
    if (is_over(p))
        reap(h, p);
}

static void attend_dirty(struct mr_push_hub *h)
{
    struct mr_push *chain = NULL, *next;
    pthread_mutex_lock(&h->lock);
    for (struct mr_push *p = h->dirty; p; p = next) { /* the oldest comes first */
        next = p->next_dirty;
        p->dirty = false;
        p->next_round = chain;
        chain = p;
    }
    h->dirty = NULL;
    pthread_mutex_unlock(&h->lock);
    for (struct mr_push *p = chain; p; p = next) {
        next = p->next_round;
        attend(h, p);
        mr_push_unref(p);
    }
}

static void tick_one(struct mr_push_hub *h, struct mr_push *p, int64_t now)
{
    pthread_mutex_lock(&p->lock);
    bool quiet = now - p->last_ms >= h->limits.heartbeat_ms;
    if (p->head && now - p->head->queued_ms >= h->limits.slow_ms) {
        mr_push_cut(p, "slow");
    } else if (p->kind == MR_PUSH_EVENTS && quiet && p->fd >= 0 && !p->closing) {
        static const char comment[] = ":\n\n";
        struct mr_push_message *m = malloc(sizeof(*m) + sizeof(comment));
        if (m) {
            memcpy(m->text, comment, sizeof(comment));
            m->len = sizeof(comment) - 1;
            mr_push_queue(p, m);
        }
    }
    pthread_mutex_unlock(&p->lock);
    if (p->kind == MR_PUSH_WEBSOCKET)
        mr_websocket_tick(p, now);
}

/* Told to end, or at once: every stream that is known, and those that come meanwhile. */
static void end_all(struct mr_push_hub *h, bool at_once)
{
    for (struct mr_push *p = h->list; p; p = p->next) {
        if (!at_once) {
            mr_push_close(p);
            continue;
        }
        pthread_mutex_lock(&p->lock);
        mr_push_cut(p, "server");
        pthread_mutex_unlock(&p->lock);
    }
}

static void tick(struct mr_push_hub *h)
{
    int64_t now = mr_mono_ms();
    pthread_mutex_lock(&h->lock);
    bool shut = h->shut;
    pthread_mutex_unlock(&h->lock);
    if (atomic_load(&h->ending))
        end_all(h, shut);
    for (struct mr_push *p = h->list, *next; p; p = next) {
        next = p->next;
        tick_one(h, p, now);
        if (p->kind == MR_PUSH_WEBSOCKET && is_over(p))
            reap(h, p);
    }
    if (!shut)
        return;
    attend_dirty(h);
    pthread_mutex_lock(&h->lock);
    h->quiet = true;
    pthread_cond_broadcast(&h->changed);
    pthread_mutex_unlock(&h->lock);
}

static int64_t tick_every(const struct mr_push_hub *h)
{
    int64_t ms = h->limits.heartbeat_ms / 4;
    return ms < 10 ? 10 : ms > 1000 ? 1000 : ms;
}

static bool finished(struct mr_push_hub *h)
{
    pthread_mutex_lock(&h->lock);
    bool finish = h->finish && !h->dirty;
    pthread_mutex_unlock(&h->lock);
    return finish;
}

static void dispatch(struct mr_push_hub *h, const struct epoll_event *event)
{
    struct mr_push *p = event->data.ptr;
    uint64_t rung;
    if (!p) {
        ssize_t n = read(h->wake, &rung, sizeof(rung));
        (void)n;
    } else if (p->kind == MR_PUSH_WEBSOCKET) {
        mr_websocket_turn(p, event->events);
        if (is_over(p))
            mr_push_touch(p); /* is reaped after this round of events, which may name it again */
    } else {
        pthread_mutex_lock(&p->lock);
        mr_push_cut(p, "client");
        pthread_mutex_unlock(&p->lock);
    }
}

static void *hub_thread(void *arg)
{
    struct mr_push_hub *h = arg;
    struct epoll_event events[EVENTS];
    int64_t next_tick = mr_mono_ms() + tick_every(h);
    while (!finished(h)) {
        int64_t now = mr_mono_ms();
        int n = epoll_wait(h->epoll, events, EVENTS, now < next_tick ? (int)(next_tick - now) : 0);
        for (int i = 0; i < n; i++)
            dispatch(h, &events[i]);
        attend_dirty(h);
        if (mr_mono_ms() >= next_tick || atomic_load(&h->ending)) {
            tick(h);
            next_tick = mr_mono_ms() + tick_every(h);
        }
    }
    while (h->list)
        reap(h, h->list); /* of those nobody ended: their connections are no more */
    return NULL;
}

/* The hub's lock is held. */
static bool start_thread(struct mr_push_hub *h)
{
    struct epoll_event event = {.events = EPOLLIN};
    if (h->running)
        return true;
    if (h->epoll < 0)
        h->epoll = epoll_create1(EPOLL_CLOEXEC);
    if (h->wake < 0) {
        h->wake = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
        if (h->wake >= 0 && epoll_ctl(h->epoll, EPOLL_CTL_ADD, h->wake, &event) != 0) {
            close(h->wake);
            h->wake = -1;
        }
    }
    h->running = h->epoll >= 0 && h->wake >= 0 && pthread_create(&h->thread, NULL, hub_thread, h) == 0;
    return h->running;
}

bool mr_push_hub_add(struct mr_push_hub *h, struct mr_push *p, const char **why)
{
    pthread_mutex_lock(&h->lock);
    if (atomic_load(&h->ending))
        *why = "the service is stopping";
    else if (h->n >= h->max)
        *why = "the service has too many streams";
    else if (!start_thread(h))
        *why = "there is no thread for streams";
    else
        *why = NULL;
    if (!*why) {
        h->n++;
        atomic_fetch_add(&p->refs, 1); /* the list's */
        make_dirty(h, p);
    }
    pthread_mutex_unlock(&h->lock);
    return !*why;
}

void mr_push_hub_end(struct mr_push_hub *h)
{
    pthread_mutex_lock(&h->lock);
    atomic_store(&h->ending, true);
    if (h->running)
        ring(h);
    pthread_mutex_unlock(&h->lock);
}

static void wait_reaped(struct mr_push_hub *h, int64_t until_ms)
{
    struct timespec at = {.tv_sec = until_ms / 1000, .tv_nsec = until_ms % 1000 * 1000000};
    while (h->n > 0 && mr_mono_ms() < until_ms)
        pthread_cond_timedwait(&h->changed, &h->lock, &at);
}

void mr_push_hub_shut(struct mr_push_hub *h, int timeout_ms)
{
    pthread_mutex_lock(&h->lock);
    if (h->running) {
        wait_reaped(h, mr_mono_ms() + timeout_ms);
        h->shut = true;
        ring(h);
        while (!h->quiet)
            pthread_cond_wait(&h->changed, &h->lock);
        wait_reaped(h, mr_mono_ms() + FINAL_MS);
    }
    pthread_mutex_unlock(&h->lock);
}

void mr_push_hub_free(struct mr_push_hub *h)
{
    if (!h)
        return;
    pthread_mutex_lock(&h->lock);
    h->finish = true;
    bool running = h->running;
    if (running)
        ring(h);
    pthread_mutex_unlock(&h->lock);
    if (running)
        pthread_join(h->thread, NULL);
    if (h->wake >= 0)
        close(h->wake);
    if (h->epoll >= 0)
        close(h->epoll);
    pthread_cond_destroy(&h->changed);
    pthread_mutex_destroy(&h->lock);
    free(h);
}
