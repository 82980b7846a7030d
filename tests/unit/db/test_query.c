#include "db/db.h"

#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "db/oid.h"
#include "support/child.h"
#include "support/cluster.h"
#include "support/cmocka.h"

static struct cluster *cluster;
static struct mr_db_pool *pool;
static struct mr_db *db;
static struct mr_error err;

static int start_all(void **state)
{
    (void)state;
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
    assert_int_equal(mr_db_pool_open(cluster_dsn(cluster), "mr-test", 2, 300, &pool, &err), MR_OK);
    db = mr_db_acquire(pool, 1000, &err);
    assert_non_null(db);
    mr_error_clear(&err);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    mr_db_release(&db);
    mr_db_pool_close(&pool);
    cluster_run(cluster, "DROP SCHEMA public CASCADE; CREATE SCHEMA public");
    return 0;
}

static PGresult *query(const char *sql, const struct mr_db_args *args)
{
    PGresult *r;
    if (mr_db_query(db, sql, args, &r, &err) != MR_OK)
        fail_msg("%s", err.text);
    assert_non_null(r);
    return r;
}

static int64_t number(const char *sql)
{
    PGresult *r = query(sql, NULL);
    int64_t n = mr_db_i64(r, 0, 0);
    PQclear(r);
    return n;
}

static void run(const char *sql)
{
    if (mr_db_exec(db, sql, &err) != MR_OK)
        fail_msg("%s", err.text);
}

static void assert_text(const char *sql, const char *expected)
{
    PGresult *r = query(sql, NULL);
    assert_string_equal(mr_db_text(r, 0, 0), expected);
    PQclear(r);
}

static void sessions_are_set_up(void **state)
{
    (void)state;
    assert_text("SHOW timezone", "UTC");
    assert_text("SHOW application_name", "mr-test");
    assert_text("SHOW statement_timeout", "300ms");
    assert_text("SHOW idle_in_transaction_session_timeout", "1min");
    assert_text("SHOW client_encoding", "UTF8");
}

static void every_kind_of_parameter_comes_back(void **state)
{
    (void)state;
    struct mr_db_args args;
    struct mr_uuid id = mr_uuid_v7();
    int64_t now = mr_wall_us();
    mr_db_args_init(&args);
    mr_db_arg_text(&args, "gr\xc3\xbc\xc3\x9f");
    mr_db_arg_span(&args, (struct mr_span){"spanner", 4});
    mr_db_arg_i64(&args, INT64_MIN);
    mr_db_arg_i32(&args, -7);
    mr_db_arg_bool(&args, true);
    mr_db_arg_uuid(&args, id);
    mr_db_arg_bytes(&args, "\0\xff\1", 3);
    mr_db_arg_time(&args, now);
    mr_db_arg_null(&args);
    mr_db_arg_text(&args, NULL);
    mr_db_arg_span(&args, (struct mr_span){NULL, 0});
    mr_db_arg_bytes(&args, NULL, 0);
    PGresult *r =
        query("SELECT $1, $2, $3, $4, $5, $6, $7, $8, $9::int, $10, $11, $12, $4::int2, NOT $5", &args);
    assert_string_equal(mr_db_text(r, 0, 0), "gr\xc3\xbc\xc3\x9f");
    assert_true(mr_span_is(mr_db_span(r, 0, 1), "span"));
    assert_int_equal(mr_db_i64(r, 0, 2), INT64_MIN);
    assert_int_equal(mr_db_i64(r, 0, 3), -7);
    assert_true(mr_db_bool(r, 0, 4));
    assert_true(mr_uuid_eq(mr_db_uuid(r, 0, 5), id));
    assert_true(mr_span_eq(mr_db_span(r, 0, 6), (struct mr_span){"\0\xff\1", 3}));
    assert_int_equal(mr_db_time(r, 0, 7), now);
    assert_true(mr_db_null(r, 0, 8));
    assert_true(mr_db_null(r, 0, 9));
    assert_false(mr_db_null(r, 0, 10));
    assert_int_equal(mr_db_span(r, 0, 10).len, 0);
    assert_int_equal(mr_db_span(r, 0, 11).len, 0);
    assert_int_equal(mr_db_i64(r, 0, 12), -7);
    assert_false(mr_db_bool(r, 0, 13));
    PQclear(r);
}

static void null_reads_as_zero(void **state)
{
    (void)state;
    PGresult *r = query("SELECT NULL::int, NULL::bool, NULL::uuid, NULL::text, NULL::timestamptz", NULL);
    assert_int_equal(mr_db_i64(r, 0, 0), 0);
    assert_false(mr_db_bool(r, 0, 1));
    assert_true(mr_uuid_is_nil(mr_db_uuid(r, 0, 2)));
    assert_string_equal(mr_db_text(r, 0, 3), "");
    assert_int_equal(mr_db_span(r, 0, 3).len, 0);
    assert_int_equal(mr_db_time(r, 0, 4), 0);
    PQclear(r);
}

static void times_agree_with_the_server(void **state)
{
    (void)state;
    PGresult *r = query(
        "SELECT '2026-01-02T03:04:05.678901Z'::timestamptz, '1969-12-31T23:59:59.999999Z'::timestamptz, "
        "'infinity'::timestamptz, '-infinity'::timestamptz",
        NULL);
    char text[MR_RFC3339_SIZE];
    assert_string_equal(mr_rfc3339(mr_db_time(r, 0, 0), text), "2026-01-02T03:04:05.678901Z");
    assert_int_equal(mr_db_time(r, 0, 1), -1);
    assert_int_equal(mr_db_time(r, 0, 2), INT64_MAX);
    assert_int_equal(mr_db_time(r, 0, 3), INT64_MIN);
    PQclear(r);
}

static void json_is_read_as_its_text(void **state)
{
    (void)state;
    assert_text("SELECT '{\"a\": 1}'::jsonb", "{\"a\": 1}");
    assert_text("SELECT '{\"a\":1}'::json", "{\"a\":1}");
}

static void rows_are_not_always_wanted(void **state)
{
    (void)state;
    assert_int_equal(mr_db_query(db, "SELECT 1", NULL, NULL, &err), MR_OK);
    assert_int_equal(mr_db_query(db, "SELEC 1", NULL, NULL, NULL), MR_FAIL);
    PGresult *r = (PGresult *)(uintptr_t)1;
    assert_int_equal(mr_db_query(db, "SELECT 1/0", NULL, &r, &err), MR_FAIL);
    assert_null(r);
}

static void statements_are_prepared_once(void **state)
{
    (void)state;
    struct mr_db_args args;
    for (int i = 0; i < 5; i++) {
        mr_db_args_init(&args);
        mr_db_arg_i64(&args, i);
        PQclear(query("SELECT $1 + 1", &args));
    }
    mr_db_args_init(&args);
    mr_db_arg_i32(&args, 1); /* the same text with another type is another statement */
    PGresult *r = query("SELECT $1 + 1", &args);
    assert_int_equal(PQftype(r, 0), MR_OID_INT4);
    PQclear(r);
    assert_int_equal(number("SELECT count(*) FROM pg_prepared_statements WHERE statement = 'SELECT $1 + 1'"),
                     2);
}

static void texts_made_at_run_time_do_not_pile_up(void **state)
{
    (void)state;
    for (int i = 0; i < 700; i++) {
        char sql[64];
        snprintf(sql, sizeof(sql), "SELECT %d", i);
        assert_int_equal(number(sql), i);
    }
    assert_in_range(number("SELECT count(*) FROM pg_prepared_statements"), 1, 513);
    assert_int_equal(number("SELECT 3"), 3);
}

static void a_changed_table_is_prepared_again(void **state)
{
    (void)state;
    run("CREATE TABLE t (a int); INSERT INTO t VALUES (1)");
    PQclear(query("SELECT * FROM t", NULL));
    run("ALTER TABLE t ADD COLUMN b text DEFAULT 'x'");
    PGresult *r = query("SELECT * FROM t", NULL);
    assert_int_equal(PQnfields(r), 2);
    PQclear(r);
    run("DEALLOCATE ALL");
    PQclear(query("SELECT * FROM t", NULL));
    PQclear(query("SELECT * FROM t", NULL));
}

static void a_changed_table_ends_a_transaction_for_a_retry(void **state)
{
    (void)state;
    run("CREATE TABLE t (a int); INSERT INTO t VALUES (1)");
    PQclear(query("SELECT * FROM t", NULL));
    run("ALTER TABLE t ADD COLUMN b text");
    assert_int_equal(mr_db_begin(db, &err), MR_OK);
    assert_int_equal(mr_db_query(db, "SELECT * FROM t", NULL, NULL, &err), MR_FAIL);
    assert_int_equal(err.class, MR_CLASS_RETRY);
    assert_int_equal(err.code, mr_sqlstate("0A000"));
    mr_db_release(&db);
    db = mr_db_acquire(pool, 1000, &err);
    assert_non_null(db);
    assert_int_equal(mr_db_begin(db, &err), MR_OK);
    PQclear(query("SELECT * FROM t", NULL));
    assert_int_equal(mr_db_commit(db, &err), MR_OK);
}

static void what_else_is_not_supported_is_fatal(void **state)
{
    (void)state;
    run("CREATE FUNCTION f() RETURNS int LANGUAGE plpgsql AS "
        "'BEGIN RAISE EXCEPTION ''no'' USING ERRCODE = ''0A000''; END'");
    assert_int_equal(mr_db_begin(db, &err), MR_OK);
    assert_int_equal(mr_db_query(db, "SELECT f()", NULL, NULL, &err), MR_FAIL);
    assert_int_equal(err.code, mr_sqlstate("0A000"));
    assert_int_equal(err.class, MR_CLASS_FATAL);
}

static void a_table_changed_to_nothing_fails_cleanly(void **state)
{
    (void)state;
    run("CREATE TABLE t (a int)");
    PQclear(query("SELECT a FROM t", NULL));
    run("DROP TABLE t; CREATE TABLE t (b int)");
    assert_int_equal(mr_db_query(db, "SELECT a FROM t", NULL, NULL, &err), MR_FAIL);
    assert_int_equal(err.code, mr_sqlstate("42703"));
    run("DROP TABLE t; CREATE TABLE t (a int)");
    PQclear(query("SELECT a FROM t", NULL));
}

static void assert_fails(const char *sql, enum mr_error_class class, const char *sqlstate)
{
    mr_error_clear(&err);
    assert_int_equal(mr_db_query(db, sql, NULL, NULL, &err), MR_FAIL);
    assert_int_equal(err.code, mr_sqlstate(sqlstate));
    assert_int_equal(err.class, class);
    assert_non_null(strstr(err.text, sqlstate));
}

static void errors_have_the_class_of_their_sqlstate(void **state)
{
    (void)state;
    run("CREATE TABLE t (a int PRIMARY KEY CHECK (a > 0), b varchar(3)); INSERT INTO t VALUES (1)");
    assert_fails("INSERT INTO t VALUES (1)", MR_CLASS_REJECT, "23505");
    assert_fails("INSERT INTO t VALUES (-1)", MR_CLASS_REJECT, "23514");
    assert_fails("INSERT INTO t VALUES (NULL)", MR_CLASS_REJECT, "23502");
    assert_fails("INSERT INTO t VALUES (2, 'long')", MR_CLASS_REJECT, "22001");
    assert_fails("SELECT 'x'::int", MR_CLASS_REJECT, "22P02");
    assert_fails("SELECT 1/(a - 1) FROM t", MR_CLASS_REJECT, "22012");
    assert_fails("SELECT pg_sleep(5)", MR_CLASS_RETRY, "57014");
    assert_fails("SELECT * FROM nowhere", MR_CLASS_FATAL, "42P01");
    assert_fails("SELEC 1", MR_CLASS_FATAL, "42601");
    assert_non_null(strstr(err.text, "\"SELEC 1\": syntax error"));
}

static void text_that_is_not_utf8_is_rejected(void **state)
{
    (void)state;
    struct mr_db_args args;
    mr_db_args_init(&args);
    mr_db_arg_text(&args, "\xff");
    assert_int_equal(mr_db_query(db, "SELECT $1", &args, NULL, &err), MR_FAIL);
    assert_int_equal(err.class, MR_CLASS_REJECT);
    assert_int_equal(err.code, mr_sqlstate("22021"));
}

static void long_statements_are_shown_in_one_short_line(void **state)
{
    (void)state;
    char sql[600] = "  SELECT\n\t";
    memset(sql + 10, 'x', 400);
    assert_int_equal(mr_db_exec(db, sql, &err), MR_FAIL);
    assert_memory_equal(err.text, "\"SELECT xxx", 11);
    assert_null(strchr(err.text, '\n'));
    assert_non_null(strstr(err.text, "xxx...\": "));
}

static void copy_is_refused_and_costs_the_connection(void **state)
{
    (void)state;
    int64_t pid = number("SELECT pg_backend_pid()");
    run("CREATE TABLE t (a int)");
    assert_int_equal(mr_db_exec(db, "COPY t FROM STDIN", &err), MR_FAIL);
    mr_db_release(&db);
    db = mr_db_acquire(pool, 1000, &err);
    assert_non_null(db);
    assert_true(number("SELECT pg_backend_pid()") != pid);
}

static void a_transaction_commits_or_not(void **state)
{
    (void)state;
    run("CREATE TABLE t (a int)");
    assert_false(mr_db_in_transaction(db));
    assert_int_equal(mr_db_begin(db, &err), MR_OK);
    assert_true(mr_db_in_transaction(db));
    run("INSERT INTO t VALUES (1)");
    assert_int_equal(mr_db_commit(db, &err), MR_OK);
    assert_int_equal(mr_db_begin(db, &err), MR_OK);
    run("INSERT INTO t VALUES (2)");
    mr_db_rollback(db);
    mr_db_rollback(db);
    assert_int_equal(number("SELECT count(*) FROM t"), 1);
}

/* PostgreSQL itself says that such a COMMIT succeeded. */
static void committing_what_has_failed_is_an_error(void **state)
{
    (void)state;
    run("CREATE TABLE t (a int)");
    assert_int_equal(mr_db_begin(db, &err), MR_OK);
    run("INSERT INTO t VALUES (1)");
    assert_int_equal(mr_db_exec(db, "SELECT 1/0", &err), MR_FAIL);
    assert_false(mr_db_in_transaction(db));
    assert_int_equal(mr_db_commit(db, &err), MR_FAIL);
    assert_int_equal(err.code, mr_sqlstate("25P02"));
    assert_int_equal(number("SELECT count(*) FROM t"), 0);
    assert_int_equal(mr_db_commit(db, &err), MR_OK); /* outside of a transaction only a notice */
}

static void a_deferred_constraint_fails_at_commit(void **state)
{
    (void)state;
    run("CREATE TABLE t (a int UNIQUE DEFERRABLE INITIALLY DEFERRED)");
    assert_int_equal(mr_db_begin(db, &err), MR_OK);
    run("INSERT INTO t VALUES (1), (1)");
    assert_int_equal(mr_db_commit(db, &err), MR_FAIL);
    assert_int_equal(err.class, MR_CLASS_REJECT);
}

static void release_rolls_back(void **state)
{
    (void)state;
    run("CREATE TABLE t (a int)");
    int64_t pid = number("SELECT pg_backend_pid()");
    assert_int_equal(mr_db_begin(db, &err), MR_OK);
    run("INSERT INTO t VALUES (1)");
    mr_db_release(&db);
    assert_null(db);
    db = mr_db_acquire(pool, 1000, &err);
    assert_int_equal(number("SELECT pg_backend_pid()"), pid);
    assert_int_equal(number("SELECT count(*) FROM t"), 0);
}

static void sqlstates_pack_into_an_int(void **state)
{
    (void)state;
    assert_int_equal(mr_sqlstate("00000"), 0);
    assert_int_equal(mr_sqlstate("00001"), 1);
    assert_int_equal(mr_sqlstate("0000Z"), 35);
    assert_int_equal(mr_sqlstate("00010"), 36);
    assert_int_equal(mr_sqlstate("ZZZZZ"), 60466175);
    assert_true(mr_sqlstate("22P02") != mr_sqlstate("22P03"));
}

static struct child result;

struct misreading {
    const PGresult *r;
    int how;
};

static void misread(void *ctx)
{
    const PGresult *r = ((struct misreading *)ctx)->r;
    switch (((struct misreading *)ctx)->how) {
    case 0:
        mr_db_i64(r, 1, 0);
        break;
    case 1:
        mr_db_i64(r, 0, 3);
        break;
    case 2:
        mr_db_i64(r, 0, 1);
        break;
    case 3:
        mr_db_bool(r, 0, 0);
        break;
    case 4:
        mr_db_uuid(r, 0, 1);
        break;
    case 5:
        mr_db_time(r, 0, 0);
        break;
    case 6:
        mr_db_span(r, 0, 0);
        break;
    case 7:
        mr_db_null(r, -1, 0);
        break;
    case 8:
        mr_db_i64(r, 0, 2);
        break;
    default:
        break;
    }
}

static void misreading_is_a_bug(void **state)
{
    (void)state;
    PGresult *r = query("SELECT 1::int8, 'x'::text, '1'::numeric", NULL);
    for (int i = 0; i < 9; i++) {
        child_run(misread, &(struct misreading){r, i}, &result);
        assert_int_equal(result.signal, SIGABRT);
        assert_non_null(strstr(result.err, "a query result was misread"));
    }
    PQclear(r);
}

static void too_many_args(void *ctx)
{
    (void)ctx;
    struct mr_db_args args;
    mr_db_args_init(&args);
    for (int i = 0; i <= MR_DB_ARGS_MAX; i++)
        mr_db_arg_i32(&args, i);
}

static void too_many_parameters_are_a_bug(void **state)
{
    (void)state;
    child_run(too_many_args, NULL, &result);
    assert_int_equal(result.signal, SIGABRT);
}

#define CASE(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(sessions_are_set_up),
        CASE(every_kind_of_parameter_comes_back),
        CASE(null_reads_as_zero),
        CASE(times_agree_with_the_server),
        CASE(json_is_read_as_its_text),
        CASE(rows_are_not_always_wanted),
        CASE(statements_are_prepared_once),
        CASE(texts_made_at_run_time_do_not_pile_up),
        CASE(a_changed_table_is_prepared_again),
        CASE(a_changed_table_ends_a_transaction_for_a_retry),
        CASE(what_else_is_not_supported_is_fatal),
        CASE(a_table_changed_to_nothing_fails_cleanly),
        CASE(errors_have_the_class_of_their_sqlstate),
        CASE(text_that_is_not_utf8_is_rejected),
        CASE(long_statements_are_shown_in_one_short_line),
        CASE(copy_is_refused_and_costs_the_connection),
        CASE(a_transaction_commits_or_not),
        CASE(committing_what_has_failed_is_an_error),
        CASE(a_deferred_constraint_fails_at_commit),
        CASE(release_rolls_back),
        CASE(sqlstates_pack_into_an_int),
        CASE(misreading_is_a_bug),
        CASE(too_many_parameters_are_a_bug),
    };
    return cmocka_run_group_tests(tests, start_all, stop_all);
}
