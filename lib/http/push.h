/* Pushing to clients: Server-Sent Events (WHATWG HTML, 9.2) and WebSocket (RFC 6455).
 *
 * A handler accepts the request as a stream and returns; from then on any thread may send. Nothing here
 * blocks: messages queue up to a bound per client, and a client that lets them pile up or age is cut off: it
 * comes back and asks for what it missed. Who may listen is decided as for every route (MR_HTTP_AUTH).
 * The Origin header is not looked at: a browser never adds our bearer token by itself, so a foreign page has
 * nothing to ride on. */
#ifndef MR_HTTP_PUSH_H
#define MR_HTTP_PUSH_H

#include "base/span.h"
#include "http/server.h"

#define MR_PUSH_MESSAGE_MAX (64u << 10) /* bytes, either way */

struct mr_push;

enum mr_push_kind { MR_PUSH_EVENTS, MR_PUSH_WEBSOCKET };

/* Called on the streams' one thread: they must not block. */
struct mr_push_events {
    /* A text message of the client (WebSocket only): UTF-8, at most MR_PUSH_MESSAGE_MAX, valid until it
     * returns. NULL: what clients say is read and dropped. A binary message ends the stream (1003). */
    void (*text)(void *ctx, struct mr_push *p, struct mr_span text);
    /* The client is gone, by whoever's doing; exactly once and the last. May be NULL. */
    void (*gone)(void *ctx, struct mr_push *p);
};

/* In a handler, instead of a reply. The stream is the caller's to release; it may send at once, though the
 * client hears nothing before the handler returns. NULL: the reply holds a problem: 426 (not a WebSocket
 * handshake), 400 (a bad one), 503 (as many streams as http.streams, or stopping). */
struct mr_push *mr_push_accept(struct mr_http_request *rq, struct mr_http_reply *rp, enum mr_push_kind kind,
                               const struct mr_push_events *events, void *ctx);

/* One message of UTF-8 text, copied. event and id (either may be NULL) are SSE's fields and mean nothing on a
 * WebSocket. Any thread. MR_FAIL: it was not taken, as the stream is over, or is now, or a field is not
 * one line. */
enum mr_status mr_push_send(struct mr_push *p, const char *event, const char *id, struct mr_span text);

/* Ends the stream once what was sent is out. Any thread; twice is fine. */
void mr_push_close(struct mr_push *p);

/* Gives the caller's hold back, whether the stream is over or not; clears *p. Any thread. */
void mr_push_release(struct mr_push **p);

/* How patient streams are. Taken by every server that starts; tests, which have less time, change it. */
struct mr_push_limits {
    int64_t heartbeat_ms; /* an SSE comment or a ping after this long without a message */
    int64_t silence_ms;   /* a WebSocket from which nothing came for this long, pongs too, is dead */
    int64_t slow_ms;      /* how long a message may wait for its client */
    size_t messages, bytes;
};
extern struct mr_push_limits mr_push_limits;

#endif
