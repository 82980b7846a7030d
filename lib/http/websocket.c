/* WebSocket (RFC 6455) over a connection that libmicrohttpd handed over; wslay frames. Only the hub's thread
 * reads and writes it. */
#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#include <openssl/evp.h>
#include <openssl/sha.h>
#include <wslay/wslay.h>

#include "base/clock.h"
#include "http/hub.h"

#define ACCEPT_GUID "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
#define KEY_LEN     24          /* 16 bytes in base64 */
#define ROUND_BYTES (64u << 10) /* read at once, so that one client does not keep the others waiting */
#define BACKLOG_MAX (64u << 10) /* of pongs: a client that does not take them is not read from */
#define PONGS_MAX   1024
#define CLOSE_MS    2000 /* for the client's side of the closing handshake */

static bool has_token(const char *header, const char *token)
{
    size_t len = strlen(token);
    for (const char *p = header; p && *p; p += strcspn(p, ",")) {
        p += strspn(p, ", \t");
        if (strncasecmp(p, token, len) == 0 && strchr(", \t", p[len]))
            return true;
    }
    return false;
}

/* Sixteen bytes in base64: 22 characters of the alphabet and "==". */
static bool good_key(const char *key)
{
    static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    return key && strlen(key) == KEY_LEN && strspn(key, alphabet) == KEY_LEN - 2 &&
           strcmp(key + KEY_LEN - 2, "==") == 0;
}

static void accept_value(const char *key, char out[32])
{
    char text[KEY_LEN + sizeof(ACCEPT_GUID)];
    unsigned char digest[SHA_DIGEST_LENGTH];
    memcpy(text, key, KEY_LEN);
    memcpy(text + KEY_LEN, ACCEPT_GUID, sizeof(ACCEPT_GUID));
    SHA1((const unsigned char *)text, strlen(text), digest);
    EVP_EncodeBlock((unsigned char *)out, digest, sizeof(digest));
}

bool mr_websocket_handshake(struct mr_http_request *rq, struct mr_http_reply *rp)
{
    const char *key = mr_http_header(rq, "Sec-WebSocket-Key");
    const char *version = mr_http_header(rq, "Sec-WebSocket-Version");
    char accept[32];
    if (rq->head || !has_token(mr_http_header(rq, "Upgrade"), "websocket") ||
        !has_token(mr_http_header(rq, "Connection"), "upgrade")) {
        mr_http_problem(rp, 426, "upgrade-required", "this is a WebSocket: Upgrade: websocket is needed");
        mr_http_reply_header(rp, "Upgrade", "websocket");
    } else if (!version || strcmp(version, "13") != 0) {
        mr_http_problem(rp, 426, "upgrade-required", "of WebSocket only version 13 is spoken");
        mr_http_reply_header(rp, "Upgrade", "websocket");
        mr_http_reply_header(rp, "Sec-WebSocket-Version", "13");
    } else if (!good_key(key)) {
        mr_http_problem(rp, 400, "invalid-request", "Sec-WebSocket-Key must be 16 bytes in base64");
    } else {
        accept_value(key, accept);
        mr_http_reply_header(rp, "Upgrade", "websocket");
        mr_http_reply_header(rp, "Sec-WebSocket-Accept", accept);
        return true;
    }
    return false;
}

/* The event thread hands the socket over. At stop it is closed right here, as the hub looks no more. */
static void upgraded(void *ctx, struct MHD_Connection *mhd, void *request, const char *early,
                     size_t early_len, MHD_socket fd, struct MHD_UpgradeResponseHandle *upgrade)
{
    (void)mhd;
    struct mr_push *p = ctx;
    ((struct mr_http_request *)request)->upgraded = true;
    fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK);
    pthread_mutex_lock(&p->lock);
    p->upgrade = upgrade;
    if (early_len > 0 && (p->early = malloc(early_len))) {
        memcpy(p->early, early, early_len);
        p->early_len = early_len;
    }
    pthread_mutex_lock(&p->hub->lock);
    bool late = p->hub->shut || (early_len > 0 && !p->early);
    pthread_mutex_unlock(&p->hub->lock);
    if (late)
        p->over = true;
    else
        p->fd = fd;
    mr_push_touch(p);
    pthread_mutex_unlock(&p->lock);
    if (late)
        MHD_upgrade_action(upgrade, MHD_UPGRADE_ACTION_CLOSE);
}

struct MHD_Response *mr_websocket_response(struct mr_push *p)
{
    return MHD_create_response_for_upgrade(upgraded, p);
}

static ssize_t receive(wslay_event_context_ptr ws, uint8_t *out, size_t size, int flags, void *ctx)
{
    (void)flags;
    struct mr_push *p = ctx;
    if (size > p->budget)
        size = p->budget;
    if (size == 0) {
        wslay_event_set_error(ws, WSLAY_ERR_WOULDBLOCK);
        return -1;
    }
    if (p->early_at < p->early_len) {
        if (size > p->early_len - p->early_at)
            size = p->early_len - p->early_at;
        memcpy(out, p->early + p->early_at, size);
        p->early_at += size;
        p->budget -= size;
        return (ssize_t)size;
    }
    ssize_t n;
    do
        n = recv(p->fd, out, size, 0);
    while (n < 0 && errno == EINTR);
    if (n > 0) {
        p->budget -= (size_t)n;
        p->heard_ms = mr_mono_ms();
        return n;
    }
    bool later = n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK);
    p->eof = !later;
    wslay_event_set_error(ws, later ? WSLAY_ERR_WOULDBLOCK : WSLAY_ERR_CALLBACK_FAILURE);
    return -1;
}

static ssize_t transmit(wslay_event_context_ptr ws, const uint8_t *data, size_t len, int flags, void *ctx)
{
    struct mr_push *p = ctx;
    ssize_t n;
    do
        n = send(p->fd, data, len, MSG_NOSIGNAL | (flags & WSLAY_MSG_MORE ? MSG_MORE : 0));
    while (n < 0 && errno == EINTR);
    if (n >= 0)
        return n;
    bool later = errno == EAGAIN || errno == EWOULDBLOCK;
    p->eof = !later;
    wslay_event_set_error(ws, later ? WSLAY_ERR_WOULDBLOCK : WSLAY_ERR_CALLBACK_FAILURE);
    return -1;
}

static void close_with(struct mr_push *p, uint16_t code, int64_t now)
{
    if (p->close_by_ms)
        return;
    p->close_by_ms = now + CLOSE_MS;
    wslay_event_queue_close(p->ws, code, NULL, 0);
}

static void on_message(wslay_event_context_ptr ws, const struct wslay_event_on_msg_recv_arg *arg, void *ctx)
{
    (void)ws;
    struct mr_push *p = ctx;
    if (arg->opcode == WSLAY_TEXT_FRAME && p->events.text && !p->close_by_ms)
        p->events.text(p->ctx, p, (struct mr_span){(const char *)arg->msg, arg->msg_length});
    else if (arg->opcode == WSLAY_BINARY_FRAME)
        close_with(p, WSLAY_CODE_UNSUPPORTED_DATA, mr_mono_ms());
}

static bool open_frames(struct mr_push *p)
{
    static const struct wslay_event_callbacks callbacks = {
        .recv_callback = receive, .send_callback = transmit, .on_msg_recv_callback = on_message};
    if (wslay_event_context_server_init(&p->ws, &callbacks, p) != 0)
        return false;
    wslay_event_config_set_max_recv_msg_length(p->ws, MR_PUSH_MESSAGE_MAX);
    p->heard_ms = p->pinged_ms = mr_mono_ms();
    return true;
}

/* One message at a time goes to wslay, which copies it: what waits stays ours to count. */
static bool write_out(struct mr_push *p, int64_t now)
{
    for (;;) {
        if (wslay_event_want_write(p->ws)) {
            if (wslay_event_send(p->ws) != 0)
                return false;
            if (wslay_event_want_write(p->ws))
                return true; /* the socket is full */
        }
        pthread_mutex_lock(&p->lock);
        struct mr_push_message *m = mr_push_pop(p);
        bool closing = p->closing, ending = atomic_load(&p->hub->ending);
        pthread_mutex_unlock(&p->lock);
        if (!m && closing && !p->close_by_ms)
            close_with(p, ending ? WSLAY_CODE_GOING_AWAY : WSLAY_CODE_NORMAL_CLOSURE, now);
        else if (!m)
            return true;
        if (!m)
            continue;
        struct wslay_event_msg message = {WSLAY_TEXT_FRAME, (const uint8_t *)m->text, m->len};
        int rc = wslay_event_queue_msg(p->ws, &message);
        free(m);
        if (rc != 0)
            return rc == WSLAY_ERR_NO_MORE_MSG; /* the client is closing: it wants nothing more */
    }
}

static bool watch(struct mr_push *p)
{
    bool full = wslay_event_get_queued_msg_length(p->ws) > BACKLOG_MAX ||
                wslay_event_get_queued_msg_count(p->ws) > PONGS_MAX;
    struct epoll_event event = {.data.ptr = p};
    if (p->draining || (wslay_event_want_read(p->ws) && !full))
        event.events |= EPOLLIN;
    if (wslay_event_want_write(p->ws))
        event.events |= EPOLLOUT;
    if (p->polled && event.events == p->interest)
        return true;
    if (epoll_ctl(p->hub->epoll, p->polled ? EPOLL_CTL_MOD : EPOLL_CTL_ADD, p->fd, &event) != 0)
        return false;
    p->polled = true;
    p->interest = event.events;
    return true;
}

/* Closing a socket with unread bytes would reset it, and the client might never read why it was closed. */
static bool drain(struct mr_push *p)
{
    uint8_t rest[4096];
    if (!p->draining) {
        p->draining = true;
        p->close_by_ms = mr_mono_ms() + CLOSE_MS;
        shutdown(p->fd, SHUT_WR);
    }
    while (receive(p->ws, rest, sizeof(rest), 0, p) > 0)
        ;
    return !p->eof && watch(p);
}

/* False: the connection is of no more use. */
static bool turn(struct mr_push *p, uint32_t ready)
{
    bool first = !p->ws;
    if (first && !open_frames(p))
        return false;
    p->budget = ROUND_BYTES;
    if (p->draining)
        return drain(p);
    if ((first || (ready & (EPOLLIN | EPOLLHUP | EPOLLERR))) && wslay_event_recv(p->ws) != 0)
        return false;
    if (!write_out(p, mr_mono_ms()) || p->eof)
        return false;
    if (wslay_event_get_close_sent(p->ws) && wslay_event_get_close_received(p->ws))
        return false;
    return wslay_event_want_read(p->ws) || wslay_event_want_write(p->ws) ? watch(p) : drain(p);
}

void mr_websocket_finish(struct mr_push *p)
{
    struct MHD_UpgradeResponseHandle *upgrade;
    pthread_mutex_lock(&p->lock);
    if (p->fd >= 0 && p->polled)
        epoll_ctl(p->hub->epoll, EPOLL_CTL_DEL, p->fd, NULL);
    upgrade = p->fd >= 0 ? p->upgrade : NULL;
    p->fd = -1;
    p->over = true;
    pthread_mutex_unlock(&p->lock);
    if (p->ws)
        wslay_event_context_free(p->ws);
    p->ws = NULL;
    if (upgrade)
        MHD_upgrade_action(upgrade, MHD_UPGRADE_ACTION_CLOSE);
}

void mr_websocket_turn(struct mr_push *p, uint32_t ready)
{
    pthread_mutex_lock(&p->lock);
    bool open = p->fd >= 0 && !p->over, cut = p->cut;
    pthread_mutex_unlock(&p->lock);
    if (open && (cut || !turn(p, ready)))
        mr_websocket_finish(p);
}

void mr_websocket_tick(struct mr_push *p, int64_t now)
{
    if (!p->ws)
        return;
    const struct mr_push_limits *limits = &p->hub->limits;
    if (p->eof || now - p->heard_ms >= limits->silence_ms || (p->close_by_ms && now >= p->close_by_ms)) {
        mr_websocket_finish(p);
        return;
    }
    if (now - p->pinged_ms >= limits->heartbeat_ms && !p->close_by_ms && !wslay_event_want_write(p->ws)) {
        struct wslay_event_msg ping = {WSLAY_PING, NULL, 0};
        p->pinged_ms = now;
        wslay_event_queue_msg(p->ws, &ping);
        mr_websocket_turn(p, 0);
    }
}
