/* A stream as its application sees it: accepting, the queue, ending. */
#include "http/push.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#include "base/clock.h"
#include "http/hub.h"

struct mr_push_limits mr_push_limits = {
    .heartbeat_ms = 15000, .silence_ms = 50000, .slow_ms = 30000, .messages = 256, .bytes = 1u << 20};

static struct mr_push *push_new(struct mr_push_hub *h, enum mr_push_kind kind,
                                const struct mr_push_events *events, void *ctx)
{
    struct mr_push *p = calloc(1, sizeof(*p));
    if (!p)
        return NULL;
    atomic_init(&p->refs, 2); /* the application's and the request's */
    pthread_mutex_init(&p->lock, NULL);
    p->hub = h;
    p->kind = kind;
    if (events)
        p->events = *events;
    p->ctx = ctx;
    p->fd = -1;
    p->last_ms = p->heard_ms = p->pinged_ms = mr_mono_ms();
    return p;
}

static void push_free(struct mr_push *p)
{
    mr_push_drop_queue(p);
    pthread_mutex_destroy(&p->lock);
    free(p->early);
    free(p);
}

void mr_push_unref(struct mr_push *p)
{
    if (atomic_fetch_sub(&p->refs, 1) == 1)
        push_free(p);
}

struct mr_push *mr_push_accept(struct mr_http_request *rq, struct mr_http_reply *rp, enum mr_push_kind kind,
                               const struct mr_push_events *events, void *ctx)
{
    const char *why = "there is no memory for the stream";
    if (kind == MR_PUSH_WEBSOCKET && !mr_websocket_handshake(rq, rp))
        return NULL;
    struct mr_push *p = push_new(rq->server->hub, kind, events, ctx);
    if (!p || !mr_push_hub_add(rq->server->hub, p, &why)) {
        if (p)
            push_free(p); /* nobody else has seen it */
        mr_http_reply_reset(rp);
        mr_http_shed(rp, why);
        return NULL;
    }
    if (rq->push)
        mr_push_request_ended(rq->push); /* a handler that accepts twice means the second */
    rq->push = p;
    mr_http_reply_empty(rp, kind == MR_PUSH_WEBSOCKET ? 101 : 200);
    return p;
}

void mr_push_release(struct mr_push **p)
{
    if (*p)
        mr_push_unref(*p);
    *p = NULL;
}

void mr_push_drop_queue(struct mr_push *p)
{
    struct mr_push_message *m;
    while ((m = mr_push_pop(p)))
        free(m);
}

struct mr_push_message *mr_push_pop(struct mr_push *p)
{
    struct mr_push_message *m = p->head;
    if (!m)
        return NULL;
    p->head = m->next;
    if (!p->head)
        p->tail = NULL;
    p->n--;
    p->bytes -= m->len;
    p->sent = 0;
    return m;
}

/* What takes a stream's next step: for SSE the event thread, for a WebSocket the hub's. */
static void wake(struct mr_push *p)
{
    if (p->kind == MR_PUSH_EVENTS)
        mr_sse_wake(p);
    else
        mr_push_touch(p);
}

void mr_push_cut(struct mr_push *p, const char *why)
{
    if (p->cut || p->over)
        return;
    p->cut = p->closing = true;
    if (!p->why)
        p->why = why;
    mr_push_drop_queue(p);
    if (p->fd >= 0)
        shutdown(p->fd, SHUT_RDWR); /* so that whatever waits for the socket sees the end */
    wake(p);
}

enum mr_status mr_push_queue(struct mr_push *p, struct mr_push_message *m)
{
    if (p->gone || p->over || p->closing) {
        free(m);
        return MR_FAIL;
    }
    if (p->n >= p->hub->limits.messages || p->bytes + m->len > p->hub->limits.bytes) {
        free(m);
        mr_push_cut(p, "slow");
        return MR_FAIL;
    }
    m->next = NULL;
    m->queued_ms = p->last_ms = mr_mono_ms();
    *(p->tail ? &p->tail->next : &p->head) = m;
    p->tail = m;
    p->n++;
    p->bytes += m->len;
    wake(p);
    return MR_OK;
}

static bool one_line(const char *field)
{
    return !field || !strpbrk(field, "\r\n");
}

enum mr_status mr_push_send(struct mr_push *p, const char *event, const char *id, struct mr_span text)
{
    struct mr_push_message *m = NULL;
    if (text.len > MR_PUSH_MESSAGE_MAX || !one_line(event) || !one_line(id))
        return MR_FAIL;
    if (p->kind == MR_PUSH_EVENTS) {
        m = mr_sse_message(event, id, text);
    } else if ((m = malloc(sizeof(*m) + text.len))) {
        m->len = text.len;
        if (text.len > 0)
            memcpy(m->text, text.p, text.len);
    }
    if (!m)
        return MR_FAIL;
    pthread_mutex_lock(&p->lock);
    enum mr_status status = mr_push_queue(p, m);
    pthread_mutex_unlock(&p->lock);
    return status;
}

void mr_push_close(struct mr_push *p)
{
    pthread_mutex_lock(&p->lock);
    if (!p->gone && !p->over && !p->closing) {
        p->closing = true;
        p->why = "server";
        wake(p);
    }
    pthread_mutex_unlock(&p->lock);
}

/* A WebSocket that was upgraded is ended by the hub, which has done so when its request is freed. */
void mr_push_request_ended(struct mr_push *p)
{
    if (p->upgrade) {
        mr_push_unref(p);
        return;
    }
    pthread_mutex_lock(&p->lock);
    p->over = true;
    p->suspended = false;
    if (p->fd >= 0 && p->polled)
        epoll_ctl(p->hub->epoll, EPOLL_CTL_DEL, p->fd, NULL);
    p->fd = -1;
    mr_push_touch(p);
    pthread_mutex_unlock(&p->lock);
    mr_push_unref(p);
}

/* A peer that vanished without a word is noticed by the system too. */
static void set_patience(int fd)
{
    unsigned ms = 30000;
    int on = 1;
    setsockopt(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, &ms, sizeof(ms));
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
}

enum MHD_Result mr_push_reply_send(struct mr_http_request *rq)
{
    struct mr_push *p = rq->push;
    struct MHD_Response *response = p->kind == MR_PUSH_EVENTS ? mr_sse_response(p) : mr_websocket_response(p);
    if (!response)
        return MHD_NO;
    set_patience(rq->conn->fd);
    pthread_mutex_lock(&p->lock);
    p->mhd = rq->mhd;
    p->fd = p->kind == MR_PUSH_EVENTS ? rq->conn->fd : -1;
    if (p->kind == MR_PUSH_EVENTS)
        mr_push_touch(p); /* the hub watches whether the client leaves */
    pthread_mutex_unlock(&p->lock);
    mr_http_pool_streams(rq);
    mr_http_reply_headers(rq, response);
    enum MHD_Result result = MHD_queue_response(rq->mhd, rq->reply.status, response);
    MHD_destroy_response(response);
    return result;
}
