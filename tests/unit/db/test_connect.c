/* Connecting to a server that is only a script: what it sends after the startup packet, and whether it goes.
 * Messages as in the PostgreSQL documentation, "Message Formats". */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/stop.h"
#include "db/connection.h"
#include "support/cmocka.h"

struct script {
    const char *bytes;
    size_t n;
    bool stay; /* keeps the connection open until the client goes */
    int listener;
    pthread_t thread;
    char dsn[128];
};

static struct mr_error err;

static void *serve(void *ctx)
{
    struct script *s = ctx;
    char buf[4096];
    int fd = accept(s->listener, NULL, NULL);
    if (fd < 0)
        return NULL;
    if (recv(fd, buf, sizeof(buf), 0) > 0)
        send(fd, s->bytes, s->n, MSG_NOSIGNAL);
    while (s->stay && recv(fd, buf, sizeof(buf), 0) > 0)
        continue;
    close(fd);
    return NULL;
}

static void start(struct script *s)
{
    struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t n = sizeof(a);
    s->listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(bind(s->listener, (struct sockaddr *)&a, n), 0);
    assert_int_equal(listen(s->listener, 8), 0);
    assert_int_equal(getsockname(s->listener, (struct sockaddr *)&a, &n), 0);
    snprintf(s->dsn, sizeof(s->dsn), "host=127.0.0.1 port=%d user=u dbname=d sslmode=disable",
             ntohs(a.sin_port));
    assert_int_equal(pthread_create(&s->thread, NULL, serve, s), 0);
}

static void stop(struct script *s)
{
    shutdown(s->listener, SHUT_RDWR);
    pthread_join(s->thread, NULL);
    close(s->listener);
}

static struct mr_db *connect_to(const char *dsn)
{
    struct mr_db_settings settings;
    mr_error_clear(&err);
    assert_int_equal(mr_db_settings_make(dsn, "mr-test", 0, &settings, &err), MR_OK);
    struct mr_db *db = mr_db_connect(&settings, &err);
    mr_db_settings_free(&settings);
    return db;
}

static struct mr_db *connect_to_script(struct script *s)
{
    start(s);
    struct mr_db *db = connect_to(s->dsn);
    if (!db)
        stop(s);
    return db;
}

/* ErrorResponse with severity, SQLSTATE and message. */
static size_t error_response(char *out, const char *severity, const char *sqlstate, const char *message)
{
    const char *const fields[][2] = {{"S", severity}, {"V", "FATAL"}, {"C", sqlstate}, {"M", message}};
    size_t n = 5;
    for (size_t i = 0; i < CASES(fields); i++)
        n += (size_t)sprintf(out + n, "%s%s", fields[i][0], fields[i][1]) + 1;
    out[n++] = '\0';
    uint32_t length = htonl((uint32_t)(n - 1));
    out[0] = 'E';
    memcpy(out + 1, &length, 4);
    return n;
}

static void refusals_have_their_class(void **state)
{
    (void)state;
    static const struct {
        const char *severity, *sqlstate, *message;
        enum mr_error_class class;
    } cases[] = {
        {"FATAL", "28P01", "password authentication failed for user \"u\"", MR_CLASS_FATAL},
        {"FATAL", "28000", "no pg_hba.conf entry", MR_CLASS_FATAL},
        {"FATAL", "3D000", "database \"d\" does not exist", MR_CLASS_FATAL},
        {"FATAL", "42704", "unrecognized configuration parameter", MR_CLASS_FATAL},
        {"FATAL", "57P03", "the database system is starting up", MR_CLASS_RETRY},
        {"FATAL", "53300", "sorry, too many clients already", MR_CLASS_RETRY},
        {"VALVETTU", "57P03", "translated:  here too", MR_CLASS_RETRY},
    };
    for (size_t i = 0; i < CASES(cases); i++) {
        char bytes[512];
        struct script s = {.bytes = bytes};
        s.n = error_response(bytes, cases[i].severity, cases[i].sqlstate, cases[i].message);
        assert_null(connect_to_script(&s));
        assert_int_equal(err.class, cases[i].class);
        assert_int_equal(err.code, mr_sqlstate(cases[i].sqlstate));
        assert_non_null(strstr(err.text, cases[i].message));
        assert_null(strchr(err.text, '\n'));
    }
}

static void nobody_there_is_retry(void **state)
{
    (void)state;
    struct script s = {.bytes = ""};
    start(&s);
    stop(&s);
    assert_null(connect_to(s.dsn));
    assert_int_equal(err.class, MR_CLASS_RETRY);
    assert_int_equal(err.code, 0);
    assert_non_null(strstr(err.text, "Connection refused"));
    assert_null(connect_to("host=/nowhere dbname=d"));
    assert_int_equal(err.class, MR_CLASS_RETRY);
}

static void a_server_that_hangs_up_is_retry(void **state)
{
    (void)state;
    struct script s = {.bytes = ""};
    assert_null(connect_to_script(&s));
    assert_int_equal(err.class, MR_CLASS_RETRY);
}

static void nonsense_is_retry(void **state)
{
    (void)state;
    struct script s = {.bytes = "HTTP/1.1 400 Bad Request\r\n\r\n", .n = 28};
    assert_null(connect_to_script(&s));
    assert_int_equal(err.class, MR_CLASS_RETRY);
}

static void silence_is_given_three_seconds(void **state)
{
    (void)state;
    struct script s = {.bytes = "", .stay = true};
    int64_t before = mr_mono_ms();
    assert_null(connect_to_script(&s));
    assert_in_range(mr_mono_ms() - before, 2900, 8000);
    assert_int_equal(err.class, MR_CLASS_RETRY);
    assert_string_equal(err.text, "connect to PostgreSQL: no answer within 3 s");
}

/* AuthenticationOk and ReadyForQuery: all that libpq waits for. */
static const char welcome[] = "R\0\0\0\x08\0\0\0\0Z\0\0\0\x05I";

static void a_server_may_go_in_the_middle_of_a_query(void **state)
{
    (void)state;
    struct script s = {.bytes = welcome, .n = sizeof(welcome) - 1};
    struct mr_db *db = connect_to_script(&s);
    assert_non_null(db);
    assert_int_equal(mr_db_query(db, "SELECT 1", NULL, NULL, &err), MR_FAIL);
    assert_int_equal(err.class, MR_CLASS_RETRY);
    assert_int_equal(err.code, 0);
    assert_true(db->broken);
    assert_false(mr_db_alive(db));
    mr_db_disconnect(db);
    stop(&s);
}

static void names_are_a_set(void **state)
{
    (void)state;
    struct mr_db_names names = {0};
    assert_false(mr_db_names_has(&names, 1));
    for (uint64_t i = 1; i <= 1000; i++) {
        assert_true(mr_db_names_add(&names, i << 20 | (i & 1))); /* many meet in one slot */
        assert_true(mr_db_names_add(&names, i << 20 | (i & 1)));
    }
    assert_int_equal(names.n, 1000);
    for (uint64_t i = 1; i <= 1000; i++) {
        assert_true(mr_db_names_has(&names, i << 20 | (i & 1)));
        assert_false(mr_db_names_has(&names, i << 20 | 2));
    }
    free(names.slots);
}

static void sqlstates_have_their_class(void **state)
{
    (void)state;
    static const struct {
        const char *states;
        enum mr_error_class class;
    } cases[] = {
        {"08006 40001 40P01 53300 55P03 57014 57P01 58030 25006", MR_CLASS_RETRY},
        {"22P02 22001 23505 23503 54000", MR_CLASS_REJECT},
        {"28P01 3D000 42P01 42501 0A000 25P02 XX000 P0001", MR_CLASS_FATAL},
    };
    for (size_t i = 0; i < CASES(cases); i++) {
        for (const char *p = cases[i].states; *p; p += p[5] ? 6 : 5)
            assert_int_equal(mr_db_class(p), cases[i].class);
    }
    assert_int_equal(mr_db_class(NULL), MR_CLASS_RETRY);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(refusals_have_their_class),
        cmocka_unit_test(nobody_there_is_retry),
        cmocka_unit_test(a_server_that_hangs_up_is_retry),
        cmocka_unit_test(nonsense_is_retry),
        cmocka_unit_test(silence_is_given_three_seconds),
        cmocka_unit_test(a_server_may_go_in_the_middle_of_a_query),
        cmocka_unit_test(names_are_a_set),
        cmocka_unit_test(sqlstates_have_their_class),
    };
    mr_stop_install(); /* for SIGPIPE */
    return cmocka_run_group_tests(tests, NULL, NULL);
}
