#include "db/pipeline.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/log.h"
#include "db/connection.h"
#include "db/statement.h"

/* What one run has learned. */
struct run {
    PGresult *results[MR_DB_PIPELINE_MAX];
    bool preparing[MR_DB_PIPELINE_MAX]; /* it is prepared in this very run */
    int failed;                         /* -1: none */
    bool stale;                         /* that one's plan is out of date */
};

void mr_db_pipeline_begin(struct mr_db_pipeline *p, struct mr_db *db)
{
    p->db = db;
    p->n = 0;
}

int mr_db_pipeline_add(struct mr_db_pipeline *p, const char *sql, const struct mr_db_args *args)
{
    static const struct mr_db_args none;
    if (p->n == MR_DB_PIPELINE_MAX) {
        mr_log(MR_LOG_ERROR, "too many statements in a pipeline: a bug", mr_log_str("statement", sql));
        abort();
    }
    p->statements[p->n].sql = sql;
    p->statements[p->n].args = args ? args : &none;
    p->statements[p->n].hash = mr_db_statement_hash(sql, args ? args : &none);
    return p->n++;
}

void mr_db_pipeline_clear(PGresult **results, int n)
{
    for (int i = 0; i < n; i++) {
        PQclear(results[i]);
        results[i] = NULL;
    }
}

static bool prepared_before(const struct mr_db_pipeline *p, const struct run *run, int i)
{
    for (int k = 0; k < i; k++) {
        if (run->preparing[k] && p->statements[k].hash == p->statements[i].hash)
            return true;
    }
    return mr_db_names_has(&p->db->prepared, p->statements[i].hash);
}

static bool send_one(const struct mr_db_pipeline *p, struct run *run, int i)
{
    PGconn *conn = p->db->conn;
    const struct mr_db_args *a = p->statements[i].args;
    const char *sql = p->statements[i].sql;
    char name[MR_DB_NAME_SIZE];
    bool prepared = prepared_before(p, run, i);
    if (!prepared && p->db->prepared.n >= MR_DB_PREPARED_MAX)
        return PQsendQueryParams(conn, sql, a->n, a->types, a->values, a->lengths, a->formats, 1);
    mr_db_statement_name(p->statements[i].hash, name);
    if (!prepared && !PQsendPrepare(conn, name, sql, a->n, a->types))
        return false;
    run->preparing[i] = !prepared;
    return PQsendQueryPrepared(conn, name, a->n, a->values, a->lengths, a->formats, 1);
}

/* The server stops reading while we do not take its answers, so both directions have to move. */
static bool flush(PGconn *conn)
{
    int left;
    while ((left = PQflush(conn)) == 1) {
        struct pollfd fd = {.fd = PQsocket(conn), .events = POLLIN | POLLOUT};
        if (poll(&fd, 1, -1) < 0 && errno != EINTR)
            return false;
        if ((fd.revents & POLLIN) && !PQconsumeInput(conn))
            return false;
    }
    return left == 0;
}

static bool send_all(const struct mr_db_pipeline *p, struct run *run)
{
    for (int i = 0; i < p->n; i++) {
        if (!send_one(p, run, i))
            return false;
    }
    return PQpipelineSync(p->db->conn) && flush(p->db->conn);
}

/* The one result of a step; NULL when the connection was lost meanwhile. A step's results end with a NULL. */
static PGresult *answer(PGconn *conn)
{
    PGresult *r = PQgetResult(conn);
    PGresult *more;
    while ((more = PQgetResult(conn)))
        PQclear(more); /* an error that came over a dying connection is followed by another */
    if (r && PQstatus(conn) != CONNECTION_BAD)
        return r;
    PQclear(r);
    return NULL;
}

/* COMMIT of a transaction that had failed before succeeds with the tag ROLLBACK. */
static bool rolled_back_instead(const char *sql, PGresult *r)
{
    return strcasecmp(sql, "COMMIT") == 0 && strcmp(PQcmdStatus(r), "ROLLBACK") == 0;
}

static void failed_at(const struct mr_db_pipeline *p, struct run *run, int i, const PGresult *r,
                      struct mr_error *err)
{
    if (run->failed >= 0)
        return;
    run->failed = i;
    run->stale = mr_db_statement_stale(r);
    mr_db_fail(p->db, r, p->statements[i].sql, err);
    mr_error_prefix(err, "statement %d of %d", i + 1, p->n);
}

/* False when the connection was lost. */
static bool read_one(const struct mr_db_pipeline *p, struct run *run, int i, struct mr_error *err)
{
    struct mr_db *db = p->db;
    if (run->preparing[i]) {
        PGresult *r = answer(db->conn);
        if (!r)
            return false;
        if (!mr_db_succeeded(r))
            failed_at(p, run, i, r, err);
        else if (!mr_db_names_add(&db->prepared, p->statements[i].hash))
            db->broken = true; /* it works once; without the name the next use would clash */
        PQclear(r);
    }
    PGresult *r = run->results[i] = answer(db->conn);
    if (!r)
        return false;
    if (!mr_db_succeeded(r)) {
        failed_at(p, run, i, r, err);
    } else if (rolled_back_instead(p->statements[i].sql, r)) {
        run->failed = i;
        mr_error_set(err, MR_CLASS_FATAL, mr_sqlstate("25P02"),
                     "\"COMMIT\": a statement of the transaction had failed, all of it is rolled back");
    }
    return true;
}

/* False when the connection was lost; that is in err then. */
static bool exchange(const struct mr_db_pipeline *p, struct run *run, struct mr_error *err)
{
    PGconn *conn = p->db->conn;
    bool whole = PQsetnonblocking(conn, 1) == 0 && PQenterPipelineMode(conn) && send_all(p, run);
    for (int i = 0; whole && i < p->n; i++)
        whole = read_one(p, run, i, err);
    if (whole) {
        PGresult *sync = PQgetResult(conn);
        whole = PQresultStatus(sync) == PGRES_PIPELINE_SYNC;
        PQclear(sync);
    }
    whole = whole && PQexitPipelineMode(conn) && PQsetnonblocking(conn, 0) == 0;
    if (whole)
        return true;
    p->db->broken = true;
    if (run->failed < 0) { /* else the server has said why it leaves, which is in err */
        mr_db_fail(p->db, NULL, p->statements[0].sql, err);
        mr_error_prefix(err, "%d statements at once", p->n);
    }
    if (err)
        err->class = MR_CLASS_RETRY;
    run->failed = -1;
    return false;
}

static bool has_commit(const struct mr_db_pipeline *p)
{
    for (int i = 0; i < p->n; i++) {
        if (strcasecmp(p->statements[i].sql, "COMMIT") == 0)
            return true;
    }
    return false;
}

/* Everything prepared is forgotten, on both sides. */
static bool forget_prepared(struct mr_db *db)
{
    if (mr_db_exec(db, "DEALLOCATE ALL", NULL) != MR_OK) {
        db->broken = true;
        return false;
    }
    if (db->prepared.cap > 0)
        memset(db->prepared.slots, 0, db->prepared.cap * sizeof(*db->prepared.slots));
    db->prepared.n = 0;
    return true;
}

enum mr_status mr_db_pipeline_run(struct mr_db_pipeline *p, PGresult **results, int *failed,
                                  struct mr_error *err)
{
    struct mr_db *db = p->db;
    struct run run = {.failed = -1};
    bool alone = PQtransactionStatus(db->conn) == PQTRANS_IDLE && !has_commit(p);
    bool whole = p->n == 0 || exchange(p, &run, err);
    if (whole && run.stale && alone && forget_prepared(db)) {
        /* Nothing of it has happened, so all of it can be said again. */
        mr_db_pipeline_clear(run.results, p->n);
        run = (struct run){.failed = -1};
        whole = exchange(p, &run, err);
    } else if (run.stale) {
        db->broken = true; /* on another connection, prepared anew, it will work */
        if (err)
            err->class = MR_CLASS_RETRY;
    }
    bool ok = whole && run.failed < 0;
    for (int i = 0; i < p->n; i++) {
        if (results)
            results[i] = ok ? run.results[i] : NULL;
        if (!ok || !results)
            PQclear(run.results[i]);
    }
    if (failed)
        *failed = run.failed;
    p->n = 0;
    return ok ? MR_OK : MR_FAIL;
}
