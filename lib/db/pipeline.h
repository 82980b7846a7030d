/* Several statements in one round trip (libpq's pipeline mode, PostgreSQL docs 34.5).
 *
 * Outside a transaction they are one: all of them happen or none does. Inside one they are a part of it, and
 * a failure spoils it as any failure would. The last may be "COMMIT". A connection is usable afterwards
 * however a run ended, but for what mr_db_rollback() has to end, or a connection that was lost. */
#ifndef MR_DB_PIPELINE_H
#define MR_DB_PIPELINE_H

#include "db/db.h"

#define MR_DB_PIPELINE_MAX 32

struct mr_db_pipeline {
    struct mr_db *db;
    int n;
    struct {
        const char *sql;
        const struct mr_db_args *args;
        uint64_t hash;
    } statements[MR_DB_PIPELINE_MAX];
};

void mr_db_pipeline_begin(struct mr_db_pipeline *p, struct mr_db *db);

/* Sends nothing yet: text and arguments (NULL: none) are borrowed until the run. One more than
 * MR_DB_PIPELINE_MAX is a bug and aborts. Returns the statement's index. */
int mr_db_pipeline_add(struct mr_db_pipeline *p, const char *sql, const struct mr_db_args *args);

/* Sends all and reads every answer. results (may be NULL) has room for one per statement, in their order;
 * they are the caller's, mr_db_pipeline_clear() them; all are NULL on failure, where *failed (may be NULL) is
 * the index of the first statement that failed, or -1 when it was none's fault (the connection was lost).
 * Classes and codes as mr_db_query's. The pipeline is empty afterwards. */
enum mr_status mr_db_pipeline_run(struct mr_db_pipeline *p, PGresult **results, int *failed,
                                  struct mr_error *err);

/* PQclear() of each; NULLs are fine. */
void mr_db_pipeline_clear(PGresult **results, int n);

#endif
