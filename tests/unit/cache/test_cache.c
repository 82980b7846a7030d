#include "cache/cache.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/stop.h"
#include "metrics/metrics.h"
#include "support/child.h"
#include "support/cmocka.h"

static int port;
static pid_t pid;
static char url[64];
static struct mr_cache *cache;
static struct mr_error err;
static struct mr_buf out;

/* A port nobody listens on now. */
static int free_port(void)
{
    struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t n = sizeof(a);
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    assert_int_equal(bind(fd, (struct sockaddr *)&a, n), 0);
    assert_int_equal(getsockname(fd, (struct sockaddr *)&a, &n), 0);
    close(fd);
    return ntohs(a.sin_port);
}

static void start_redis(void)
{
    char text[16];
    snprintf(text, sizeof(text), "%d", port);
    pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        execlp("redis-server", "redis-server", "--port", text, "--bind", "127.0.0.1", "--save", "",
               "--appendonly", "no", "--logfile", "/dev/null", "--dir", "/tmp", "--requirepass", "secret",
               "--maxmemory", "64mb", (char *)NULL);
        _exit(127);
    }
    int64_t end = mr_mono_ms() + 20000;
    while (mr_cache_probe(cache, &err) != MR_OK) {
        if (mr_mono_ms() > end || waitpid(pid, NULL, WNOHANG) == pid)
            fail_msg("redis-server did not start: %s", err.text);
        mr_sleep_ms(10);
    }
}

static void stop_redis(void)
{
    kill(pid, SIGKILL);
    waitpid(pid, NULL, 0);
}

static int start_all(void **state)
{
    (void)state;
    mr_stop_install(); /* for SIGPIPE */
    mr_log_open("test", MR_LOG_ERROR);
    port = free_port();
    snprintf(url, sizeof(url), "redis://:secret@127.0.0.1:%d/1", port);
    assert_int_equal(mr_cache_open(url, 500, &cache, &err), MR_OK);
    start_redis();
    mr_buf_init(&out, 1 << 20);
    return 0;
}

static int stop_all(void **state)
{
    (void)state;
    stop_redis();
    mr_buf_free(&out);
    mr_cache_close(&cache);
    assert_null(cache);
    mr_cache_close(&cache);
    return 0;
}

static void set(const char *key, const char *value)
{
    mr_cache_set(cache, key, mr_span_of(value), 60000);
}

static bool get(const char *key)
{
    mr_buf_reset(&out);
    return mr_cache_get(cache, key, &out);
}

static void what_is_set_is_got(void **state)
{
    (void)state;
    assert_false(get("nothing"));
    set("key with spaces %s", "value");
    assert_true(get("key with spaces %s"));
    assert_string_equal(out.data, "value");
    assert_true(mr_cache_get(cache, "key with spaces %s", &out)); /* appended */
    assert_string_equal(out.data, "valuevalue");
    mr_cache_set(cache, "binary", (struct mr_span){"\0\r\n\xff", 4}, 60000);
    assert_true(get("binary"));
    assert_true(mr_span_eq(mr_buf_span(&out), (struct mr_span){"\0\r\n\xff", 4}));
    mr_cache_set(cache, "empty", (struct mr_span){NULL, 0}, 60000);
    assert_true(get("empty"));
    assert_int_equal(out.len, 0);
    mr_cache_delete(cache, "binary");
    mr_cache_delete(cache, "binary");
    assert_false(get("binary"));
}

static void what_expires_is_missed(void **state)
{
    (void)state;
    mr_cache_set(cache, "short", mr_span_of("x"), 30);
    assert_true(get("short"));
    mr_sleep_ms(60);
    assert_false(get("short"));
    mr_cache_set(cache, "never", mr_span_of("x"), 0);
    mr_cache_set(cache, "never", mr_span_of("x"), -1);
    assert_false(get("never"));
}

static void a_value_too_large_for_the_caller_is_a_miss(void **state)
{
    (void)state;
    struct mr_buf small;
    mr_buf_init(&small, 3);
    set("large", "1234");
    assert_false(mr_cache_get(cache, "large", &small));
    assert_int_equal(small.len, 0);
    mr_buf_free(&small);
}

static void other_types_are_missed_and_do_not_hurt(void **state)
{
    (void)state;
    char command[128];
    snprintf(command, sizeof(command),
             "redis-cli --no-auth-warning -p %d -a secret -n 1 lpush list x >/dev/null", port);
    assert_int_equal(system(command), 0);
    assert_false(get("list"));
    set("after", "x");
    assert_true(get("after"));
}

static void a_restart_costs_little(void **state)
{
    (void)state;
    set("k", "v");
    stop_redis();
    int64_t before = mr_mono_ms();
    for (int i = 0; i < 1000; i++)
        assert_false(get("k"));
    set("k", "v");
    mr_cache_delete(cache, "k");
    assert_true(mr_mono_ms() - before < 900); /* nobody waits for what is known to be away */
    assert_int_equal(mr_cache_probe(cache, &err), MR_FAIL);
    assert_int_equal(err.class, MR_CLASS_RETRY);
    assert_int_equal(mr_cache_probe(cache, NULL), MR_FAIL);
    start_redis(); /* the probe that succeeds ends the wait */
    set("k", "v");
    assert_true(get("k"));
}

static void it_comes_back_without_a_probe(void **state)
{
    (void)state;
    assert_true(get("k"));
    kill(pid, SIGSTOP); /* a server that hangs: one timeout, then nobody waits for a second */
    int64_t before = mr_mono_ms();
    assert_false(get("k"));
    assert_in_range(mr_mono_ms() - before, 400, 5000);
    before = mr_mono_ms();
    assert_false(get("k"));
    assert_true(mr_mono_ms() - before < 300);
    kill(pid, SIGCONT);
    mr_sleep_ms(1050);
    set("k", "v");
    assert_true(get("k"));
}

static struct child result;

static void miss_many(void *ctx)
{
    (void)ctx;
    struct mr_cache *nowhere;
    char text[64];
    snprintf(text, sizeof(text), "redis://127.0.0.1:%d", free_port());
    mr_log_open("test", MR_LOG_INFO);
    if (mr_cache_open(text, 100, &nowhere, &err) != MR_OK)
        abort();
    for (int i = 0; i < 100; i++)
        mr_cache_get(nowhere, "k", &out);
    mr_cache_close(&nowhere);
    struct mr_buf metrics;
    mr_buf_init(&metrics, 1 << 20);
    if (mr_metrics_text(&metrics) != MR_OK)
        abort();
    fputs(metrics.data, stdout);
    mr_buf_free(&metrics);
}

static void failures_are_counted_and_logged_once(void **state)
{
    (void)state;
    child_run(miss_many, NULL, &result);
    assert_int_equal(result.exit_status, 0);
    assert_non_null(strstr(result.err, "Connection refused"));
    assert_ptr_equal(strchr(result.err, '\n'), result.err + strlen(result.err) - 1);
    assert_non_null(strstr(result.out, "mr_cache_requests_total{result=\"failed\"}"));
    const char *failed = strstr(result.out, "mr_cache_requests_total{result=\"failed\"} ");
    assert_non_null(failed);
    assert_true(atoi(strchr(failed, ' ')) >= 100);
}

static void a_wrong_password_is_told_by_the_probe(void **state)
{
    (void)state;
    struct mr_cache *other;
    char text[64];
    static const char *const logins[] = {":wrong@", "nobody:secret@", ""};
    for (size_t i = 0; i < CASES(logins); i++) {
        snprintf(text, sizeof(text), "redis://%s127.0.0.1:%d/", logins[i], port);
        assert_int_equal(mr_cache_open(text, 500, &other, &err), MR_OK);
        assert_int_equal(mr_cache_probe(other, &err), MR_FAIL);
        assert_null(strstr(err.text, "secret"));
        assert_false(mr_cache_get(other, "k", &out));
        mr_cache_close(&other);
    }
    snprintf(text, sizeof(text), "redis://default:secret@127.0.0.1:%d/9", port);
    assert_int_equal(mr_cache_open(text, 500, &other, &err), MR_OK);
    assert_int_equal(mr_cache_probe(other, &err), MR_OK);
    mr_cache_close(&other);
}

static void a_bad_url_is_fatal_and_not_quoted(void **state)
{
    (void)state;
    struct mr_cache *other = NULL;
    assert_int_equal(mr_cache_open("rediss://:hunter2@h", 100, &other, &err), MR_FAIL);
    assert_int_equal(err.class, MR_CLASS_FATAL);
    assert_null(strstr(err.text, "hunter2"));
    assert_null(other);
}

static atomic_int wrong;

static void *use_many(void *ctx)
{
    struct mr_buf mine;
    char key[16], value[16];
    mr_buf_init(&mine, 100);
    for (int i = 0; i < 200; i++) {
        snprintf(key, sizeof(key), "t%d-%d", *(int *)ctx, i);
        snprintf(value, sizeof(value), "v%d", i);
        mr_cache_set(cache, key, mr_span_of(value), 60000);
        mr_buf_reset(&mine);
        if (!mr_cache_get(cache, key, &mine) || strcmp(mine.data, value) != 0)
            atomic_fetch_add(&wrong, 1);
    }
    mr_buf_free(&mine);
    return NULL;
}

static void any_thread_may_use_it(void **state)
{
    (void)state;
    enum { THREADS = 20 }; /* more than connections are kept */
    pthread_t threads[THREADS];
    int numbers[THREADS];
    for (int i = 0; i < THREADS; i++) {
        numbers[i] = i;
        pthread_create(&threads[i], NULL, use_many, &numbers[i]);
    }
    for (int i = 0; i < THREADS; i++)
        pthread_join(threads[i], NULL);
    assert_int_equal(atomic_load(&wrong), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_set_is_got),
        cmocka_unit_test(what_expires_is_missed),
        cmocka_unit_test(a_value_too_large_for_the_caller_is_a_miss),
        cmocka_unit_test(other_types_are_missed_and_do_not_hurt),
        cmocka_unit_test(any_thread_may_use_it),
        cmocka_unit_test(a_restart_costs_little),
        cmocka_unit_test(it_comes_back_without_a_probe),
        cmocka_unit_test(failures_are_counted_and_logged_once),
        cmocka_unit_test(a_wrong_password_is_told_by_the_probe),
        cmocka_unit_test(a_bad_url_is_fatal_and_not_quoted),
    };
    return cmocka_run_group_tests(tests, start_all, stop_all);
}
