/* Streams over real sockets: what clients see of SSE and WebSocket, and what becomes of those that leave,
 * dawdle or misbehave. */
#include "exchange.h"

#include <pthread.h>
#include <stdatomic.h>

#include "base/clock.h"
#include "http/hub.h"

static struct mr_config cfg = {
    .listen = "127.0.0.1:0",
    .http_threads = 2,
    .http_queue = 64,
    .http_connections = 512,
    .http_streams = 64,
    .http_body_max = 4096,
    .jwt_key = "0123456789abcdef0123456789abcdef",
    .jwt_kid = "1",
    .jwt_issuer = "millrace",
    .jwt_audience = "millrace",
};

static struct mr_http_server *server;
static struct mr_token_key *key;

/* What the application, here the test, knows of its streams. */
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct mr_push *streams[256];
static size_t n_streams;
static atomic_int gone, heard;
static char heard_text[MR_PUSH_MESSAGE_MAX + 1];
static size_t heard_len;

static void on_text(void *ctx, struct mr_push *p, struct mr_span text)
{
    (void)ctx;
    pthread_mutex_lock(&lock);
    memcpy(heard_text, text.p, text.len);
    heard_len = text.len;
    pthread_mutex_unlock(&lock);
    atomic_fetch_add(&heard, 1);
    if (mr_span_is(text, "bye"))
        mr_push_close(p);
    else
        mr_push_send(p, NULL, NULL, text);
}

static void on_gone(void *ctx, struct mr_push *p)
{
    (void)ctx;
    assert_int_equal(mr_push_send(p, NULL, NULL, mr_span_of("too late")), MR_FAIL);
    atomic_fetch_add(&gone, 1);
}

static void accept_stream(enum mr_push_kind kind, struct mr_http_request *rq, struct mr_http_reply *rp)
{
    static const struct mr_push_events events = {on_text, on_gone};
    struct mr_push *p = mr_push_accept(rq, rp, kind, &events, NULL);
    if (!p)
        return;
    mr_push_send(p, "hello", "0", mr_span_of("first"));
    pthread_mutex_lock(&lock);
    streams[n_streams++] = p;
    pthread_mutex_unlock(&lock);
}

static void events(void *ctx, struct mr_http_request *rq, struct mr_http_reply *rp)
{
    (void)ctx;
    accept_stream(MR_PUSH_EVENTS, rq, rp);
}

static void websocket(void *ctx, struct mr_http_request *rq, struct mr_http_reply *rp)
{
    (void)ctx;
    accept_stream(MR_PUSH_WEBSOCKET, rq, rp);
}

static void changes_its_mind(void *ctx, struct mr_http_request *rq, struct mr_http_reply *rp)
{
    accept_stream(MR_PUSH_EVENTS, rq, rp);
    (void)ctx;
    mr_http_problem(rp, 409, "conflict", "on second thoughts");
}

static const struct mr_http_route routes[] = {
    {"GET", "/events", events, 0, NULL},
    {"GET", "/ws", websocket, 0, NULL},
    {"GET", "/private", websocket, MR_HTTP_AUTH, NULL},
    {"GET", "/mind", changes_its_mind, 0, NULL},
};

static void start(void)
{
    struct mr_error err = {0};
    const struct mr_http_options o = {
        .cfg = &cfg, .routes = routes, .n_routes = sizeof(routes) / sizeof(routes[0]), .token = key};
    if (mr_http_server_start(&o, &server, &err) != MR_OK)
        fail_msg("%s", err.text);
}

static int open_key(void **state)
{
    (void)state;
    struct mr_error err = {0};
    return mr_token_key_open(&cfg, &key, &err) == MR_OK ? 0 : -1;
}

static int close_key(void **state)
{
    (void)state;
    mr_token_key_close(&key);
    return 0;
}

static int set_up(void **state)
{
    (void)state;
    atomic_store(&gone, 0);
    atomic_store(&heard, 0);
    n_streams = 0;
    start();
    return 0;
}

/* Also after the server's end a hold is good, and says that it is over. */
static int tear_down(void **state)
{
    (void)state;
    mr_http_server_stop(&server, 1000);
    for (size_t i = 0; i < n_streams; i++) {
        assert_int_equal(mr_push_send(streams[i], NULL, NULL, mr_span_of("x")), MR_FAIL);
        mr_push_close(streams[i]);
        mr_push_release(&streams[i]);
    }
    return atomic_load(&gone) == (int)n_streams ? 0 : -1;
}

static void restart(struct mr_push_limits limits)
{
    const struct mr_push_limits usual = mr_push_limits;
    mr_http_server_stop(&server, 1000);
    mr_push_limits = limits;
    start();
    mr_push_limits = usual;
}

static void wait_gone(int n)
{
    for (int i = 0; i < 1000 && atomic_load(&gone) < n; i++)
        mr_sleep_ms(5);
    assert_int_equal(atomic_load(&gone), n);
}

static struct mr_push *stream(size_t i)
{
    for (int k = 0; k < 1000; k++) {
        pthread_mutex_lock(&lock);
        struct mr_push *p = i < n_streams ? streams[i] : NULL;
        pthread_mutex_unlock(&lock);
        if (p)
            return p;
        mr_sleep_ms(5);
    }
    fail_msg("no stream was accepted");
    return NULL;
}

static const char *hear_until(int fd, const char *enough)
{
    static char answer[ANSWER_MAX];
    hear(fd, answer, enough);
    if (enough && !strstr(answer, enough))
        fail_msg("wanted \"%s\", got \"%s\"", enough, answer);
    return answer;
}

static int listen_events(void)
{
    int fd = dial(mr_http_server_port(server));
    const char *text = "GET /events HTTP/1.1\r\nHost: t\r\n\r\n";
    say(fd, text, strlen(text));
    return fd;
}

static void events_arrive_at_once(void **state)
{
    (void)state;
    int fd = listen_events();
    const char *answer = hear_until(fd, "data: first\n\n");
    assert_int_equal(status_of(answer), 200);
    assert_non_null(strstr(answer, "Content-Type: text/event-stream\r\n"));
    assert_non_null(strstr(answer, "Cache-Control: no-store\r\n"));
    assert_non_null(strstr(answer, "event: hello\nid: 0\ndata: first\n\n"));
    struct mr_push *p = stream(0);
    assert_int_equal(mr_push_send(p, NULL, "7", mr_span_of("one\ntwo\r\nthree\rfour\n")), MR_OK);
    hear_until(fd, "id: 7\ndata: one\ndata: two\ndata: three\ndata: four\ndata: \n\n");
    assert_int_equal(mr_push_send(p, "e", NULL, (struct mr_span){NULL, 0}), MR_OK);
    hear_until(fd, "event: e\ndata: \n\n");
    assert_int_equal(mr_push_send(p, "two\nlines", NULL, mr_span_of("x")), MR_FAIL);
    assert_int_equal(mr_push_send(p, NULL, "a\rb", mr_span_of("x")), MR_FAIL);
    static char big[MR_PUSH_MESSAGE_MAX + 1];
    memset(big, 'b', sizeof(big));
    assert_int_equal(mr_push_send(p, NULL, NULL, (struct mr_span){big, sizeof(big)}), MR_FAIL);
    assert_int_equal(mr_push_send(p, NULL, NULL, (struct mr_span){big, sizeof(big) - 1}), MR_OK);
    assert_int_equal(mr_push_send(p, NULL, NULL, mr_span_of("last")), MR_OK);
    mr_push_close(p);
    answer = hear_until(fd, NULL); /* to the end: what was sent before the close arrives */
    assert_non_null(strstr(answer, "data: last\n\n"));
    assert_non_null(strstr(answer, "0\r\n\r\n"));
    close(fd);
    wait_gone(1);
}

static void a_client_that_leaves_is_noticed(void **state)
{
    (void)state;
    int fd = listen_events();
    hear_until(fd, "data: first\n\n");
    int64_t begun = mr_mono_ms();
    close(fd);
    wait_gone(1);
    assert_true(mr_mono_ms() - begun < 2000); /* long before a heartbeat would tell */
    assert_int_equal(mr_push_send(stream(0), NULL, NULL, mr_span_of("x")), MR_FAIL);
}

static void quiet_streams_are_kept_alive(void **state)
{
    (void)state;
    struct mr_push_limits limits = mr_push_limits;
    limits.heartbeat_ms = 100;
    restart(limits);
    int fd = listen_events();
    hear_until(fd, "data: first\n\n");
    hear_until(fd, ":\n\n");
    hear_until(fd, ":\n\n");
    close(fd);
    wait_gone(1);
}

/* Reads nothing: first the sockets' buffers fill, then the queue, and then it is enough. */
static void push_until_refused(struct mr_push *p)
{
    static char block[MR_PUSH_MESSAGE_MAX];
    memset(block, 'x', sizeof(block));
    int sent = 0;
    while (mr_push_send(p, NULL, NULL, (struct mr_span){block, sizeof(block)}) == MR_OK && sent < 20000) {
        sent++;
        mr_sleep_ms(1);
    }
    assert_in_range(sent, 4, 19999);
}

static void a_slow_client_is_cut_off(void **state)
{
    (void)state;
    int fd = listen_events();
    push_until_refused(stream(0));
    wait_gone(1);
    close(fd);
    struct mr_push_limits limits = mr_push_limits;
    limits.slow_ms = 300;
    limits.heartbeat_ms = 200;
    limits.bytes = 64u << 20;
    limits.messages = 10000;
    restart(limits);
    fd = listen_events();
    static char block[MR_PUSH_MESSAGE_MAX];
    memset(block, 'x', sizeof(block));
    for (int i = 0; i < 300; i++)
        mr_push_send(stream(1), NULL, NULL, (struct mr_span){block, sizeof(block)});
    wait_gone(2); /* not too much, but for too long */
    close(fd);
}

static void no_more_than_allowed(void **state)
{
    (void)state;
    int fds[64];
    for (int i = 0; i < 64; i++) {
        fds[i] = listen_events();
        hear_until(fds[i], "data: first\n\n");
    }
    int fd = listen_events();
    const char *answer = hear_until(fd, "}");
    assert_int_equal(status_of(answer), 503);
    assert_non_null(strstr(answer, "Retry-After: 1"));
    assert_non_null(strstr(answer, "urn:millrace:problem:overloaded"));
    close(fd);
    for (int i = 0; i < 64; i++)
        close(fds[i]);
    wait_gone(64);
    fd = listen_events();
    hear_until(fd, "data: first\n\n");
    close(fd);
    wait_gone(65);
}

static void a_reply_may_still_be_a_problem(void **state)
{
    (void)state;
    const char *text = "GET /mind HTTP/1.1\r\nHost: t\r\nConnection: close\r\n\r\n";
    const char *answer = exchange(mr_http_server_port(server), text, strlen(text));
    assert_int_equal(status_of(answer), 409);
    wait_gone(1);
    text = "HEAD /events HTTP/1.1\r\nHost: t\r\nConnection: close\r\n\r\n";
    answer = exchange(mr_http_server_port(server), text, strlen(text));
    assert_int_equal(status_of(answer), 200);
    wait_gone(2);
}

#define UPGRADE "Upgrade: websocket\r\nConnection: keep-alive, Upgrade\r\nSec-WebSocket-Version: 13\r\n"
#define WS_KEY  "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"

static int ask_websocket(const char *path, const char *headers, const char *more)
{
    char text[1024];
    int fd = dial(mr_http_server_port(server));
    int n = snprintf(text, sizeof(text), "GET %s HTTP/1.1\r\nHost: t\r\n%s\r\n%s", path, headers, more);
    say(fd, text, (size_t)n);
    return fd;
}

/* A frame as clients send them: masked. */
static void say_frame(int fd, uint8_t first, const char *text, size_t len)
{
    static _Thread_local uint8_t frame[MR_PUSH_MESSAGE_MAX * 2];
    size_t n = 0;
    frame[n++] = first;
    if (len < 126) {
        frame[n++] = (uint8_t)(0x80 | len);
    } else {
        int bytes = len < 65536 ? 2 : 8;
        frame[n++] = (uint8_t)(0x80 | (bytes == 2 ? 126 : 127));
        for (int i = bytes - 1; i >= 0; i--)
            frame[n++] = (uint8_t)((uint64_t)len >> (8 * i));
    }
    static const uint8_t mask[4] = {1, 2, 3, 4};
    memcpy(frame + n, mask, 4);
    n += 4;
    for (size_t i = 0; i < len; i++)
        frame[n++] = (uint8_t)((uint8_t)text[i] ^ mask[i % 4]);
    say(fd, (const char *)frame, n);
}

static bool read_exactly(int fd, void *out, size_t n)
{
    struct pollfd p = {.fd = fd, .events = POLLIN};
    for (size_t at = 0; at < n;) {
        if (poll(&p, 1, 5000) <= 0)
            return false;
        ssize_t got = recv(fd, (char *)out + at, n - at, 0);
        if (got <= 0)
            return false;
        at += (size_t)got;
    }
    return true;
}

/* The opcode, or -1 at the end. Servers do not mask. */
static int hear_frame(int fd, char *out, size_t *len)
{
    uint8_t head[2], wide[8];
    if (!read_exactly(fd, head, 2))
        return -1;
    assert_int_equal(head[0] & 0x80, 0x80);
    assert_int_equal(head[1] & 0x80, 0);
    *len = head[1];
    int bytes = *len == 126 ? 2 : *len == 127 ? 8 : 0;
    if (bytes > 0) {
        assert_true(read_exactly(fd, wide, (size_t)bytes));
        *len = 0;
        for (int i = 0; i < bytes; i++)
            *len = *len << 8 | wide[i];
    }
    assert_true(read_exactly(fd, out, *len));
    return head[0] & 0x0f;
}

static char frame_text[MR_PUSH_MESSAGE_MAX * 2];
static size_t frame_len;

static void hear_text(int fd, const char *text, size_t len)
{
    assert_int_equal(hear_frame(fd, frame_text, &frame_len), 1);
    assert_int_equal(frame_len, len);
    assert_memory_equal(frame_text, text, len);
}

static void hear_close(int fd, int code)
{
    int opcode;
    while ((opcode = hear_frame(fd, frame_text, &frame_len)) == 9 || opcode == 1)
        ;
    assert_int_equal(opcode, 8);
    assert_int_equal((uint8_t)frame_text[0] << 8 | (uint8_t)frame_text[1], code);
}

/* The answer's head byte by byte, so that the first frame stays in the socket. */
static int open_websocket(const char *more)
{
    int fd = ask_websocket("/ws", UPGRADE WS_KEY, more);
    char head[2048] = "";
    for (size_t n = 0; !strstr(head, "\r\n\r\n"); n++) {
        assert_true(n < sizeof(head) - 1);
        assert_true(read_exactly(fd, head + n, 1));
    }
    assert_int_equal(status_of(head), 101);
    assert_non_null(strstr(head, "Upgrade: websocket\r\n"));
    assert_non_null(
        strstr(head, "Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n")); /* RFC 6455, 1.3 */
    hear_text(fd, "first", 5);
    return fd;
}

static void websocket_talks_both_ways(void **state)
{
    (void)state;
    int fd = open_websocket("");
    assert_int_equal(mr_push_send(stream(0), "ignored", "9", mr_span_of("gr\xc3\xbc\xc3\x9f")), MR_OK);
    hear_text(fd, "gr\xc3\xbc\xc3\x9f", 6);
    say_frame(fd, 0x81, "echo", 4);
    hear_text(fd, "echo", 4);
    say_frame(fd, 0x01, "in ", 3); /* fragments, with a ping between them */
    say_frame(fd, 0x89, "p", 1);
    say_frame(fd, 0x80, "two", 3);
    assert_int_equal(hear_frame(fd, frame_text, &frame_len), 10);
    assert_memory_equal(frame_text, "p", 1);
    hear_text(fd, "in two", 6);
    static char big[MR_PUSH_MESSAGE_MAX];
    memset(big, 'b', sizeof(big));
    say_frame(fd, 0x81, big, sizeof(big));
    hear_text(fd, big, sizeof(big));
    assert_int_equal(heard_len, sizeof(big));
    say_frame(fd, 0x81, "bye", 3);
    hear_close(fd, 1000);
    say_frame(fd, 0x88, "\x03\xe8", 2);
    assert_int_equal(hear_frame(fd, frame_text, &frame_len), -1);
    close(fd);
    wait_gone(1);
}

static void websocket_client_says_goodbye(void **state)
{
    (void)state;
    int fd = open_websocket("");
    say_frame(fd, 0x88, "\x03\xe9", 2);
    hear_close(fd, 1001);
    assert_int_equal(hear_frame(fd, frame_text, &frame_len), -1);
    close(fd);
    wait_gone(1);
    fd = open_websocket("");
    close(fd); /* or does not */
    wait_gone(2);
}

/* What is sent with the handshake, before its answer, is not lost. */
static void websocket_hears_what_came_early(void **state)
{
    (void)state;
    int fd = open_websocket("\x81\x82\x01\x02\x03\x04\x69\x6b");
    hear_text(fd, "hi", 2);
    close(fd);
    wait_gone(1);
}

static void websocket_handshakes_are_checked(void **state)
{
    (void)state;
    static const struct {
        const char *headers;
        int status;
    } bad[] = {
        {"", 426},
        {"Upgrade: websocket\r\n" WS_KEY "Sec-WebSocket-Version: 13\r\n", 426},
        {"Upgrade: h2c\r\nConnection: Upgrade\r\n" WS_KEY "Sec-WebSocket-Version: 13\r\n", 426},
        {"Upgrade: websocket\r\nConnection: Upgrade\r\n" WS_KEY "Sec-WebSocket-Version: 8\r\n", 426},
        {"Upgrade: websocket\r\nConnection: Upgrade\r\n" WS_KEY, 426},
        {UPGRADE, 400},
        {UPGRADE "Sec-WebSocket-Key: short==\r\n", 400},
        {UPGRADE "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ!=\r\n", 400},
    };
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        int fd = ask_websocket("/ws", bad[i].headers, "");
        const char *answer = hear_until(fd, "}");
        assert_int_equal(status_of(answer), bad[i].status);
        if (bad[i].status == 426)
            assert_non_null(strstr(answer, "Upgrade: websocket\r\n"));
        close(fd);
    }
    int fd = ask_websocket("/private", UPGRADE WS_KEY, "");
    assert_int_equal(status_of(hear_until(fd, "}")), 401);
    close(fd);
    assert_int_equal(n_streams, 0);
    struct mr_buf token;
    struct mr_error err = {0};
    char headers[2048];
    mr_buf_init(&token, 1024);
    assert_int_equal(mr_token_make(key, mr_uuid_v7(), 60000, &token, &err), MR_OK);
    snprintf(headers, sizeof(headers), "%sOrigin: http://evil\r\nAuthorization: Bearer %s\r\n",
             UPGRADE WS_KEY, token.data);
    mr_buf_free(&token);
    fd = ask_websocket("/private", headers, "");
    assert_int_equal(status_of(hear_until(fd, "first")), 101);
    close(fd);
    wait_gone(1);
}

static void websocket_misbehaviour_is_named(void **state)
{
    (void)state;
    static char big[MR_PUSH_MESSAGE_MAX + 1];
    static const struct {
        uint8_t first;
        const char *text;
        size_t len;
        int code;
    } bad[] = {
        {0x82, "binary", 6, 1003}, {0x81, "\xff\xfe", 2, 1007}, {0x83, "x", 1, 1002},
        {0xc1, "x", 1, 1002},      {0x80, "x", 1, 1002},        {0x81, big, sizeof(big), 1009},
    };
    int n = 0;
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        int fd = open_websocket("");
        say_frame(fd, bad[i].first, bad[i].text, bad[i].len);
        hear_close(fd, bad[i].code);
        close(fd);
        wait_gone(++n);
    }
    int fd = open_websocket("");
    say(fd, "\x81\x01x", 3); /* not masked */
    hear_close(fd, 1002);
    close(fd);
    wait_gone(++n);
    assert_int_equal(atomic_load(&heard), 0);
}

static void websocket_silence_is_death(void **state)
{
    (void)state;
    struct mr_push_limits limits = mr_push_limits;
    limits.heartbeat_ms = 100;
    limits.silence_ms = 600;
    restart(limits);
    int fd = open_websocket("");
    int64_t begun = mr_mono_ms();
    int pings = 0;
    while (mr_mono_ms() - begun < 1500) { /* answered, so it lives longer than silence_ms */
        assert_int_equal(hear_frame(fd, frame_text, &frame_len), 9);
        say_frame(fd, 0x8a, frame_text, frame_len);
        pings++;
    }
    assert_true(pings >= 5);
    assert_int_equal(atomic_load(&gone), 0);
    while (hear_frame(fd, frame_text, &frame_len) == 9)
        ;
    wait_gone(1);
    close(fd);
}

static void a_slow_websocket_is_cut_off(void **state)
{
    (void)state;
    int fd = open_websocket("");
    push_until_refused(stream(0));
    wait_gone(1);
    close(fd);
}

/* Pongs are owed for pings, and a client that does not take them is not read from. */
static void a_flood_of_pings_stays_bounded(void **state)
{
    (void)state;
    int fd = open_websocket("");
    static char flood[6 * 20000];
    for (size_t i = 0; i < sizeof(flood); i += 6)
        memcpy(flood + i, "\x89\x80\x01\x02\x03\x04", 6);
    size_t sent = 0;
    struct pollfd writable = {.fd = fd, .events = POLLOUT};
    while (sent < (64u << 20) && poll(&writable, 1, 500) > 0) {
        ssize_t n = send(fd, flood + sent % 6, sizeof(flood) - sent % 6, MSG_NOSIGNAL | MSG_DONTWAIT);
        if (n < 0)
            break; /* cut off */
        sent += (size_t)n;
    }
    assert_true(sent < (64u << 20)); /* nobody has read it for half a second */
    int other = open_websocket("");  /* and others are served meanwhile */
    say_frame(other, 0x81, "echo", 4);
    hear_text(other, "echo", 4);
    close(other);
    close(fd);
    wait_gone(2);
}

static void *stop_it(void *arg)
{
    mr_http_server_stop(&server, 3000);
    return arg;
}

static void stopping_tells_everybody(void **state)
{
    (void)state;
    int sse = listen_events(), ws = open_websocket(""), stubborn = open_websocket("");
    hear_until(sse, "data: first\n\n");
    pthread_t stopper;
    int64_t begun = mr_mono_ms();
    pthread_create(&stopper, NULL, stop_it, NULL);
    assert_non_null(strstr(hear_until(sse, NULL), "0\r\n\r\n"));
    hear_close(ws, 1001);
    say_frame(ws, 0x88, "\x03\xe9", 2);
    assert_int_equal(hear_frame(ws, frame_text, &frame_len), -1);
    pthread_join(stopper, NULL);
    assert_true(mr_mono_ms() - begun < 4000); /* one client does not answer the close */
    assert_int_equal(atomic_load(&gone), 3);
    close(sse);
    close(ws);
    close(stubborn);
    start();
}

static atomic_bool pushing;

static void *push_all(void *arg)
{
    while (atomic_load(&pushing)) {
        pthread_mutex_lock(&lock);
        for (size_t i = 0; i < n_streams; i++)
            mr_push_send(streams[i], NULL, NULL, mr_span_of("tick"));
        pthread_mutex_unlock(&lock);
        mr_sleep_ms(1);
    }
    return arg;
}

static void *come_and_go(void *arg)
{
    static char answers[4][ANSWER_MAX];
    int which = *(int *)arg;
    for (int i = 0; i < 20; i++) {
        int fd = i % 2 ? listen_events() : ask_websocket("/ws", UPGRADE WS_KEY, "");
        if (i % 4 < 3)
            hear(fd, answers[which], "tick");
        if (i % 8 == 2)
            say_frame(fd, 0x88, "\x03\xe8", 2);
        close(fd);
    }
    return NULL;
}

/* Two threads push to everyone while four clients come and go, and the server stops in the middle of it. */
static void everything_at_once(void **state)
{
    (void)state;
    pthread_t pushers[2], clients[4];
    int which[4];
    atomic_store(&pushing, true);
    for (int i = 0; i < 2; i++)
        pthread_create(&pushers[i], NULL, push_all, NULL);
    for (int i = 0; i < 4; i++) {
        which[i] = i;
        pthread_create(&clients[i], NULL, come_and_go, &which[i]);
    }
    for (int i = 0; i < 4; i++)
        pthread_join(clients[i], NULL);
    int fds[20];
    for (int i = 0; i < 20; i++) {
        fds[i] = i % 2 ? listen_events() : ask_websocket("/ws", UPGRADE WS_KEY, "");
        stream(80 + (size_t)i - 10); /* most are there */
    }
    mr_http_server_stop(&server, 1000);
    atomic_store(&pushing, false);
    for (int i = 0; i < 2; i++)
        pthread_join(pushers[i], NULL);
    for (int i = 0; i < 20; i++)
        close(fds[i]);
    assert_int_equal(atomic_load(&gone), (int)n_streams);
    start();
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(events_arrive_at_once),
        CASE(a_client_that_leaves_is_noticed),
        CASE(quiet_streams_are_kept_alive),
        CASE(a_slow_client_is_cut_off),
        CASE(no_more_than_allowed),
        CASE(a_reply_may_still_be_a_problem),
        CASE(websocket_talks_both_ways),
        CASE(websocket_client_says_goodbye),
        CASE(websocket_hears_what_came_early),
        CASE(websocket_handshakes_are_checked),
        CASE(websocket_misbehaviour_is_named),
        CASE(websocket_silence_is_death),
        CASE(a_slow_websocket_is_cut_off),
        CASE(a_flood_of_pings_stays_bounded),
        CASE(stopping_tells_everybody),
        CASE(everything_at_once),
    };
    return cmocka_run_group_tests(tests, open_key, close_key);
}
