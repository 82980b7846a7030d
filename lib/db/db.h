/* PostgreSQL over libpq: a bounded pool of connections, statements prepared once per connection, binary
 * parameters and results, transactions.
 *
 * The pool may be used from any thread; a connection by the one thread that holds it. A connection that broke
 * is reset by the next acquire. Error classes by SQLSTATE (PostgreSQL docs, appendix A): 08, 40, 53, 55, 57,
 * 58 and a lost connection RETRY; 22, 23, 54 REJECT; the rest (28 at open, 42, 3D) FATAL. code =
 * mr_sqlstate("23505"). */
#ifndef MR_DB_DB_H
#define MR_DB_DB_H

#include <libpq-fe.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/digest.h"
#include "base/error.h"
#include "base/id.h"
#include "base/span.h"

struct mr_db_pool;
struct mr_db; /* one connection, held */

/* Opens no connection yet. max = most connections. Every session gets timezone UTC, application_name =
 * program, statement_timeout_ms (0: none) and idle_in_transaction_session_timeout 60 s. */
enum mr_status mr_db_pool_open(const char *dsn, const char *application_name, int max,
                               int statement_timeout_ms, struct mr_db_pool **out, struct mr_error *err);
void mr_db_pool_close(struct mr_db_pool **pool);

/* Waits up to timeout_ms for a free place; connects when needed (connect_timeout 3 s). RETRY on failure. */
struct mr_db *mr_db_acquire(struct mr_db_pool *pool, int timeout_ms, struct mr_error *err);
/* Rolls back whatever is open. Clears *db. NULL is fine. */
void mr_db_release(struct mr_db **db);

/* SELECT 1 on a connection outside the pool's limit: the dependency's own probe. */
enum mr_status mr_db_probe(struct mr_db_pool *pool, struct mr_error *err);

/* "23505" as one int (base 36), so that an error code can be compared. */
int mr_sqlstate(const char state[5]);

/* Parameters, in order $1, $2, …. Spans and strings are borrowed until the query returns. At most
 * MR_DB_ARGS_MAX; one more is a bug and aborts. Types are sent by OID, in binary. */
#define MR_DB_ARGS_MAX 32
struct mr_db_args {
    int n;
    Oid types[MR_DB_ARGS_MAX];
    const char *values[MR_DB_ARGS_MAX];
    int lengths[MR_DB_ARGS_MAX];
    int formats[MR_DB_ARGS_MAX];
    char inline_[MR_DB_ARGS_MAX][16];
};
void mr_db_args_init(struct mr_db_args *a);
void mr_db_arg_null(struct mr_db_args *a);
void mr_db_arg_text(struct mr_db_args *a, const char *s);    /* NULL: SQL NULL */
void mr_db_arg_span(struct mr_db_args *a, struct mr_span s); /* text */
void mr_db_arg_i64(struct mr_db_args *a, int64_t v);
void mr_db_arg_i32(struct mr_db_args *a, int32_t v);
void mr_db_arg_bool(struct mr_db_args *a, bool v);
void mr_db_arg_uuid(struct mr_db_args *a, struct mr_uuid id);
void mr_db_arg_bytes(struct mr_db_args *a, const void *p, size_t n); /* bytea */
void mr_db_arg_time(struct mr_db_args *a, int64_t wall_us);          /* timestamptz */
/* A PostgreSQL array in binary form that db/array.h built. */
void mr_db_arg_array(struct mr_db_args *a, Oid array_type, const char *bytes, size_t n);

/* Runs one statement, prepared under a name derived from the SQL text's address-independent hash. *res (may
 * be NULL when no rows are wanted) is the caller's, PQclear() it; results are in binary. */
enum mr_status mr_db_query(struct mr_db *db, const char *sql, const struct mr_db_args *args, PGresult **res,
                           struct mr_error *err);
/* Simple protocol, no parameters, several statements allowed; for DDL and BEGIN/COMMIT. */
enum mr_status mr_db_exec(struct mr_db *db, const char *sql, struct mr_error *err);

enum mr_status mr_db_begin(struct mr_db *db, struct mr_error *err);
enum mr_status mr_db_commit(struct mr_db *db, struct mr_error *err);
bool mr_db_in_transaction(const struct mr_db *db); /* between BEGIN and its end, not failed */
void mr_db_rollback(struct mr_db *db); /* never fails: a connection that cannot is reset at release */

/* Reading binary results. Out-of-range rows or columns and wrong types are bugs and abort; SQL NULL reads as
 * the type's zero. */
bool mr_db_null(const PGresult *r, int row, int col);
int64_t mr_db_i64(const PGresult *r, int row, int col); /* int2, int4, int8 */
bool mr_db_bool(const PGresult *r, int row, int col);
struct mr_uuid mr_db_uuid(const PGresult *r, int row, int col);
struct mr_span mr_db_span(const PGresult *r, int row, int col); /* text, bytea; lives as long as r */
const char *mr_db_text(const PGresult *r, int row, int col);    /* NUL-terminated; "" for NULL */
int64_t mr_db_time(const PGresult *r, int row, int col);        /* timestamptz as wall µs */

#endif
