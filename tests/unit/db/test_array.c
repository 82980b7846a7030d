#include "db/array.h"

#include <string.h>

#include "base/clock.h"
#include "db/oid.h"
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
    assert_int_equal(mr_db_pool_open(cluster_dsn(cluster), "mr-test", 1, 0, &pool, &err), MR_OK);
    db = mr_db_acquire(pool, 5000, &err);
    assert_non_null(db);
    return 0;
}

static int stop_all(void **state)
{
    (void)state;
    mr_db_release(&db);
    mr_db_pool_close(&pool);
    cluster_stop(&cluster);
    return 0;
}

static PGresult *query(const char *sql, const struct mr_db_args *args)
{
    PGresult *r;
    if (mr_db_query(db, sql, args, &r, &err) != MR_OK)
        fail_msg("%s", err.text);
    return r;
}

/* Eight columns of five rows each, the third of them NULL, in one query. */
static void every_element_type_comes_back(void **state)
{
    (void)state;
    static const Oid elements[] = {MR_OID_INT8, MR_OID_INT4,  MR_OID_BOOL,        MR_OID_UUID,
                                   MR_OID_TEXT, MR_OID_BYTEA, MR_OID_TIMESTAMPTZ, MR_OID_JSON};
    struct mr_db_array a[CASES(elements)];
    struct mr_db_args args;
    struct mr_uuid id = mr_uuid_v7();
    int64_t now = mr_wall_us();
    mr_db_args_init(&args);
    for (size_t i = 0; i < CASES(elements); i++)
        mr_db_array_init(&a[i], elements[i], 1000);
    for (int row = 0; row < 5; row++) {
        for (size_t i = 0; row == 2 && i < CASES(elements); i++)
            assert_int_equal(mr_db_array_null(&a[i]), MR_OK);
        if (row == 2)
            continue;
        assert_int_equal(mr_db_array_i64(&a[0], INT64_MAX - row), MR_OK);
        assert_int_equal(mr_db_array_i32(&a[1], INT32_MIN + row), MR_OK);
        assert_int_equal(mr_db_array_bool(&a[2], row % 2 == 1), MR_OK);
        assert_int_equal(mr_db_array_uuid(&a[3], id), MR_OK);
        assert_int_equal(mr_db_array_span(&a[4], mr_span_of(row ? "\xe2\x82\xac, \"quoted\\\"" : "")), MR_OK);
        assert_int_equal(mr_db_array_span(&a[5], (struct mr_span){"\0\xff", 2}), MR_OK);
        assert_int_equal(mr_db_array_time(&a[6], now + row), MR_OK);
        assert_int_equal(mr_db_array_span(&a[7], mr_span_of("{\"a\":1}")), MR_OK);
    }
    for (size_t i = 0; i < CASES(elements); i++)
        mr_db_arg_of_array(&args, &a[i]);
    PGresult *r = query("SELECT * FROM unnest($1, $2, $3, $4, $5, $6, $7, $8)", &args);
    assert_int_equal(PQntuples(r), 5);
    for (int row = 0; row < 5; row++) {
        for (int i = 0; row == 2 && i < (int)CASES(elements); i++)
            assert_true(mr_db_null(r, row, i));
        if (row == 2)
            continue;
        assert_int_equal(mr_db_i64(r, row, 0), INT64_MAX - row);
        assert_int_equal(mr_db_i64(r, row, 1), INT32_MIN + row);
        assert_int_equal(mr_db_bool(r, row, 2), row % 2 == 1);
        assert_true(mr_uuid_eq(mr_db_uuid(r, row, 3), id));
        assert_string_equal(mr_db_text(r, row, 4), row ? "\xe2\x82\xac, \"quoted\\\"" : "");
        assert_true(mr_span_eq(mr_db_span(r, row, 5), (struct mr_span){"\0\xff", 2}));
        assert_int_equal(mr_db_time(r, row, 6), now + row);
        assert_string_equal(mr_db_text(r, row, 7), "{\"a\":1}");
    }
    PQclear(r);
    for (size_t i = 0; i < CASES(elements); i++)
        mr_db_array_free(&a[i]);
}

static int64_t length_of(struct mr_db_array *a)
{
    struct mr_db_args args;
    mr_db_args_init(&args);
    mr_db_arg_of_array(&args, a);
    PGresult *r = query("SELECT cardinality($1)", &args);
    int64_t n = mr_db_i64(r, 0, 0);
    PQclear(r);
    return n;
}

static void empty_and_used_again(void **state)
{
    (void)state;
    struct mr_db_array a;
    mr_db_array_init(&a, MR_OID_INT4, 100);
    assert_int_equal(length_of(&a), 0);
    assert_int_equal(length_of(&a), 0);
    assert_int_equal(mr_db_array_i32(&a, 1), MR_OK);
    assert_int_equal(length_of(&a), 1);
    assert_int_equal(mr_db_array_i32(&a, 2), MR_OK);
    assert_int_equal(length_of(&a), 2);
    mr_db_array_reset(&a);
    assert_int_equal(length_of(&a), 0);
    assert_int_equal(mr_db_array_null(&a), MR_OK);
    assert_int_equal(length_of(&a), 1);
    mr_db_array_free(&a);
    assert_int_equal(length_of(&a), 0);
    mr_db_array_free(&a);
}

/* For every ceiling: what was taken arrives, what was refused left nothing behind. */
static void a_full_array_stays_whole(void **state)
{
    (void)state;
    for (size_t max = 12; max < 120; max++) {
        struct mr_db_array a;
        int taken = 0;
        mr_db_array_init(&a, MR_OID_TEXT, max);
        for (int i = 0; i < 10; i++) {
            enum mr_status status =
                i == 5 ? mr_db_array_null(&a) : mr_db_array_span(&a, mr_span_of("12345678"));
            taken += status == MR_OK;
        }
        assert_int_equal(a.n, taken);
        assert_true(a.buf.len <= max);
        assert_int_equal(length_of(&a), taken);
        mr_db_array_free(&a);
    }
}

static void thousands_of_rows_in_one_round_trip(void **state)
{
    (void)state;
    enum { ROWS = 20000 };
    struct mr_db_array ids, names;
    struct mr_db_args args;
    mr_db_array_init(&ids, MR_OID_INT8, 1 << 20);
    mr_db_array_init(&names, MR_OID_TEXT, 1 << 20);
    for (int i = 0; i < ROWS; i++) {
        assert_int_equal(mr_db_array_i64(&ids, i), MR_OK);
        assert_int_equal(mr_db_array_span(&names, mr_span_of(i % 2 ? "odd" : "even")), MR_OK);
    }
    assert_int_equal(mr_db_exec(db, "CREATE TABLE t (id bigint PRIMARY KEY, name text)", &err), MR_OK);
    mr_db_args_init(&args);
    mr_db_arg_of_array(&args, &ids);
    mr_db_arg_of_array(&args, &names);
    PQclear(query("INSERT INTO t SELECT * FROM unnest($1, $2)", &args));
    PGresult *r = query("SELECT count(*), sum(id)::bigint FROM t WHERE name = 'odd'", NULL);
    assert_int_equal(mr_db_i64(r, 0, 0), ROWS / 2);
    assert_int_equal(mr_db_i64(r, 0, 1), ROWS / 2 * (ROWS / 2));
    PQclear(r);
    mr_db_array_free(&ids);
    mr_db_array_free(&names);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_element_type_comes_back),
        cmocka_unit_test(empty_and_used_again),
        cmocka_unit_test(a_full_array_stays_whole),
        cmocka_unit_test(thousands_of_rows_in_one_round_trip),
    };
    return cmocka_run_group_tests(tests, start_all, stop_all);
}
