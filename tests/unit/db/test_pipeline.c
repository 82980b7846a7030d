#include "db/pipeline.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "support/cluster.h"
#include "support/cmocka.h"

static struct cluster *cluster;
static struct mr_db_pool *pool;
static struct mr_db *db;
static struct mr_error err;
static struct mr_db_pipeline p;
static PGresult *results[MR_DB_PIPELINE_MAX];

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

static void take_connection(void)
{
    db = mr_db_acquire(pool, 1000, &err);
    if (!db)
        fail_msg("%s", err.text);
}

static int set_up(void **state)
{
    (void)state;
    cluster_run(cluster, "CREATE TABLE t (id int PRIMARY KEY, what text)");
    assert_int_equal(mr_db_pool_open(cluster_dsn(cluster), "mr-test", 2, 20000, &pool, &err), MR_OK);
    take_connection();
    mr_error_clear(&err);
    mr_db_pipeline_begin(&p, db);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    mr_db_pipeline_clear(results, MR_DB_PIPELINE_MAX);
    mr_db_release(&db);
    mr_db_pool_close(&pool);
    cluster_run(cluster, "DROP SCHEMA public CASCADE; CREATE SCHEMA public");
    return 0;
}

static int64_t number(const char *sql)
{
    PGresult *r;
    if (mr_db_query(db, sql, NULL, &r, &err) != MR_OK)
        fail_msg("%s", err.text);
    int64_t n = mr_db_i64(r, 0, 0);
    PQclear(r);
    return n;
}

static void run_well(void)
{
    if (mr_db_pipeline_run(&p, results, NULL, &err) != MR_OK)
        fail_msg("%s", err.text);
}

static void run_badly(int index)
{
    int failed = -2;
    results[0] = (PGresult *)&p; /* whatever is there is overwritten */
    assert_int_equal(mr_db_pipeline_run(&p, results, &failed, &err), MR_FAIL);
    assert_int_equal(failed, index);
    assert_null(results[0]);
}

static const char insert[] = "INSERT INTO t VALUES ($1, $2) RETURNING id";

static void add_row(struct mr_db_args *args, int32_t id)
{
    mr_db_args_init(args);
    mr_db_arg_i32(args, id);
    mr_db_arg_text(args, "x");
    mr_db_pipeline_add(&p, insert, args);
}

static void answers_come_in_order(void **state)
{
    (void)state;
    struct mr_db_args args[5];
    for (int round = 0; round < 3; round++) { /* prepared in the first, known in the others */
        for (int i = 0; i < 5; i++)
            add_row(&args[i], round * 10 + i);
        assert_int_equal(mr_db_pipeline_add(&p, "SELECT count(*) FROM t", NULL), 5);
        run_well();
        for (int i = 0; i < 5; i++)
            assert_int_equal(mr_db_i64(results[i], 0, 0), round * 10 + i);
        assert_int_equal(mr_db_i64(results[5], 0, 0), (round + 1) * 5);
        mr_db_pipeline_clear(results, 6);
        assert_null(results[5]);
        assert_int_equal(number("SELECT count(*) FROM t"), (round + 1) * 5);
    }
    assert_int_equal(number("SELECT count(*) FROM pg_prepared_statements WHERE statement LIKE 'INSERT%'"), 1);
}

static void nothing_is_fine(void **state)
{
    (void)state;
    run_well();
    mr_db_pipeline_add(&p, "SELECT 1", NULL);
    assert_int_equal(mr_db_pipeline_run(&p, NULL, NULL, &err), MR_OK); /* nobody wants the answer */
    assert_int_equal(number("SELECT 7"), 7);
}

static void outside_a_transaction_it_is_all_or_nothing(void **state)
{
    (void)state;
    struct mr_db_args args[4];
    add_row(&args[0], 1);
    add_row(&args[1], 2);
    add_row(&args[2], 1);
    add_row(&args[3], 3);
    run_badly(2);
    assert_int_equal(err.class, MR_CLASS_REJECT);
    assert_int_equal(err.code, mr_sqlstate("23505"));
    assert_non_null(strstr(err.text, "statement 3 of 4"));
    assert_false(mr_db_in_transaction(db));
    assert_int_equal(number("SELECT count(*) FROM t"), 0);
    add_row(&args[0], 4);
    run_well();
    assert_int_equal(number("SELECT count(*) FROM t"), 1);
}

static void what_cannot_be_prepared_is_named(void **state)
{
    (void)state;
    struct mr_db_args args;
    add_row(&args, 1);
    mr_db_pipeline_add(&p, "SELECT nonsense", NULL);
    mr_db_pipeline_add(&p, "SELECT 2", NULL);
    run_badly(1);
    assert_int_equal(err.class, MR_CLASS_FATAL);
    assert_int_equal(err.code, mr_sqlstate("42703"));
    assert_int_equal(number("SELECT count(*) FROM t"), 0);
    mr_db_pipeline_add(&p, "SELECT 2", NULL); /* was never reached, so it is prepared now */
    run_well();
    assert_int_equal(mr_db_i64(results[0], 0, 0), 2);
}

static void inside_a_transaction_it_is_a_part(void **state)
{
    (void)state;
    struct mr_db_args args[2];
    assert_int_equal(mr_db_begin(db, &err), MR_OK);
    add_row(&args[0], 1);
    add_row(&args[1], 2);
    run_well();
    mr_db_pipeline_clear(results, 2);
    assert_true(mr_db_in_transaction(db));
    add_row(&args[0], 3);
    add_row(&args[1], 3);
    run_badly(1);
    assert_false(mr_db_in_transaction(db)); /* it has failed */
    mr_db_rollback(db);
    assert_int_equal(number("SELECT count(*) FROM t"), 0);
}

static void the_last_may_be_commit(void **state)
{
    (void)state;
    struct mr_db_args args;
    assert_int_equal(mr_db_begin(db, &err), MR_OK);
    add_row(&args, 1);
    mr_db_pipeline_add(&p, "COMMIT", NULL);
    run_well();
    mr_db_pipeline_clear(results, 2);
    assert_false(mr_db_in_transaction(db));
    assert_int_equal(number("SELECT count(*) FROM t"), 1);

    assert_int_equal(mr_db_begin(db, &err), MR_OK);
    add_row(&args, 1);
    mr_db_pipeline_add(&p, "COMMIT", NULL);
    run_badly(0);
    mr_db_pipeline_add(&p, "COMMIT", NULL); /* of what has failed: PostgreSQL calls that a success */
    run_badly(0);
    assert_int_equal(err.code, mr_sqlstate("25P02"));
    assert_int_equal(number("SELECT count(*) FROM t"), 1);
}

/* Both directions are fuller than any socket buffer, so neither side may wait for the other. */
static void large_questions_and_answers_pass_each_other(void **state)
{
    (void)state;
    enum { SIZE = 2 << 20, N = 24 };
    char *text = malloc(SIZE);
    struct mr_db_args args;
    memset(text, 'x', SIZE);
    mr_db_args_init(&args);
    mr_db_arg_span(&args, (struct mr_span){text, SIZE});
    for (int i = 0; i < N; i++)
        mr_db_pipeline_add(&p, "SELECT $1 || $1", &args);
    run_well();
    for (int i = 0; i < N; i++)
        assert_int_equal(mr_db_span(results[i], 0, 0).len, 2 * SIZE);
    free(text);
}

static void stale_plans_are_made_again(void **state)
{
    (void)state;
    struct mr_db_args args;
    mr_db_pipeline_add(&p, "SELECT * FROM t", NULL);
    run_well();
    mr_db_pipeline_clear(results, 1);
    cluster_run(cluster, "ALTER TABLE t ADD COLUMN more int");
    add_row(&args, 1);
    mr_db_pipeline_add(&p, "SELECT * FROM t", NULL);
    run_well();
    assert_int_equal(PQnfields(results[1]), 3);
    mr_db_pipeline_clear(results, 2);
    assert_int_equal(number("SELECT count(*) FROM t"), 1);

    cluster_run(cluster, "ALTER TABLE t DROP COLUMN more");
    assert_int_equal(mr_db_begin(db, &err), MR_OK);
    mr_db_pipeline_add(&p, "SELECT * FROM t", NULL);
    run_badly(0);
    assert_int_equal(err.class, MR_CLASS_RETRY); /* the transaction is lost; another connection will do */
    mr_db_release(&db);
    take_connection();
    mr_db_pipeline_begin(&p, db);
    mr_db_pipeline_add(&p, "SELECT * FROM t", NULL);
    run_well();
    assert_int_equal(PQnfields(results[0]), 2);
}

static void a_lost_connection_is_nobodys_fault(void **state)
{
    (void)state;
    struct mr_db_args args;
    add_row(&args, 1);
    mr_db_pipeline_add(&p, "SELECT pg_terminate_backend(pg_backend_pid())", NULL);
    mr_db_pipeline_add(&p, "SELECT 3", NULL);
    run_badly(-1);
    assert_int_equal(err.class, MR_CLASS_RETRY);
    mr_db_release(&db);
    take_connection();
    assert_int_equal(number("SELECT count(*) FROM t"), 0);

    cluster_kill(cluster);
    mr_db_pipeline_begin(&p, db);
    mr_db_pipeline_add(&p, "SELECT 4", NULL);
    run_badly(-1);
    assert_int_equal(err.class, MR_CLASS_RETRY);
    mr_db_release(&db);
    cluster_revive(cluster);
    take_connection();
    mr_db_pipeline_begin(&p, db);
    mr_db_pipeline_add(&p, "SELECT 5", NULL);
    run_well();
    assert_int_equal(mr_db_i64(results[0], 0, 0), 5);
}

static void texts_made_at_run_time_are_not_kept(void **state)
{
    (void)state;
    static char sql[600][24];
    for (int i = 0; i < 600; i++) {
        snprintf(sql[i], sizeof(sql[i]), "SELECT %d", i);
        mr_db_pipeline_add(&p, sql[i], NULL);
        if (p.n < MR_DB_PIPELINE_MAX && i < 599)
            continue;
        int n = p.n;
        run_well();
        assert_int_equal(mr_db_i64(results[n - 1], 0, 0), i);
        mr_db_pipeline_clear(results, n);
    }
    assert_true(number("SELECT count(*) FROM pg_prepared_statements") <= 512 + MR_DB_PIPELINE_MAX);
}

int main(void)
{
    const struct CMUnitTest cases[] = {
        cmocka_unit_test_setup_teardown(answers_come_in_order, set_up, tear_down),
        cmocka_unit_test_setup_teardown(nothing_is_fine, set_up, tear_down),
        cmocka_unit_test_setup_teardown(outside_a_transaction_it_is_all_or_nothing, set_up, tear_down),
        cmocka_unit_test_setup_teardown(what_cannot_be_prepared_is_named, set_up, tear_down),
        cmocka_unit_test_setup_teardown(inside_a_transaction_it_is_a_part, set_up, tear_down),
        cmocka_unit_test_setup_teardown(the_last_may_be_commit, set_up, tear_down),
        cmocka_unit_test_setup_teardown(large_questions_and_answers_pass_each_other, set_up, tear_down),
        cmocka_unit_test_setup_teardown(stale_plans_are_made_again, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_lost_connection_is_nobodys_fault, set_up, tear_down),
        cmocka_unit_test_setup_teardown(texts_made_at_run_time_are_not_kept, set_up, tear_down),
    };
    return cmocka_run_group_tests(cases, start_all, stop_all);
}
