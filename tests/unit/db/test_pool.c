#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/stop.h"
#include "db/connection.h"
#include "metrics/metrics.h"
#include "support/cluster.h"
#include "support/cmocka.h"

static struct cluster *cluster;
static struct mr_db_pool *pool;
static struct mr_error err;

static int start_all(void **state)
{
    (void)state;
    mr_stop_install(); /* for SIGPIPE */
    cluster = cluster_start();
    return 0;
}

static int stop_all(void **state)
{
    (void)state;
    cluster_stop(&cluster);
    return 0;
}

static int set_up(void **state)
{
    (void)state;
    mr_error_clear(&err);
    return mr_db_pool_open(cluster_dsn(cluster), "mr-pool", 3, 0, &pool, &err);
}

static int tear_down(void **state)
{
    (void)state;
    mr_db_pool_close(&pool);
    return 0;
}

static struct mr_db *acquire(void)
{
    struct mr_db *db = mr_db_acquire(pool, 5000, &err);
    if (!db)
        fail_msg("%s", err.text);
    return db;
}

static int64_t number(struct mr_db *db, const char *sql)
{
    PGresult *r;
    if (mr_db_query(db, sql, NULL, &r, &err) != MR_OK)
        fail_msg("%s", err.text);
    int64_t n = mr_db_i64(r, 0, 0);
    PQclear(r);
    return n;
}

static int64_t pid_of(struct mr_db *db)
{
    return number(db, "SELECT pg_backend_pid()");
}

static void opening_connects_nowhere(void **state)
{
    (void)state;
    struct mr_db_pool *other;
    assert_int_equal(mr_db_pool_open("host=/nowhere", "x", 1, 0, &other, &err), MR_OK);
    mr_db_pool_close(&other);
    assert_null(other);
    mr_db_pool_close(&other);
}

static void a_bad_dsn_is_fatal_and_not_quoted(void **state)
{
    (void)state;
    static const char *const cases[] = {"hunter2", "passwrd=hunter2", "postgresql//u:hunter2@h",
                                        "password='hunter2", "postgresql://u:hunter2@[h/x"};
    for (size_t i = 0; i < CASES(cases); i++) {
        struct mr_db_pool *other = NULL;
        assert_int_equal(mr_db_pool_open(cases[i], "x", 1, 0, &other, &err), MR_FAIL);
        assert_int_equal(err.class, MR_CLASS_FATAL);
        assert_null(strstr(err.text, "hunter2"));
    }
}

static void options_of_the_dsn_are_kept(void **state)
{
    (void)state;
    char dsn[256];
    PGresult *r;
    struct mr_db_pool *other;
    snprintf(dsn, sizeof(dsn), "%s options='-c search_path=elsewhere'", cluster_dsn(cluster));
    assert_int_equal(mr_db_pool_open(dsn, "x", 1, 1234, &other, &err), MR_OK);
    struct mr_db *db = mr_db_acquire(other, 5000, &err);
    assert_non_null(db);
    assert_int_equal(
        mr_db_query(db, "SELECT current_setting('search_path'), current_setting('statement_timeout')", NULL,
                    &r, &err),
        MR_OK);
    assert_string_equal(mr_db_text(r, 0, 0), "elsewhere");
    assert_string_equal(mr_db_text(r, 0, 1), "1234ms");
    PQclear(r);
    mr_db_release(&db);
    mr_db_pool_close(&other);
}

static void connections_are_used_again(void **state)
{
    (void)state;
    struct mr_db *db = acquire();
    int64_t pid = pid_of(db);
    for (int i = 0; i < 5; i++) {
        mr_db_release(&db);
        assert_null(db);
        db = acquire();
        assert_int_equal(pid_of(db), pid);
    }
    mr_db_release(&db);
    mr_db_release(&db); /* NULL is fine */
}

static void exhaustion_is_told_in_time(void **state)
{
    (void)state;
    struct mr_db *db[3];
    for (int i = 0; i < 3; i++)
        db[i] = acquire();
    int64_t before = mr_mono_ms();
    assert_null(mr_db_acquire(pool, 100, &err));
    int64_t took = mr_mono_ms() - before;
    assert_true(took >= 100 && took < 2000);
    assert_int_equal(err.class, MR_CLASS_RETRY);
    assert_string_equal(err.text, "all 3 database connections were in use for 100 ms");
    assert_null(mr_db_acquire(pool, 0, &err));
    mr_db_release(&db[0]);
    db[0] = mr_db_acquire(pool, 0, &err);
    assert_non_null(db[0]);
    for (int i = 0; i < 3; i++)
        mr_db_release(&db[i]);
}

static void *release_later(void *ctx)
{
    struct mr_db *db = ctx;
    mr_sleep_ms(50);
    mr_db_release(&db);
    return NULL;
}

static void a_waiter_gets_what_is_released(void **state)
{
    (void)state;
    pthread_t thread;
    struct mr_db *db[3];
    for (int i = 0; i < 3; i++)
        db[i] = acquire();
    pthread_create(&thread, NULL, release_later, db[0]);
    db[0] = acquire();
    pthread_join(thread, NULL);
    for (int i = 0; i < 3; i++)
        mr_db_release(&db[i]);
}

enum { THREADS = 8, EACH = 100 };
static atomic_int busy, most_busy, failures;

static void *use_many(void *ctx)
{
    (void)ctx;
    struct mr_error mine;
    for (int i = 0; i < EACH; i++) {
        struct mr_db *db = mr_db_acquire(pool, 20000, &mine);
        if (!db) {
            atomic_fetch_add(&failures, 1);
            continue;
        }
        int now = atomic_fetch_add(&busy, 1) + 1;
        for (int seen = atomic_load(&most_busy);
             now > seen && !atomic_compare_exchange_weak(&most_busy, &seen, now);)
            continue;
        if (mr_db_query(db, "SELECT 1", NULL, NULL, &mine) != MR_OK)
            atomic_fetch_add(&failures, 1);
        atomic_fetch_sub(&busy, 1);
        mr_db_release(&db);
    }
    return NULL;
}

static void many_threads_share_few(void **state)
{
    (void)state;
    pthread_t threads[THREADS];
    for (int i = 0; i < THREADS; i++)
        pthread_create(&threads[i], NULL, use_many, NULL);
    for (int i = 0; i < THREADS; i++)
        pthread_join(threads[i], NULL);
    assert_int_equal(atomic_load(&failures), 0);
    assert_in_range(atomic_load(&most_busy), 1, 3);
    struct mr_db *db = acquire();
    assert_in_range(number(db, "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'mr-pool'"), 1,
                    3);
    mr_db_release(&db);
}

static void terminate(int64_t pid)
{
    char sql[80];
    snprintf(sql, sizeof(sql), "SELECT pg_terminate_backend(%d, 5000)", (int)pid);
    cluster_run(cluster, sql);
}

static void a_held_connection_that_dies_costs_one_query(void **state)
{
    (void)state;
    struct mr_db *db = acquire();
    int64_t pid = pid_of(db);
    assert_int_equal(mr_db_begin(db, &err), MR_OK);
    terminate(pid);
    assert_int_equal(mr_db_query(db, "SELECT 1", NULL, NULL, &err), MR_FAIL);
    assert_int_equal(err.class, MR_CLASS_RETRY);
    assert_int_equal(mr_db_exec(db, "SELECT 1", &err), MR_FAIL);
    assert_int_equal(err.class, MR_CLASS_RETRY);
    assert_int_equal(mr_db_commit(db, &err), MR_FAIL);
    assert_int_equal(err.class, MR_CLASS_RETRY);
    mr_db_rollback(db);
    mr_db_release(&db);
    db = acquire();
    assert_true(pid_of(db) != pid);
    mr_db_release(&db);
}

static void an_idle_connection_that_dies_costs_nothing(void **state)
{
    (void)state;
    struct mr_db *db[3];
    int64_t pids[3];
    for (int i = 0; i < 3; i++) {
        db[i] = acquire();
        pids[i] = pid_of(db[i]);
    }
    for (int i = 0; i < 3; i++)
        mr_db_release(&db[i]);
    for (int i = 0; i < 3; i++)
        terminate(pids[i]);
    for (int i = 0; i < 3; i++) {
        db[i] = acquire();
        assert_int_equal(mr_db_exec(db[i], "SELECT 1", &err), MR_OK);
    }
    for (int i = 0; i < 3; i++)
        mr_db_release(&db[i]);
}

static void an_outage_is_retry_and_ends_by_itself(void **state)
{
    (void)state;
    struct mr_db *held = acquire();
    struct mr_db *idle = acquire();
    mr_db_release(&idle);
    assert_int_equal(mr_db_probe(pool, &err), MR_OK);
    cluster_kill(cluster);
    assert_int_equal(mr_db_exec(held, "SELECT 1", &err), MR_FAIL);
    assert_int_equal(err.class, MR_CLASS_RETRY);
    assert_null(mr_db_acquire(pool, 1000, &err));
    assert_int_equal(err.class, MR_CLASS_RETRY);
    assert_non_null(strstr(err.text, "connect to PostgreSQL: "));
    assert_int_equal(mr_db_probe(pool, &err), MR_FAIL);
    assert_int_equal(err.class, MR_CLASS_RETRY);
    mr_db_release(&held);
    cluster_revive(cluster);
    assert_int_equal(mr_db_probe(pool, &err), MR_OK);
    struct mr_db *db[3];
    for (int i = 0; i < 3; i++) { /* no place was lost on the way */
        db[i] = acquire();
        assert_int_equal(mr_db_exec(db[i], "SELECT 1", &err), MR_OK);
    }
    for (int i = 0; i < 3; i++)
        mr_db_release(&db[i]);
}

static void a_probe_does_not_need_a_place(void **state)
{
    (void)state;
    struct mr_db *db[3];
    for (int i = 0; i < 3; i++)
        db[i] = acquire();
    assert_int_equal(mr_db_probe(pool, &err), MR_OK);
    for (int i = 0; i < 3; i++)
        mr_db_release(&db[i]);
}

static void what_the_server_refuses_is_fatal(void **state)
{
    (void)state;
    static const char *const cases[][2] = {{"dbname=nowhere", "3D000"}, {"user=nobody", "28000"}};
    for (size_t i = 0; i < CASES(cases); i++) {
        char dsn[256];
        struct mr_db_pool *other;
        snprintf(dsn, sizeof(dsn), "%s %s", cluster_dsn(cluster), cases[i][0]);
        assert_int_equal(mr_db_pool_open(dsn, "x", 1, 0, &other, &err), MR_OK);
        assert_null(mr_db_acquire(other, 1000, &err));
        assert_int_equal(err.code, mr_sqlstate(cases[i][1]));
        assert_int_equal(err.class, MR_CLASS_FATAL);
        mr_db_pool_close(&other);
    }
}

static void long_idle_connections_are_closed(void **state)
{
    (void)state;
    struct mr_db *a = acquire(), *b = acquire();
    struct mr_db *old = a;
    mr_db_release(&a);
    old->idle_since_ms -= 6 * 60 * 1000;
    mr_db_release(&b);
    b = acquire();
    assert_int_equal(
        number(b, "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'mr-pool' AND pid <> "
                  "pg_backend_pid() AND state IS NOT NULL AND pg_sleep(0.1) IS NOT NULL"),
        0);
    mr_db_release(&b);
}

static void parameters_that_change_do_not_look_like_an_end(void **state)
{
    (void)state;
    struct mr_db *db = acquire();
    int64_t pid = pid_of(db);
    assert_int_equal(mr_db_exec(db, "LISTEN news", &err), MR_OK);
    mr_db_release(&db);
    cluster_run(cluster, "NOTIFY news");
    mr_sleep_ms(50);
    db = acquire();
    assert_int_equal(pid_of(db), pid);
    mr_db_release(&db);
}

static void open_connections_are_a_metric(void **state)
{
    (void)state;
    struct mr_buf text;
    struct mr_db *db = acquire();
    mr_buf_init(&text, 1 << 20);
    assert_int_equal(mr_metrics_text(&text), MR_OK);
    assert_non_null(strstr(text.data, "\nmr_db_connections 1\n"));
    mr_db_release(&db);
    mr_db_pool_close(&pool);
    mr_buf_reset(&text);
    assert_int_equal(mr_metrics_text(&text), MR_OK);
    assert_non_null(strstr(text.data, "\nmr_db_connections 0\n"));
    mr_buf_free(&text);
}

#define CASE(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(opening_connects_nowhere),
        CASE(a_bad_dsn_is_fatal_and_not_quoted),
        CASE(options_of_the_dsn_are_kept),
        CASE(connections_are_used_again),
        CASE(exhaustion_is_told_in_time),
        CASE(a_waiter_gets_what_is_released),
        CASE(many_threads_share_few),
        CASE(a_held_connection_that_dies_costs_one_query),
        CASE(an_idle_connection_that_dies_costs_nothing),
        CASE(an_outage_is_retry_and_ends_by_itself),
        CASE(a_probe_does_not_need_a_place),
        CASE(what_the_server_refuses_is_fatal),
        CASE(long_idle_connections_are_closed),
        CASE(parameters_that_change_do_not_look_like_an_end),
        CASE(open_connections_are_a_metric),
    };
    return cmocka_run_group_tests(tests, start_all, stop_all);
}
