#include "db/db.h"

#include <stdio.h>
#include <string.h>

#include "db/connection.h"
#include "db/statement.h"

static enum mr_status prepare(struct mr_db *db, const char *name, uint64_t hash, const char *sql,
                              const struct mr_db_args *args, struct mr_error *err)
{
    if (mr_db_names_has(&db->prepared, hash))
        return MR_OK;
    PGresult *r = PQprepare(db->conn, name, sql, args->n, args->types);
    enum mr_status status = mr_db_succeeded(r) ? MR_OK : mr_db_fail(db, r, sql, err);
    if (status == MR_OK && !mr_db_names_add(&db->prepared, hash))
        db->broken = true; /* it works once; without memory to remember the name, the next use would clash */
    PQclear(r);
    return status;
}

/* Prepares `name` anew; the old one may or may not be there. */
static enum mr_status prepare_again(struct mr_db *db, const char *name, const char *sql,
                                    const struct mr_db_args *args, struct mr_error *err)
{
    char deallocate[MR_DB_NAME_SIZE + 16];
    snprintf(deallocate, sizeof(deallocate), "DEALLOCATE \"%s\"", name);
    PQclear(PQexec(db->conn, deallocate));
    PGresult *r = PQprepare(db->conn, name, sql, args->n, args->types);
    enum mr_status status = mr_db_succeeded(r) ? MR_OK : mr_db_fail(db, r, sql, err);
    PQclear(r);
    return status;
}

static PGresult *execute(struct mr_db *db, const char *name, const struct mr_db_args *args)
{
    return PQexecPrepared(db->conn, name, args->n, args->values, args->lengths, args->formats, 1);
}

static enum mr_status run_prepared(struct mr_db *db, uint64_t hash, const char *sql,
                                   const struct mr_db_args *args, PGresult **r, struct mr_error *err)
{
    char name[MR_DB_NAME_SIZE];
    mr_db_statement_name(hash, name);
    bool in_transaction = PQtransactionStatus(db->conn) != PQTRANS_IDLE;
    if (prepare(db, name, hash, sql, args, err) != MR_OK)
        return MR_FAIL;
    *r = execute(db, name, args);
    if (mr_db_succeeded(*r) || !mr_db_statement_stale(*r))
        return MR_OK;
    if (in_transaction) {
        /* The transaction is lost with it; on another connection, prepared anew, it will work. */
        mr_db_fail(db, *r, sql, err);
        db->broken = true;
        if (err)
            err->class = MR_CLASS_RETRY;
        return MR_FAIL;
    }
    PQclear(*r);
    *r = NULL;
    if (prepare_again(db, name, sql, args, err) != MR_OK) {
        db->broken = true; /* what is prepared is not known any more */
        return MR_FAIL;
    }
    *r = execute(db, name, args);
    return MR_OK;
}

enum mr_status mr_db_query(struct mr_db *db, const char *sql, const struct mr_db_args *args, PGresult **res,
                           struct mr_error *err)
{
    static const struct mr_db_args none;
    enum mr_status status = MR_OK;
    PGresult *r = NULL;
    if (!args)
        args = &none;
    uint64_t hash = mr_db_statement_hash(sql, args);
    if (db->prepared.n < MR_DB_PREPARED_MAX || mr_db_names_has(&db->prepared, hash))
        status = run_prepared(db, hash, sql, args, &r, err);
    else
        r = PQexecParams(db->conn, sql, args->n, args->types, args->values, args->lengths, args->formats, 1);
    if (status == MR_OK && !mr_db_succeeded(r))
        status = mr_db_fail(db, r, sql, err);
    if (status == MR_OK && res)
        *res = r;
    else
        PQclear(r);
    if (status != MR_OK && res)
        *res = NULL;
    return status;
}

enum mr_status mr_db_exec(struct mr_db *db, const char *sql, struct mr_error *err)
{
    PGresult *r = PQexec(db->conn, sql);
    enum mr_status status = mr_db_succeeded(r) ? MR_OK : mr_db_fail(db, r, sql, err);
    PQclear(r);
    return status;
}

enum mr_status mr_db_begin(struct mr_db *db, struct mr_error *err)
{
    return mr_db_exec(db, "BEGIN", err);
}

/* PostgreSQL answers COMMIT of a transaction that had failed with success and the tag ROLLBACK. */
enum mr_status mr_db_commit(struct mr_db *db, struct mr_error *err)
{
    PGresult *r = PQexec(db->conn, "COMMIT");
    enum mr_status status = MR_OK;
    if (!mr_db_succeeded(r))
        status = mr_db_fail(db, r, "COMMIT", err);
    else if (strcmp(PQcmdStatus(r), "COMMIT") != 0)
        status =
            mr_error_set(err, MR_CLASS_FATAL, mr_sqlstate("25P02"),
                         "\"COMMIT\": a statement of the transaction had failed, all of it is rolled back");
    PQclear(r);
    return status;
}

bool mr_db_in_transaction(const struct mr_db *db)
{
    return PQtransactionStatus(db->conn) == PQTRANS_INTRANS;
}

void mr_db_rollback(struct mr_db *db)
{
    switch (PQtransactionStatus(db->conn)) {
    case PQTRANS_IDLE:
        break;
    case PQTRANS_INTRANS:
    case PQTRANS_INERROR:
        if (mr_db_exec(db, "ROLLBACK", NULL) != MR_OK)
            db->broken = true;
        break;
    case PQTRANS_ACTIVE: /* a COPY, or half a result: there is no clean way back */
    case PQTRANS_UNKNOWN:
        db->broken = true;
        break;
    }
}
