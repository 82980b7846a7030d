#include "metrics/server.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "metrics/metrics.h"
#include "support/cmocka.h"

static struct mr_metrics_server *server;
static struct mr_error err;
static char answer[65536];

static atomic_int asked;
static atomic_bool ready;

static enum mr_status is_ready(void *ctx, struct mr_error *why)
{
    assert_ptr_equal(ctx, &server);
    atomic_fetch_add(&asked, 1);
    return atomic_load(&ready) ? MR_OK : mr_error_set(why, MR_CLASS_RETRY, 0, "PostgreSQL: no answer");
}

static int set_up(void **state)
{
    (void)state;
    atomic_store(&asked, 0);
    atomic_store(&ready, true);
    return mr_metrics_server_start("127.0.0.1:0", is_ready, &server, &server, &err);
}

static int tear_down(void **state)
{
    (void)state;
    mr_metrics_server_stop(&server);
    assert_null(server);
    mr_metrics_server_stop(&server);
    return 0;
}

/* The whole answer to one request, headers and body. */
static const char *ask(const char *request)
{
    struct sockaddr_in a = {.sin_family = AF_INET,
                            .sin_addr.s_addr = htonl(INADDR_LOOPBACK),
                            .sin_port = htons((uint16_t)mr_metrics_server_port(server))};
    char text[512];
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    assert_int_equal(connect(fd, (struct sockaddr *)&a, sizeof(a)), 0);
    int n = snprintf(text, sizeof(text),
                     "%s HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: %d\r\n\r\n%s", request,
                     *request == 'P' ? 4 : 0, *request == 'P' ? "body" : "");
    assert_int_equal(send(fd, text, (size_t)n, 0), n);
    size_t have = 0;
    ssize_t got;
    while ((got = recv(fd, answer + have, sizeof(answer) - 1 - have, 0)) > 0)
        have += (size_t)got;
    answer[have] = '\0';
    close(fd);
    return answer;
}

static void assert_status(const char *request, const char *status, const char *part)
{
    char line[64];
    snprintf(line, sizeof(line), "HTTP/1.1 %s", status);
    ask(request);
    assert_memory_equal(answer, line, strlen(line));
    assert_non_null(strstr(answer, part));
}

static void metrics_are_served(void **state)
{
    (void)state;
    mr_metric_add(MR_M_http_shed, NULL, 1);
    assert_status("GET /metrics", "200 OK", "Content-Type: text/plain; version=0.0.4; charset=utf-8\r\n");
    assert_non_null(strstr(answer, "\nmr_http_shed_total 1\n"));
    assert_non_null(strstr(answer, "\nprocess_open_fds "));
    assert_status("HEAD /metrics", "200 OK", "Content-Length: ");
    assert_null(strstr(answer, "mr_http_shed_total"));
    assert_status("GET /metrics?x=1", "200 OK", "mr_http_shed_total");
}

static void the_process_lives(void **state)
{
    (void)state;
    assert_status("GET /healthz", "200 OK", "\r\n\r\nok\n");
    assert_int_equal(atomic_load(&asked), 0);
}

static void readiness_is_asked_once_a_second(void **state)
{
    (void)state;
    for (int i = 0; i < 5; i++)
        assert_status("GET /readyz", "200 OK", "\r\n\r\nready\n");
    assert_in_range(atomic_load(&asked), 1, 2);
    atomic_store(&ready, false);
    mr_sleep_ms(1050);
    assert_status("GET /readyz", "503 Service Unavailable", "\r\n\r\nPostgreSQL: no answer\n");
    atomic_store(&ready, true);
    mr_sleep_ms(1050);
    assert_status("GET /readyz", "200 OK", "ready");
}

static void other_requests_are_refused(void **state)
{
    (void)state;
    assert_status("GET /", "404 Not Found", "/metrics");
    assert_status("GET /metrics/", "404 Not Found", "");
    assert_status("POST /metrics", "405 Method Not Allowed", "Allow: GET, HEAD\r\n");
    assert_status("DELETE /healthz", "405 Method Not Allowed", "");
}

static void *ask_many(void *ctx)
{
    (void)ctx;
    for (int i = 0; i < 200; i++) {
        mr_metric_add(MR_M_records, i % 2 ? "a" : "b", 1);
        mr_metric_observe(MR_M_handler_seconds, NULL, 0.1);
    }
    return NULL;
}

static void it_serves_while_others_update(void **state)
{
    (void)state;
    pthread_t thread;
    pthread_create(&thread, NULL, ask_many, NULL);
    for (int i = 0; i < 20; i++)
        assert_status("GET /metrics", "200 OK", "");
    pthread_join(thread, NULL);
}

static void refused(const char *listen_at, const char *expected)
{
    struct mr_metrics_server *other = NULL;
    mr_error_clear(&err);
    assert_int_equal(mr_metrics_server_start(listen_at, NULL, NULL, &other, &err), MR_FAIL);
    assert_null(other);
    assert_int_equal(err.class, MR_CLASS_FATAL);
    assert_string_equal(err.text, expected);
}

static void bad_addresses_are_refused(void **state)
{
    (void)state;
    char taken[64], expected[128];
    refused("", "metrics address \"\" is not host:port");
    refused("127.0.0.1", "metrics address \"127.0.0.1\" is not host:port");
    refused("127.0.0.1:", "metrics address \"127.0.0.1:\" is not host:port");
    refused("127.0.0.1:http", "metrics address 127.0.0.1:http: Name or service not known");
    refused("192.0.2.1:0", "listen on 192.0.2.1:0 for metrics: Cannot assign requested address");
    snprintf(taken, sizeof(taken), "127.0.0.1:%d", mr_metrics_server_port(server));
    snprintf(expected, sizeof(expected), "listen on %s for metrics: Address already in use", taken);
    refused(taken, expected);
    assert_int_equal(err.code, EADDRINUSE);
}

static void other_forms_of_address(void **state)
{
    (void)state;
    static const char *const forms[] = {"localhost:0", ":0", "[::]:0"};
    for (size_t i = 0; i < CASES(forms); i++) {
        struct mr_metrics_server *other = NULL;
        if (mr_metrics_server_start(forms[i], NULL, NULL, &other, &err) != MR_OK && err.code == EAFNOSUPPORT)
            continue; /* a kernel without IPv6 */
        assert_non_null(other);
        assert_true(mr_metrics_server_port(other) > 0);
        mr_metrics_server_stop(&other);
    }
}

/* The server answers 200 to /readyz when nothing has to be asked. */
static void without_a_question_it_is_ready(void **state)
{
    (void)state;
    struct mr_metrics_server *asking = server;
    assert_int_equal(mr_metrics_server_start("127.0.0.1:0", NULL, NULL, &server, &err), MR_OK);
    assert_status("GET /readyz", "200 OK", "ready");
    mr_metrics_server_stop(&server);
    server = asking;
}

#define CASE(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(metrics_are_served),
        CASE(the_process_lives),
        CASE(readiness_is_asked_once_a_second),
        CASE(other_requests_are_refused),
        CASE(it_serves_while_others_update),
        CASE(bad_addresses_are_refused),
        CASE(other_forms_of_address),
        CASE(without_a_question_it_is_ready),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
