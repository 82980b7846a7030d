/* The streams of a server and the thread that looks after them; for push.c, sse.c, websocket.c and hub.c.
 *
 * Locks: a stream's own, then the hub's. Either may be held when MHD_resume_connection() or
 * MHD_suspend_connection() is called, but libmicrohttpd 0.9.75 reports the end of an upgraded connection with
 * that same lock of its own held, so nothing of ours is locked there. */
#ifndef MR_HTTP_HUB_H
#define MR_HTTP_HUB_H

#include "http/internal.h"
#include "http/push.h"

struct wslay_event_context;

struct mr_push_message {
    struct mr_push_message *next;
    int64_t queued_ms;
    size_t len;
    char text[];
};

struct mr_push {
    atomic_int refs;
    struct mr_push_hub *hub; /* outlives the stream, not the holds on it: only while !gone */
    enum mr_push_kind kind;
    struct mr_push_events events;
    void *ctx;

    pthread_mutex_t lock; /* guards these */
    bool closing;         /* ends when the queue is empty */
    bool cut;             /* ends now */
    bool over;            /* its connection has ended, or will, without us */
    bool gone;            /* as the application was told */
    const char *why;      /* it ended; for the metric */
    struct mr_push_message *head, *tail;
    size_t n, bytes;
    size_t sent; /* of the first message, SSE */
    int64_t last_ms;
    int fd; /* -1: not on the wire (any more) */
    struct MHD_Connection *mhd;
    bool suspended;
    bool polled; /* fd is in the hub's epoll set */
    struct MHD_UpgradeResponseHandle *upgrade;

    bool dirty; /* in the hub's list; guarded by the hub's lock */
    struct mr_push *next_dirty;

    /* the hub's thread only */
    bool listed;
    struct mr_push *prev, *next, *next_round;
    struct wslay_event_context *ws;
    char *early; /* what came with the handshake */
    size_t early_len, early_at;
    size_t budget; /* bytes it may still be given in this round */
    bool eof, draining;
    uint32_t interest;
    int64_t heard_ms, pinged_ms, close_by_ms;
};

struct mr_push_hub {
    struct mr_push_limits limits;
    size_t max;
    int epoll, wake;
    pthread_t thread;
    struct mr_push *list; /* the thread's */

    pthread_mutex_t lock; /* guards these */
    pthread_cond_t changed;
    bool running;
    atomic_bool ending; /* no new ones, and all end */
    bool shut;          /* at once */
    bool quiet;         /* the thread has seen that, and nothing is suspended or upgraded */
    bool finish;        /* the thread ends */
    size_t n;           /* accepted and not reaped */
    struct mr_push *dirty;
};

/* hub.c */
struct mr_push_hub *mr_push_hub_new(size_t max);
void mr_push_hub_end(struct mr_push_hub *h);                  /* tells every stream to end */
void mr_push_hub_shut(struct mr_push_hub *h, int timeout_ms); /* afterwards MHD_stop_daemon() may be called */
void mr_push_hub_free(struct mr_push_hub *h);                 /* after it */
bool mr_push_hub_add(struct mr_push_hub *h, struct mr_push *p, const char **why); /* takes a hold */
/* Makes the thread look at it. The stream's lock may be held. */
void mr_push_touch(struct mr_push *p);
void mr_push_unref(struct mr_push *p);

/* push.c */
enum mr_status mr_push_queue(struct mr_push *p, struct mr_push_message *m); /* takes it; the lock is held */
struct mr_push_message *mr_push_pop(struct mr_push *p);                     /* the lock is held */
void mr_push_cut(struct mr_push *p, const char *why);                       /* the lock is held */
void mr_push_drop_queue(struct mr_push *p);
void mr_push_request_ended(struct mr_push *p); /* its request is freed: takes the request's hold */
enum MHD_Result mr_push_reply_send(struct mr_http_request *rq);

/* sse.c */
struct mr_push_message *mr_sse_message(const char *event, const char *id, struct mr_span text);
struct MHD_Response *mr_sse_response(struct mr_push *p);
void mr_sse_wake(struct mr_push *p); /* the lock is held */

/* websocket.c; the hub's thread but for the first two. */
bool mr_websocket_handshake(struct mr_http_request *rq, struct mr_http_reply *rp);
struct MHD_Response *mr_websocket_response(struct mr_push *p);
void mr_websocket_turn(struct mr_push *p, uint32_t ready); /* EPOLL* */
void mr_websocket_tick(struct mr_push *p, int64_t now);
void mr_websocket_finish(struct mr_push *p);

#endif
