#include "db/migrate.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/log.h"

#define FILE_MAX_BYTES (16u << 20)
#define PATH_SIZE      4096

/* Any number that nobody else in this database uses: "millrace" in ASCII. */
#define LOCK "7883951835720016741"

struct migration {
    int number;
    char *name; /* NNNN_name.sql */
    struct mr_buf sql;
    uint8_t sha256[MR_SHA256_SIZE];
};

struct folder {
    struct migration *all; /* all[i].number == i + 1 */
    int n;
};

static int is_sql(const struct dirent *d)
{
    size_t n = strlen(d->d_name);
    return d->d_name[0] != '.' && n > 4 && strcmp(d->d_name + n - 4, ".sql") == 0;
}

static enum mr_status read_file(const char *path, struct mr_buf *out, struct mr_error *err)
{
    char block[16384];
    ssize_t got;
    enum mr_status status = MR_OK;
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return mr_error_set(err, MR_CLASS_FATAL, errno, "open migration %s: %s", path, strerror(errno));
    while ((got = read(fd, block, sizeof(block))) > 0 && status == MR_OK)
        status = mr_buf_add(out, block, (size_t)got);
    if (got < 0)
        status = mr_error_set(err, MR_CLASS_FATAL, errno, "read migration %s: %s", path, strerror(errno));
    else if (status != MR_OK)
        mr_error_set(err, MR_CLASS_FATAL, 0, "migration %s is larger than 16 MiB", path);
    else if (out->len == 0 || memchr(out->data, '\0', out->len))
        status = mr_error_set(err, MR_CLASS_FATAL, 0, "migration %s is empty or holds a NUL byte", path);
    close(fd);
    return status;
}

/* Reads the next file, which must be number n + 1 of the folder. */
static enum mr_status add_migration(struct folder *f, const char *folder, const char *name,
                                    struct mr_error *err)
{
    char path[PATH_SIZE];
    int number = 0;
    if (strspn(name, "0123456789") != 4 || name[4] != '_' || sscanf(name, "%4d", &number) != 1)
        return mr_error_set(err, MR_CLASS_FATAL, 0, "migration %s/%s is not called NNNN_name.sql", folder,
                            name);
    if (number != f->n + 1)
        return mr_error_set(err, MR_CLASS_FATAL, 0, "migration %s/%s: number %04d was expected there", folder,
                            name, f->n + 1);
    struct migration *m = &f->all[f->n];
    m->number = number;
    m->name = strdup(name);
    mr_buf_init(&m->sql, FILE_MAX_BYTES);
    f->n++;
    if (!m->name)
        return mr_error_set(err, MR_CLASS_RETRY, ENOMEM, "read migrations: out of memory");
    snprintf(path, sizeof(path), "%s/%s", folder, name);
    if (read_file(path, &m->sql, err) != MR_OK)
        return MR_FAIL;
    mr_sha256(m->sql.data, m->sql.len, m->sha256);
    return MR_OK;
}

static void free_folder(struct folder *f)
{
    for (int i = 0; i < f->n; i++) {
        free(f->all[i].name);
        mr_buf_free(&f->all[i].sql);
    }
    free(f->all);
}

/* f is to be freed whatever comes back. */
static enum mr_status read_folder(const char *folder, struct folder *f, struct mr_error *err)
{
    struct dirent **entries;
    *f = (struct folder){0};
    int n = scandir(folder, &entries, is_sql, alphasort);
    if (n < 0) {
        mr_error_set(err, MR_CLASS_FATAL, errno, "read migrations from %s: %s", folder, strerror(errno));
        return MR_FAIL;
    }
    enum mr_status status = MR_OK;
    f->all = calloc((size_t)n + 1, sizeof(*f->all));
    if (!f->all) {
        mr_error_set(err, MR_CLASS_RETRY, ENOMEM, "read migrations: out of memory");
        status = MR_FAIL;
    }
    for (int i = 0; i < n; i++) {
        if (status == MR_OK)
            status = add_migration(f, folder, entries[i]->d_name, err);
        free(entries[i]);
    }
    free(entries);
    return status;
}

/* Compares row i of what the database has with file i of the folder. */
static enum mr_status check_applied(const struct folder *f, const PGresult *r, int i, struct mr_error *err)
{
    int64_t number = mr_db_i64(r, i, 0);
    const char *name = mr_db_text(r, i, 1);
    if (i >= f->n)
        return mr_error_set(
            err, MR_CLASS_FATAL, 0,
            "the database has migration %s, which is not in the folder: it is newer than this program", name);
    const struct migration *m = &f->all[i];
    if (number != m->number)
        return mr_error_set(err, MR_CLASS_FATAL, 0,
                            "the database has migration %s but not %s, which comes before it", name, m->name);
    struct mr_span sha256 = mr_db_span(r, i, 2);
    if (!mr_span_eq(sha256, (struct mr_span){(const char *)m->sha256, sizeof(m->sha256)}))
        return mr_error_set(err, MR_CLASS_FATAL, 0, "migration %s was changed after it was applied (as %s)",
                            m->name, name);
    return MR_OK;
}

static enum mr_status count_applied(struct mr_db *db, const struct folder *f, int *n, struct mr_error *err)
{
    PGresult *r;
    enum mr_status status = mr_db_exec(
        db,
        "CREATE TABLE IF NOT EXISTS schema_migrations (number int PRIMARY KEY, name text NOT NULL, "
        "sha256 bytea NOT NULL, applied_at timestamptz NOT NULL DEFAULT now())",
        err);
    if (status == MR_OK)
        status = mr_db_query(db, "SELECT number, name, sha256 FROM schema_migrations ORDER BY number", NULL,
                             &r, err);
    if (status != MR_OK)
        return status;
    *n = PQntuples(r);
    for (int i = 0; i < *n && status == MR_OK; i++)
        status = check_applied(f, r, i, err);
    PQclear(r);
    return status;
}

static enum mr_status remember(struct mr_db *db, const struct migration *m, struct mr_error *err)
{
    struct mr_db_args args;
    mr_db_args_init(&args);
    mr_db_arg_i32(&args, m->number);
    mr_db_arg_text(&args, m->name);
    mr_db_arg_bytes(&args, m->sha256, sizeof(m->sha256));
    return mr_db_query(db, "INSERT INTO schema_migrations (number, name, sha256) VALUES ($1, $2, $3)", &args,
                       NULL, err);
}

static enum mr_status run_file(struct mr_db *db, const struct migration *m, struct mr_error *err)
{
    if (mr_db_begin(db, err) != MR_OK || mr_db_exec(db, m->sql.data, err) != MR_OK)
        return MR_FAIL;
    /* A COMMIT inside the file would leave half of it behind when the rest fails. */
    if (!mr_db_in_transaction(db))
        return mr_error_set(err, MR_CLASS_FATAL, 0, "the file ends its own transaction");
    if (mr_db_exec(db, "RESET search_path", err) != MR_OK || remember(db, m, err) != MR_OK)
        return MR_FAIL;
    return mr_db_commit(db, err);
}

static enum mr_status apply(struct mr_db *db, const struct migration *m, struct mr_error *err)
{
    if (run_file(db, m, err) == MR_OK) {
        mr_log(MR_LOG_INFO, "migration applied", mr_log_str("migration", m->name));
        return MR_OK;
    }
    mr_db_rollback(db);
    if (err && err->class == MR_CLASS_REJECT)
        err->class = MR_CLASS_FATAL; /* the input is our own */
    return mr_error_prefix(err, "migration %s", m->name);
}

static enum mr_status apply_new(struct mr_db *db, const struct folder *f, int *applied, struct mr_error *err)
{
    int have = 0;
    if (count_applied(db, f, &have, err) != MR_OK)
        return MR_FAIL;
    for (int i = have; i < f->n; i++) {
        if (apply(db, &f->all[i], err) != MR_OK)
            return MR_FAIL;
        (*applied)++;
    }
    return MR_OK;
}

enum mr_status mr_db_migrate(struct mr_db *db, const char *folder, int *applied, struct mr_error *err)
{
    struct folder f;
    *applied = 0;
    enum mr_status status = read_folder(folder, &f, err);
    /* Waiting for another replica's migrations, or rewriting a table, may take longer than any query should.
     */
    if (status == MR_OK)
        status = mr_db_exec(db, "SET statement_timeout = 0", err);
    if (status == MR_OK)
        status = mr_db_exec(db, "SELECT pg_advisory_lock(" LOCK ")", err);
    if (status == MR_OK) {
        status = apply_new(db, &f, applied, err);
        if (mr_db_exec(db, "RESET ALL; SELECT pg_advisory_unlock(" LOCK ")", NULL) != MR_OK &&
            status == MR_OK)
            status = mr_error_set(err, MR_CLASS_RETRY, 0, "the connection was lost after the migrations");
    }
    free_folder(&f);
    return status;
}

enum mr_status mr_db_migrated(struct mr_db *db, int number, struct mr_error *err)
{
    PGresult *r;
    struct mr_db_args args;
    mr_db_args_init(&args);
    mr_db_arg_i32(&args, number);
    if (mr_db_query(db,
                    "SELECT count(*) FILTER (WHERE number <= $1), coalesce(max(number), 0) "
                    "FROM schema_migrations",
                    &args, &r, err) != MR_OK)
        return mr_error_prefix(err, "the database's migrations are not known; run mr-admin migrate");
    int64_t count = mr_db_i64(r, 0, 0);
    int64_t last = mr_db_i64(r, 0, 1);
    PQclear(r);
    if (count == number)
        return MR_OK;
    if (last >= number)
        return mr_error_set(err, MR_CLASS_FATAL, 0,
                            "the database lacks some of the migrations up to %d that this program needs",
                            number);
    return mr_error_set(err, MR_CLASS_FATAL, 0,
                        "the database is at migration %d and this program needs %d; run mr-admin migrate",
                        (int)last, number);
}
