/* The server over real sockets: what is answered to which bytes, and that stopping waits for what is under
 * way. */
#include "exchange.h"

#include <pthread.h>
#include <stdatomic.h>

#include "base/clock.h"
#include "http/fields.h"
#include "http/internal.h"

#define KEY "0123456789abcdef0123456789abcdef"

static struct mr_config cfg = {
    .listen = "127.0.0.1:0",
    .http_threads = 2,
    .http_queue = 4,
    .http_connections = 256,
    .http_body_max = 4096,
    .jwt_key = KEY,
    .jwt_kid = "1",
    .jwt_issuer = "millrace",
    .jwt_audience = "millrace",
};

static struct mr_http_server *server;
static struct mr_token_key *key;
static atomic_int freed, calls, held, released;
static atomic_bool hold;

static void echo(void *ctx, struct mr_http_request *rq, struct mr_http_reply *rp)
{
    (void)ctx;
    const char *q = mr_http_query(rq, "q");
    mr_http_reply_json(rp, 200, json_pack("{s:s, s:s?}", "id", mr_http_path_param(rq, "id"), "q", q));
}

static void post(void *ctx, struct mr_http_request *rq, struct mr_http_reply *rp)
{
    (void)ctx;
    const char *name = "";
    int64_t n = -1;
    const struct mr_field fields[] = {
        {"name", MR_FIELD_JSON_STRING, true, 1, 20, &name, NULL},
        {"n", MR_FIELD_JSON_INT, false, 0, 9, &n, NULL},
    };
    if (mr_http_fields(rp, mr_http_json(rq), "the body", fields, 2))
        mr_http_reply_json(rp, 201, json_pack("{s:s, s:I}", "name", name, "n", (json_int_t)n));
}

static void form(void *ctx, struct mr_http_request *rq, struct mr_http_reply *rp)
{
    (void)ctx;
    mr_http_reply_json(rp, 200, json_pack("{s:s?}", "a", mr_http_form(rq, "a")));
}

static void whoami(void *ctx, struct mr_http_request *rq, struct mr_http_reply *rp)
{
    (void)ctx;
    char id[MR_UUID_TEXT_SIZE];
    mr_http_reply_json(rp, 200, json_pack("{s:s}", "user", mr_uuid_format(mr_http_user(rq), id)));
}

static void slow(void *ctx, struct mr_http_request *rq, struct mr_http_reply *rp)
{
    (void)ctx, (void)rq;
    atomic_fetch_add(&held, 1);
    while (atomic_load(&hold))
        mr_sleep_ms(5);
    mr_http_reply_empty(rp, 204);
    atomic_fetch_add(&released, 1);
}

static void free_state(void *state)
{
    free(state);
    atomic_fetch_add(&freed, 1);
}

static void poll_three(void *ctx, struct mr_http_request *rq, struct mr_http_reply *rp)
{
    (void)ctx;
    int *count = mr_http_state(rq);
    if (!count)
        count = calloc(1, sizeof(*count));
    atomic_fetch_add(&calls, 1);
    if (++*count == 3)
        mr_http_reply_json(rp, 200, json_pack("{s:i}", "calls", *count));
    mr_http_again(rq, 30, count, free_state);
}

static void poll_for_ever(void *ctx, struct mr_http_request *rq, struct mr_http_reply *rp)
{
    (void)ctx, (void)rp;
    atomic_fetch_add(&calls, 1);
    mr_http_again(rq, 3600000, NULL, NULL);
}

static void says_nothing(void *ctx, struct mr_http_request *rq, struct mr_http_reply *rp)
{
    (void)ctx, (void)rq, (void)rp;
}

static void broken(void *ctx, struct mr_http_request *rq, struct mr_http_reply *rp)
{
    (void)ctx;
    struct mr_error err = {.class = MR_CLASS_RETRY, .text = "connect to the database: secret host refused"};
    if (mr_http_query(rq, "bug"))
        err.class = MR_CLASS_FATAL;
    mr_http_problem_of(rp, "reading", &err);
}

static const struct mr_http_route routes[] = {
    {"GET", "/things/{id}", echo, 0, "q"},
    {"DELETE", "/things/{id}", echo, 0, NULL},
    {"POST", "/things", post, 0, NULL},
    {"POST", "/things/search", post, 0, NULL},
    {"POST", "/private", post, MR_HTTP_AUTH, NULL},
    {"POST", "/form", form, MR_HTTP_FORM, NULL},
    {"GET", "/me", whoami, MR_HTTP_AUTH, NULL},
    {"GET", "/slow", slow, 0, NULL},
    {"GET", "/poll", poll_three, MR_HTTP_POLL, NULL},
    {"GET", "/wait", poll_for_ever, MR_HTTP_POLL, NULL},
    {"GET", "/nothing", says_nothing, 0, NULL},
    {"GET", "/broken", broken, 0, "bug"},
};

static void start(void)
{
    struct mr_error err = {0};
    const struct mr_http_options o = {
        .cfg = &cfg, .routes = routes, .n_routes = sizeof(routes) / sizeof(routes[0]), .token = key};
    if (mr_http_server_start(&o, &server, &err) != MR_OK)
        fail_msg("%s", err.text);
}

static int set_up(void **state)
{
    (void)state;
    struct mr_error err = {0};
    assert_int_equal(mr_token_key_open(&cfg, &key, &err), MR_OK);
    start();
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    mr_http_server_stop(&server, 2000);
    mr_token_key_close(&key);
    return 0;
}

#define CLOSE "Host: t\r\nConnection: close\r\n"

static const char *ask(const char *line, const char *headers, const char *body)
{
    static char text[65536];
    int n = snprintf(text, sizeof(text), "%s HTTP/1.1\r\n" CLOSE "%s\r\n%s", line, headers, body);
    return exchange(mr_http_server_port(server), text, (size_t)n);
}

static const char *ask_json(const char *line, const char *more, const char *body)
{
    char headers[4096];
    snprintf(headers, sizeof(headers), "Content-Type: application/json\r\nContent-Length: %zu\r\n%s",
             strlen(body), more);
    return ask(line, headers, body);
}

static void is_problem(const char *answer, int status, const char *slug)
{
    char type[128];
    snprintf(type, sizeof(type), "\"type\":\"urn:millrace:problem:%s\"", slug);
    if (status_of(answer) != status || !strstr(answer, type) ||
        !strstr(answer, "Content-Type: application/problem+json"))
        fail_msg("wanted %d %s, got: %s", status, slug, answer);
}

static void test_routes(void **state)
{
    (void)state;
    const char *answer = ask("GET /things/a%20b%2fc?q=x+y%26", "", "");
    assert_int_equal(status_of(answer), 200);
    assert_non_null(strstr(answer, "{\"id\":\"a b/c\",\"q\":\"x y&\"}"));
    assert_non_null(strstr(answer, "Content-Type: application/json"));
    assert_non_null(strstr(answer, "Cache-Control: no-store"));
    is_problem(ask("GET /nowhere", "", ""), 404, "not-found");
    is_problem(ask("GET /things/", "", ""), 404, "not-found");
    is_problem(ask("GET /things/a/", "", ""), 404, "not-found");
    is_problem(ask("GET //things/a", "", ""), 404, "not-found");
    answer = ask("PUT /things/a", "", "");
    is_problem(answer, 405, "method-not-allowed");
    assert_non_null(strstr(answer, "Allow: GET, HEAD, DELETE\r\n"));
    answer = ask("GET /things/search", "", ""); /* a name of its own, not a parameter */
    is_problem(answer, 405, "method-not-allowed");
    assert_non_null(strstr(answer, "Allow: POST\r\n"));
    answer = ask("HEAD /things/a", "", "");
    assert_int_equal(status_of(answer), 200);
    assert_string_equal(strstr(answer, "\r\n\r\n"), "\r\n\r\n");
    assert_int_equal(status_of(ask("GET http://host:1/things/a", "", "")), 200);
}

static void test_encoding(void **state)
{
    (void)state;
    const char *const bad[] = {"/things/%00", "/things/%zz",           "/things/%4",      "/things/%c0%af",
                               "/things/%ff", "/things/%ed%a0%80",     "/things/a?q=%00", "/things/a?q=%c3",
                               "/things/a?q", "/things/a?q=%ed%b0%80", "/things/a?%ff=1"};
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        char line[128];
        snprintf(line, sizeof(line), "GET %s", bad[i]);
        const char *answer = ask(line, "", "");
        if (strcmp(bad[i], "/things/a?q") == 0)
            assert_non_null(strstr(answer, "\"q\":\"\""));
        else
            is_problem(answer, 400, "invalid-request");
    }
    const char *answer = ask("GET /things/a?zebra=1", "", "");
    is_problem(answer, 400, "invalid-request");
    assert_non_null(strstr(answer, "\\\"zebra\\\""));
    is_problem(ask("GET /things/a?q=1&q=2", "", ""), 400, "invalid-request");
    is_problem(ask("DELETE /things/a?q=1", "", ""), 400, "invalid-request");
}

static void test_json(void **state)
{
    (void)state;
    const char *answer = ask_json("POST /things", "", "{\"name\":\"a\",\"n\":3}");
    assert_int_equal(status_of(answer), 201);
    assert_non_null(strstr(answer, "{\"name\":\"a\",\"n\":3}"));
    static const char *const bad_json[] = {"{",
                                           "{}x",
                                           "nul",
                                           "{\"name\":\"a\",\"name\":\"b\"}",
                                           "{\"name\":\"\\u0000\"}",
                                           "{\"name\":\"\xff\"}",
                                           "{\"name\":\"\xed\xa0\x80\"}",
                                           "{\"n\":99999999999999999999999}",
                                           "{\"n\":1e999}",
                                           "'",
                                           "\"x\"",
                                           "1",
                                           "\xef\xbb\xbf{}"};
    for (size_t i = 0; i < sizeof(bad_json) / sizeof(bad_json[0]); i++)
        is_problem(ask_json("POST /things", "", bad_json[i]), 400, "invalid-json");
    static const char *const bad_fields[] = {"[]",
                                             "{}",
                                             "{\"name\":\"a\",\"x\":1}",
                                             "{\"name\":1}",
                                             "{\"name\":\"\"}",
                                             "{\"name\":\"aaaaaaaaaaaaaaaaaaaaa\"}",
                                             "{\"name\":\"a\",\"n\":10}",
                                             "{\"name\":\"a\",\"n\":-1}",
                                             "{\"name\":\"a\",\"n\":1.5}",
                                             "{\"name\":null}"};
    for (size_t i = 0; i < sizeof(bad_fields) / sizeof(bad_fields[0]); i++)
        is_problem(ask_json("POST /things", "", bad_fields[i]), 400, "invalid-request");
    is_problem(ask("POST /things", "Content-Length: 0\r\n", ""), 400, "invalid-request");
    char deep[4000];
    memset(deep, '[', sizeof(deep) - 1);
    deep[sizeof(deep) - 1] = '\0';
    is_problem(ask_json("POST /things", "", deep), 400, "invalid-json");
}

static void test_body_limits(void **state)
{
    (void)state;
    char big[6000];
    memset(big, ' ', sizeof(big) - 1);
    big[sizeof(big) - 1] = '\0';
    is_problem(ask_json("POST /things", "", big), 413, "body-too-large");
    char chunked[7000];
    snprintf(chunked, sizeof(chunked), "%zx\r\n%s\r\n0\r\n\r\n", strlen(big), big);
    is_problem(
        ask("POST /things", "Content-Type: application/json\r\nTransfer-Encoding: chunked\r\n", chunked), 413,
        "body-too-large");
    /* out of all proportion, or not sent before we agree: refused without reading it */
    is_problem(ask("POST /things", "Content-Type: application/json\r\nContent-Length: 99999999999\r\n", ""),
               413, "body-too-large");
    is_problem(ask("POST /things",
                   "Content-Type: application/json\r\nContent-Length: 5000\r\nExpect: 100-continue\r\n", ""),
               413, "body-too-large");
    is_problem(ask("POST /things", "Content-Type: text/plain\r\nContent-Length: 2\r\n", "{}"), 415,
               "unsupported-media-type");
    is_problem(ask("POST /things", "Content-Length: 2\r\n", "{}"), 415, "unsupported-media-type");
    is_problem(ask_json("POST /things", "Content-Encoding: gzip\r\n", "{}"), 415, "unsupported-media-type");
    is_problem(ask_json("GET /things/a", "", "{}"), 400, "invalid-request");
    const char *chunks = "Content-Type: application/json; charset=utf-8\r\nTransfer-Encoding: chunked\r\n";
    assert_int_equal(status_of(ask("POST /things", chunks, "5\r\n{\"nam\r\n7\r\ne\":\"b\"}\r\n0\r\n\r\n")),
                     201);
}

static void test_framing(void **state)
{
    (void)state;
    const char *json = "Content-Type: application/json\r\n";
    char headers[512];
    const char *const contradictory[] = {
        "Content-Length: 2\r\nTransfer-Encoding: chunked\r\n", "Content-Length: 2\r\nContent-Length: 3\r\n",
        "Transfer-Encoding: gzip\r\n", "Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n",
        "Host: other\r\n"};
    for (size_t i = 0; i < sizeof(contradictory) / sizeof(contradictory[0]); i++) {
        snprintf(headers, sizeof(headers), "%s%s", json, contradictory[i]);
        is_problem(ask("POST /things", headers, "2\r\n{}\r\n0\r\n\r\n"), 400, "invalid-request");
    }
    assert_int_equal(status_of(ask("POST /things", "Content-Length: -1\r\n", "")), 400);
    assert_int_equal(status_of(ask("POST /things", "Content-Length: 1x\r\n", "")), 400);
    assert_int_equal(status_of(exchange(mr_http_server_port(server), "GARBAGE\r\n\r\n", 11)), 0);
    const char *no_host = "GET /things/a HTTP/1.1\r\n\r\n";
    assert_int_equal(status_of(exchange(mr_http_server_port(server), no_host, strlen(no_host))), 400);
}

/* Every size of header around our limit and the library's: refused or taken, with a body too, and never a
 * 500. */
static void test_header_flood(void **state)
{
    (void)state;
    static char headers[60000];
    int refused = 0;
    for (size_t size = 1000; size < 40000; size += 487) {
        int n = snprintf(headers, sizeof(headers),
                         "Content-Type: application/json\r\nContent-Length: 12\r\nX-Long: ");
        memset(headers + n, 'x', size);
        snprintf(headers + n + size, 3, "\r\n");
        int status = status_of(ask("POST /things", headers, "{\"name\":\"a\"}"));
        bool near = size >= 16000 && size<16384, beyond = size> 30000;
        if (status != (size < 16000 ? 201 : 431) && !(near && status == 201) && !(beyond && status == 0))
            fail_msg("%zu bytes of header: status %d", size, status);
        refused += status == 431;
    }
    assert_true(refused > 10);
    char *p = headers;
    for (int i = 0; i < 200; i++)
        p += sprintf(p, "X-%d: y\r\n", i);
    is_problem(ask("GET /things/a", headers, ""), 431, "header-too-large");
    static char line[10000] = "GET /things/";
    memset(line + 12, 'u', 9000);
    is_problem(ask(line, "", ""), 414, "uri-too-long");
}

static void test_form(void **state)
{
    (void)state;
    const char *type = "Content-Type: application/x-www-form-urlencoded\r\nContent-Length: 9\r\n";
    assert_non_null(strstr(ask("POST /form", type, "a=%c3%a4+"), "{\"a\":\"\xc3\xa4 \"}"));
    is_problem(ask("POST /form", type, "a=%00%20b"), 400, "invalid-request");
    is_problem(ask("POST /form", type, "a=1&a=2&b"), 400, "invalid-request");
    is_problem(ask_json("POST /form", "", "{\"a\":1}"), 415, "unsupported-media-type");
}

static void test_bearer(void **state)
{
    (void)state;
    struct mr_error err = {0};
    struct mr_uuid id = mr_uuid_v7();
    struct mr_buf token;
    char headers[2048], text[MR_UUID_TEXT_SIZE];
    mr_buf_init(&token, 2048);
    assert_int_equal(mr_token_make(key, id, 60000, &token, &err), MR_OK);
    snprintf(headers, sizeof(headers), "Authorization: Bearer %s\r\n", token.data);
    assert_non_null(strstr(ask("GET /me", headers, ""), mr_uuid_format(id, text)));
    const char *answer = ask("GET /me", "", "");
    is_problem(answer, 401, "unauthorized");
    assert_non_null(strstr(answer, "WWW-Authenticate: Bearer realm=\"millrace\"\r\n"));
    is_problem(ask("GET /me", "Authorization: Basic eDp5\r\n", ""), 401, "unauthorized");
    is_problem(ask("GET /me", "Authorization: Bearer \r\n", ""), 401, "invalid-token");
    answer = ask("GET /me", "Authorization: Bearer a.b.c\r\n", "");
    is_problem(answer, 401, "invalid-token");
    assert_non_null(strstr(answer, "error=\"invalid_token\""));
    is_problem(ask_json("POST /private", "", "{}"), 401, "unauthorized");
    mr_buf_free(&token);
}

static void test_failures(void **state)
{
    (void)state;
    is_problem(ask("GET /nothing", "", ""), 500, "internal");
    const char *answer = ask("GET /broken", "", "");
    is_problem(answer, 503, "unavailable");
    assert_non_null(strstr(answer, "Retry-After: "));
    assert_null(strstr(answer, "secret"));
    answer = ask("GET /broken?bug=1", "", "");
    is_problem(answer, 500, "internal");
    assert_null(strstr(answer, "secret"));
}

static void test_long_poll(void **state)
{
    (void)state;
    atomic_store(&freed, 0);
    const char *answer = ask("GET /poll", "", "");
    assert_int_equal(status_of(answer), 200);
    assert_non_null(strstr(answer, "{\"calls\":3}"));
    assert_int_equal(atomic_load(&freed), 1);
}

static void test_pipelining(void **state)
{
    (void)state;
    static char text[65536], answer[ANSWER_MAX];
    char *p = text;
    for (int i = 0; i < 300; i++)
        p += sprintf(p, "GET /things/n%d HTTP/1.1\r\nHost: t\r\n\r\n", i);
    p += sprintf(p, "GET /things/last HTTP/1.1\r\nHost: t\r\nConnection: close\r\n\r\n");
    int fd = dial(mr_http_server_port(server));
    say(fd, text, (size_t)(p - text));
    hear(fd, answer, NULL);
    close(fd);
    assert_int_equal(count_of(answer, "HTTP/1.1 200"), 301);
    assert_non_null(strstr(answer, "{\"id\":\"last\""));
}

static void *ask_slow(void *arg)
{
    char *answer = arg;
    const char *text = "GET /slow HTTP/1.1\r\nHost: t\r\nConnection: close\r\n\r\n";
    int fd = dial(mr_http_server_port(server));
    say(fd, text, strlen(text));
    hear(fd, answer, NULL);
    close(fd);
    return NULL;
}

/* 2 threads and 4 places in the queue: of 10 slow requests 4 are turned away at once, and 6 are served. */
static void test_full_queue(void **state)
{
    (void)state;
    enum { N = 10 };
    pthread_t threads[N];
    char *answers[N];
    atomic_store(&held, 0);
    atomic_store(&hold, true);
    for (int i = 0; i < N; i++) {
        answers[i] = calloc(1, ANSWER_MAX);
        pthread_create(&threads[i], NULL, ask_slow, answers[i]);
        for (int j = 0; i < 2 && j < 1000 && atomic_load(&held) <= i; j++)
            mr_sleep_ms(2);
    }
    mr_sleep_ms(300);
    atomic_store(&hold, false);
    int served = 0, shed = 0;
    for (int i = 0; i < N; i++) {
        pthread_join(threads[i], NULL);
        served += status_of(answers[i]) == 204;
        shed += status_of(answers[i]) == 503 && strstr(answers[i], "Retry-After: 1");
        free(answers[i]);
    }
    assert_int_equal(served, 6);
    assert_int_equal(shed, 4);
}

/* A client that goes away while its handler runs, and one while it waits for a long poll. */
static void test_client_leaves(void **state)
{
    (void)state;
    atomic_store(&held, 0);
    atomic_store(&released, 0);
    atomic_store(&hold, true);
    const char *text = "GET /slow HTTP/1.1\r\nHost: t\r\n\r\n";
    int fd = dial(mr_http_server_port(server));
    say(fd, text, strlen(text));
    while (atomic_load(&held) == 0)
        mr_sleep_ms(2);
    close(fd);
    atomic_store(&hold, false);
    while (atomic_load(&released) == 0)
        mr_sleep_ms(2);
    atomic_store(&calls, 0);
    fd = dial(mr_http_server_port(server));
    text = "GET /wait HTTP/1.1\r\nHost: t\r\n\r\n";
    say(fd, text, strlen(text));
    while (atomic_load(&calls) == 0)
        mr_sleep_ms(2);
    close(fd);
    assert_int_equal(status_of(ask("GET /things/a", "", "")), 200);
}

/* What a suspended connection hides is seen at the next tick; what drips is cut off. */
static void test_patience(void **state)
{
    (void)state;
    static char answer[ANSWER_MAX];
    const struct mr_http_times patient = mr_http_times;
    mr_http_server_stop(&server, 0);
    mr_http_times =
        (struct mr_http_times){.tick_ms = 200, .idle_ms = 1500, .receive_ms = 700, .send_ms = 1500};
    start();
    mr_http_times = patient;
    int gone = dial(mr_http_server_port(server));
    const char *text = "GET /wait HTTP/1.1\r\nHost: t\r\n\r\n";
    atomic_store(&calls, 0);
    say(gone, text, strlen(text));
    while (atomic_load(&calls) == 0)
        mr_sleep_ms(2);
    close(gone);
    int line = dial(mr_http_server_port(server)), body = dial(mr_http_server_port(server));
    text =
        "POST /things HTTP/1.1\r\nHost: t\r\nContent-Type: application/json\r\nContent-Length: 1000\r\n\r\n";
    say(body, text, strlen(text));
    for (int i = 0; i < 30; i++) {
        say(line, "G", 1);
        say(body, " ", 1);
        mr_sleep_ms(100);
    }
    pthread_mutex_lock(&server->lock);
    size_t handed = server->handed;
    bool any = server->conns && server->conns->next;
    pthread_mutex_unlock(&server->lock);
    assert_int_equal(handed, 0);
    assert_false(any);
    assert_int_equal(hear(body, answer, NULL), 0);
    assert_int_equal(hear(line, answer, NULL), 0);
    close(line);
    close(body);
    mr_http_server_stop(&server, 0);
    start();
}

static void *stop_it(void *arg)
{
    mr_http_server_stop(&server, *(int *)arg);
    return NULL;
}

/* At stop a request under way is answered, and so is one that waits for ever. */
static void test_stop(void **state)
{
    (void)state;
    static char slow_answer[ANSWER_MAX], wait_answer[ANSWER_MAX];
    atomic_store(&held, 0);
    atomic_store(&calls, 0);
    atomic_store(&hold, true);
    pthread_t slow_client, stopper;
    pthread_create(&slow_client, NULL, ask_slow, slow_answer);
    int waiting = dial(mr_http_server_port(server)), idle = dial(mr_http_server_port(server));
    const char *text = "GET /wait HTTP/1.1\r\nHost: t\r\n\r\n";
    say(waiting, text, strlen(text));
    while (atomic_load(&held) == 0 || atomic_load(&calls) == 0)
        mr_sleep_ms(2);
    int timeout = 3000;
    pthread_create(&stopper, NULL, stop_it, &timeout);
    hear(waiting, wait_answer, NULL);
    atomic_store(&hold, false);
    pthread_join(slow_client, NULL);
    pthread_join(stopper, NULL);
    close(waiting);
    close(idle);
    assert_int_equal(status_of(slow_answer), 204);
    is_problem(wait_answer, 503, "overloaded");
    assert_true(atomic_load(&calls) >= 2);
    start();
    assert_int_equal(status_of(ask("GET /things/a", "", "")), 200);
}

static void test_bad_address(void **state)
{
    (void)state;
    struct mr_config other = cfg;
    struct mr_http_server *s = NULL;
    struct mr_error err = {0};
    const struct mr_http_options o = {.cfg = &other, .routes = routes, .n_routes = 1};
    const char *const bad[] = {"nonsense", "127.0.0.1:notaport", "192.0.2.1:80"};
    for (size_t i = 0; i < 3; i++) {
        other.listen = bad[i];
        assert_int_equal(mr_http_server_start(&o, &s, &err), MR_FAIL);
        assert_int_equal(err.class, MR_CLASS_FATAL);
        assert_non_null(strstr(err.text, bad[i]));
        assert_null(s);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_routes),        cmocka_unit_test(test_encoding),
        cmocka_unit_test(test_json),          cmocka_unit_test(test_body_limits),
        cmocka_unit_test(test_framing),       cmocka_unit_test(test_header_flood),
        cmocka_unit_test(test_form),          cmocka_unit_test(test_bearer),
        cmocka_unit_test(test_failures),      cmocka_unit_test(test_long_poll),
        cmocka_unit_test(test_pipelining),    cmocka_unit_test(test_full_queue),
        cmocka_unit_test(test_client_leaves), cmocka_unit_test(test_patience),
        cmocka_unit_test(test_stop),          cmocka_unit_test(test_bad_address),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
