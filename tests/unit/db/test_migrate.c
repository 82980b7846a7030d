#include "db/migrate.h"

#include <fcntl.h>
#include <ftw.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/log.h"
#include "support/cluster.h"
#include "support/cmocka.h"

static struct cluster *cluster;
static struct mr_db_pool *pool;
static struct mr_db *db;
static struct mr_error err;
static char folder[32];
static int applied;

static int start_all(void **state)
{
    (void)state;
    mr_log_open("test", MR_LOG_WARN);
    cluster = cluster_start();
    return 0;
}

static int stop_all(void **state)
{
    (void)state;
    cluster_stop(&cluster);
    return 0;
}

static int remove_one(const char *path, const struct stat *st, int kind, struct FTW *place)
{
    (void)st;
    (void)kind;
    (void)place;
    return remove(path);
}

static int set_up(void **state)
{
    (void)state;
    strcpy(folder, "/tmp/mr-migrate.XXXXXX");
    assert_non_null(mkdtemp(folder));
    assert_int_equal(mr_db_pool_open(cluster_dsn(cluster), "mr-test", 6, 2000, &pool, &err), MR_OK);
    db = mr_db_acquire(pool, 5000, &err);
    assert_non_null(db);
    mr_error_clear(&err);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    mr_db_release(&db);
    mr_db_pool_close(&pool);
    nftw(folder, remove_one, 8, FTW_DEPTH | FTW_PHYS);
    cluster_run(cluster, "DROP SCHEMA public CASCADE; CREATE SCHEMA public");
    return 0;
}

static void put_bytes(const char *name, const char *bytes, size_t n)
{
    char path[128];
    snprintf(path, sizeof(path), "%s/%s", folder, name);
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, bytes, n), n);
    close(fd);
}

static void put(const char *name, const char *sql)
{
    put_bytes(name, sql, strlen(sql));
}

static void take_away(const char *name)
{
    char path[128];
    snprintf(path, sizeof(path), "%s/%s", folder, name);
    assert_int_equal(unlink(path), 0);
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

static void migrate(int expected)
{
    if (mr_db_migrate(db, folder, &applied, &err) != MR_OK)
        fail_msg("%s", err.text);
    assert_int_equal(applied, expected);
}

static void assert_refused(const char *what)
{
    assert_int_equal(mr_db_migrate(db, folder, &applied, &err), MR_FAIL);
    assert_int_equal(err.class, MR_CLASS_FATAL);
    if (!strstr(err.text, what))
        fail_msg("\"%s\" is not in \"%s\"", what, err.text);
}

static void put_two(void)
{
    put("0001_tables.sql", "CREATE TABLE a (n int);\nCREATE TABLE b (n int);\n");
    put("0002_rows.sql", "INSERT INTO a VALUES (1); -- one\nINSERT INTO a SELECT 2;");
}

static void applies_each_once_in_order(void **state)
{
    (void)state;
    put_two();
    put("README.md", "not a migration");
    put(".0003_hidden.sql", "an editor's leavings");
    migrate(2);
    assert_int_equal(number("SELECT count(*) FROM a"), 2);
    migrate(0);
    put("0003_more.sql", "INSERT INTO b VALUES (1)");
    migrate(1);
    assert_int_equal(number("SELECT count(*) FROM a"), 2);
    assert_int_equal(
        number("SELECT count(*) FROM schema_migrations WHERE octet_length(sha256) = 32 AND name ~ '^000'"),
        3);
}

static void an_empty_folder_is_no_migration(void **state)
{
    (void)state;
    migrate(0);
    assert_int_equal(mr_db_migrated(db, 0, &err), MR_OK);
}

static void daemons_ask_what_is_there(void **state)
{
    (void)state;
    assert_int_equal(mr_db_migrated(db, 2, &err), MR_FAIL);
    assert_int_equal(err.class, MR_CLASS_FATAL);
    assert_int_equal(err.code, mr_sqlstate("42P01"));
    assert_non_null(strstr(err.text, "run mr-admin migrate"));
    put_two();
    migrate(2);
    assert_int_equal(mr_db_migrated(db, 2, &err), MR_OK);
    assert_int_equal(mr_db_migrated(db, 3, &err), MR_FAIL);
    assert_string_equal(err.text,
                        "the database is at migration 2 and this program needs 3; run mr-admin migrate");
    assert_int_equal(err.class, MR_CLASS_FATAL);
    assert_int_equal(mr_db_migrated(db, 1, &err), MR_OK); /* a replica of the release before */
    assert_int_equal(mr_db_exec(db, "DELETE FROM schema_migrations WHERE number = 1", &err), MR_OK);
    assert_int_equal(mr_db_migrated(db, 2, &err), MR_FAIL);
    assert_int_equal(err.class, MR_CLASS_FATAL);
    assert_string_equal(err.text,
                        "the database lacks some of the migrations up to 2 that this program needs");
}

static void a_changed_file_is_refused(void **state)
{
    (void)state;
    put_two();
    migrate(2);
    put("0001_tables.sql", "CREATE TABLE a (n int);\nCREATE TABLE b (n int); \n");
    put("0003_more.sql", "INSERT INTO b VALUES (1)");
    assert_refused("migration 0001_tables.sql was changed after it was applied");
    assert_int_equal(number("SELECT count(*) FROM b"), 0);
}

static void a_missing_file_is_refused(void **state)
{
    (void)state;
    put_two();
    migrate(2);
    take_away("0002_rows.sql");
    assert_refused("the database has migration 0002_rows.sql, which is not in the folder");
    put_two();
    assert_int_equal(mr_db_exec(db, "DELETE FROM schema_migrations WHERE number = 1", &err), MR_OK);
    assert_refused("the database has migration 0002_rows.sql but not 0001_tables.sql");
}

static void the_folder_has_no_gaps(void **state)
{
    (void)state;
    put_two();
    put("0004_later.sql", "SELECT 1");
    assert_refused("0004_later.sql: number 0003 was expected there");
    take_away("0004_later.sql");
    put("0002_other.sql", "SELECT 1");
    assert_refused("0002_rows.sql: number 0003 was expected there");
    take_away("0002_other.sql");
    put("3_short.sql", "SELECT 1");
    assert_refused("3_short.sql is not called NNNN_name.sql");
    take_away("3_short.sql");
    put("00003_long.sql", "SELECT 1");
    assert_refused("00003_long.sql is not called NNNN_name.sql");
    take_away("00003_long.sql");
    assert_int_equal(number("SELECT count(*) FROM pg_tables WHERE schemaname = 'public'"), 0);
}

static void files_must_be_readable_text(void **state)
{
    (void)state;
    put("0001_empty.sql", "");
    assert_refused("0001_empty.sql is empty or holds a NUL byte");
    take_away("0001_empty.sql");
    put_bytes("0001_nul.sql", "SELECT 1;\0DROP TABLE a", 22);
    assert_refused("0001_nul.sql is empty or holds a NUL byte");
    take_away("0001_nul.sql");
    char path[128];
    snprintf(path, sizeof(path), "%s/0001_link.sql", folder);
    assert_int_equal(symlink("/nowhere", path), 0);
    assert_refused("0001_link.sql: No such file or directory");
    unlink(path);
    assert_int_equal(symlink("/", path), 0);
    assert_refused("0001_link.sql: Is a directory");
    strcpy(path, folder);
    strcat(folder, "/none");
    assert_refused("No such file or directory");
    strcpy(folder, path);
}

static void a_failing_file_leaves_nothing(void **state)
{
    (void)state;
    put_two();
    put("0003_bad.sql", "INSERT INTO b VALUES (1); SELECT 1/0;");
    assert_refused("migration 0003_bad.sql: ");
    assert_int_equal(applied, 2);
    assert_int_equal(err.code, mr_sqlstate("22012"));
    assert_int_equal(number("SELECT count(*) FROM b"), 0);
    assert_int_equal(number("SELECT count(*) FROM schema_migrations"), 2);
    assert_int_equal(number("SELECT count(*) FROM pg_locks WHERE locktype = 'advisory'"), 0);
    put("0003_bad.sql", "INSERT INTO b VALUES (1)");
    migrate(1);
}

static void a_file_may_not_end_its_transaction(void **state)
{
    (void)state;
    put("0001_commit.sql", "CREATE TABLE a (n int); COMMIT;");
    assert_refused("migration 0001_commit.sql: the file ends its own transaction");
    assert_int_equal(number("SELECT count(*) FROM schema_migrations"), 0);
}

/* The pool's statement timeout is 2 s here; sessions come back as they were. */
static void migrations_may_take_long(void **state)
{
    (void)state;
    PGresult *r;
    put("0001_slow.sql", "SET search_path = pg_catalog; SELECT pg_sleep(2.3)");
    migrate(1);
    assert_int_equal(
        mr_db_query(db, "SELECT current_setting('statement_timeout'), current_setting('search_path')", NULL,
                    &r, &err),
        MR_OK);
    assert_string_equal(mr_db_text(r, 0, 0), "2s");
    assert_string_equal(mr_db_text(r, 0, 1), "\"$user\", public");
    PQclear(r);
}

static void *migrate_alone(void *ctx)
{
    struct mr_error mine;
    struct mr_db *own = mr_db_acquire(pool, 5000, &mine);
    int n = -1000;
    if (!own || mr_db_migrate(own, folder, &n, &mine) != MR_OK)
        fprintf(stderr, "%s\n", mine.text);
    mr_db_release(&own);
    *(int *)ctx = n;
    return NULL;
}

static void replicas_may_start_at_once(void **state)
{
    (void)state;
    enum { REPLICAS = 4 };
    pthread_t threads[REPLICAS];
    int n[REPLICAS];
    put("0001_tables.sql", "CREATE TABLE a (n int); SELECT pg_sleep(0.1)");
    for (int i = 2; i <= 9; i++) {
        char name[32];
        snprintf(name, sizeof(name), "%04d_row.sql", i);
        put(name, "INSERT INTO a VALUES (1)");
    }
    for (int i = 0; i < REPLICAS; i++)
        pthread_create(&threads[i], NULL, migrate_alone, &n[i]);
    int sum = 0;
    for (int i = 0; i < REPLICAS; i++) {
        pthread_join(threads[i], NULL);
        assert_true(n[i] >= 0);
        sum += n[i];
    }
    assert_int_equal(sum, 9);
    assert_int_equal(number("SELECT count(*) FROM a"), 8);
    assert_int_equal(mr_db_migrated(db, 9, &err), MR_OK);
}

static void losing_the_server_is_retry(void **state)
{
    (void)state;
    put("0001_end.sql", "SELECT pg_terminate_backend(pg_backend_pid())");
    assert_int_equal(mr_db_migrate(db, folder, &applied, &err), MR_FAIL);
    assert_int_equal(err.class, MR_CLASS_RETRY);
    assert_int_equal(mr_db_migrated(db, 1, &err), MR_FAIL);
    assert_int_equal(err.class, MR_CLASS_RETRY);
}

#define CASE(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(applies_each_once_in_order),         CASE(an_empty_folder_is_no_migration),
        CASE(daemons_ask_what_is_there),          CASE(a_changed_file_is_refused),
        CASE(a_missing_file_is_refused),          CASE(the_folder_has_no_gaps),
        CASE(files_must_be_readable_text),        CASE(a_failing_file_leaves_nothing),
        CASE(a_file_may_not_end_its_transaction), CASE(migrations_may_take_long),
        CASE(replicas_may_start_at_once),         CASE(losing_the_server_is_retry),
    };
    return cmocka_run_group_tests(tests, start_all, stop_all);
}
