/* Of whom X-Forwarded-For is believed: the blocks, and what a server on a real socket takes for the client.
 */
#include "exchange.h"

#include "http/proxies.h"
#include "http/server.h"

static struct mr_error err;

static bool trusted(const char *blocks, const char *peer, const char *as_text)
{
    struct mr_http_proxies p;
    struct sockaddr_in in = {.sin_family = AF_INET};
    struct sockaddr_in6 in6 = {.sin6_family = AF_INET6};
    char text[MR_HTTP_ADDRESS_MAX];
    assert_int_equal(mr_http_proxies_read(blocks, &p, &err), MR_OK);
    bool six = strchr(peer, ':') != NULL;
    assert_int_equal(
        inet_pton(six ? AF_INET6 : AF_INET, peer, six ? (void *)&in6.sin6_addr : (void *)&in.sin_addr), 1);
    const struct sockaddr *sa = six ? (const void *)&in6 : (const void *)&in;
    bool is = mr_http_proxies_have(&p, sa, text);
    assert_string_equal(text, as_text ? as_text : peer);
    return is;
}

static void test_blocks(void **state)
{
    (void)state;
    const char loopback[] = "127.0.0.0/8, ::1";
    assert_true(trusted(loopback, "127.0.0.1", NULL));
    assert_true(trusted(loopback, "127.255.255.255", NULL));
    assert_true(trusted(loopback, "::1", NULL));
    assert_true(trusted(loopback, "::ffff:127.0.0.1", "127.0.0.1"));
    assert_false(trusted(loopback, "128.0.0.1", NULL));
    assert_false(trusted(loopback, "::2", NULL));
    assert_false(trusted(loopback, "7f00::1", NULL));
    assert_true(trusted("192.0.2.7", "192.0.2.7", NULL));
    assert_false(trusted("192.0.2.7", "192.0.2.6", NULL));
    assert_true(trusted("172.16.0.0/12,10.0.0.0/8", "172.31.255.1", NULL));
    assert_true(trusted("172.16.0.0/12,10.0.0.0/8", "10.9.8.7", NULL));
    assert_false(trusted("172.16.0.0/12,10.0.0.0/8", "172.32.0.1", NULL));
    assert_true(trusted("0.0.0.0/0", "203.0.113.1", NULL));
    assert_false(trusted("0.0.0.0/0", "2001:db8::1", NULL));
    assert_true(trusted("2001:db8::/33", "2001:db8:7fff::1", NULL));
    assert_false(trusted("2001:db8::/33", "2001:db8:8000::1", NULL));
    assert_false(trusted("", "127.0.0.1", NULL));
    assert_false(trusted(NULL, "127.0.0.1", NULL));
    assert_false(trusted(" , ", "127.0.0.1", NULL));
}

static void test_wrong_blocks(void **state)
{
    (void)state;
    const char *const bad[] = {"edge",           "10.0.0.0/33", "::1/129", "10.0.0/8",   "10.0.0.0/",
                               "10.0.0.0/8x",    "10.0.0.0/-1", "/8",      "1.2.3.4:80", "10.0.0.0/0008",
                               "10.0.0.0/8;::1", "::1, what",   "::g"};
    struct mr_http_proxies p;
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        if (mr_http_proxies_read(bad[i], &p, &err) == MR_OK)
            fail_msg("taken: `%s`", bad[i]);
        assert_int_equal(err.class, MR_CLASS_FATAL);
        assert_non_null(strstr(err.text, "http.trusted_proxies"));
    }
    char many[(MR_HTTP_PROXIES_MAX + 1) * 4 + 1] = "";
    for (int i = 0; i <= MR_HTTP_PROXIES_MAX; i++)
        strcat(many, "::1,");
    assert_int_equal(mr_http_proxies_read(many, &p, &err), MR_FAIL);
    many[MR_HTTP_PROXIES_MAX * 4] = '\0';
    assert_int_equal(mr_http_proxies_read(many, &p, &err), MR_OK);
}

static void address(void *ctx, struct mr_http_request *rq, struct mr_http_reply *rp)
{
    (void)ctx;
    mr_http_reply_json(rp, 200, json_pack("{s:s}", "from", mr_http_client_address(rq)));
}

static const struct mr_http_route routes[] = {{"GET", "/", address, 0, NULL}};

static void seen_as(const char *trusted_proxies, const char *forwarded, const char *want)
{
    struct mr_config cfg = {.listen = "127.0.0.1:0",
                            .http_threads = 1,
                            .http_queue = 4,
                            .http_connections = 16,
                            .http_body_max = 4096,
                            .http_trusted_proxies = trusted_proxies};
    const struct mr_http_options o = {.cfg = &cfg, .routes = routes, .n_routes = 1};
    struct mr_http_server *server = NULL;
    char request[512], from[128];
    assert_int_equal(mr_http_server_start(&o, &server, &err), MR_OK);
    int n =
        snprintf(request, sizeof(request), "GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n%s%s%s\r\n",
                 forwarded ? "X-Forwarded-For: " : "", forwarded ? forwarded : "", forwarded ? "\r\n" : "");
    snprintf(from, sizeof(from), "{\"from\":\"%s\"}", want);
    const char *answer = exchange(mr_http_server_port(server), request, (size_t)n);
    if (!strstr(answer, from))
        fail_msg("`%s` is not in: %s", from, answer);
    mr_http_server_stop(&server, 1000);
}

static void test_client_address(void **state)
{
    (void)state;
    const char loopback[] = "127.0.0.0/8, ::1";
    seen_as(loopback, "198.51.100.9", "198.51.100.9");
    seen_as(loopback, "2001:db8::9", "2001:db8::9");
    seen_as(loopback, "203.0.113.66, 198.51.100.9",
            "198.51.100.9"); /* the first is what a client may claim */
    seen_as(loopback, NULL, "127.0.0.1");
    seen_as(loopback, "unknown", "127.0.0.1");
    seen_as(loopback, "198.51.100.9, ", "127.0.0.1");
    seen_as("10.0.0.0/8", "198.51.100.9", "127.0.0.1");
    seen_as("", "198.51.100.9", "127.0.0.1");
}

static void test_a_server_refuses_wrong_blocks(void **state)
{
    (void)state;
    struct mr_config cfg = {.listen = "127.0.0.1:0",
                            .http_threads = 1,
                            .http_queue = 4,
                            .http_connections = 16,
                            .http_body_max = 4096,
                            .http_trusted_proxies = "the edge"};
    const struct mr_http_options o = {.cfg = &cfg, .routes = routes, .n_routes = 1};
    struct mr_http_server *server = NULL;
    assert_int_equal(mr_http_server_start(&o, &server, &err), MR_FAIL);
    assert_int_equal(err.class, MR_CLASS_FATAL);
    assert_null(server);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_blocks),
        cmocka_unit_test(test_wrong_blocks),
        cmocka_unit_test(test_client_address),
        cmocka_unit_test(test_a_server_refuses_wrong_blocks),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
