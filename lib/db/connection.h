/* One connection, as the files of lib/db see it; not for callers. */
#ifndef MR_DB_CONNECTION_H
#define MR_DB_CONNECTION_H

#include "db/db.h"

/* Names of the statements this connection has prepared: an open-addressing set of hashes, 0 = free. */
struct mr_db_names {
    uint64_t *slots;
    size_t n, cap;
};

struct mr_db {
    PGconn *conn;
    struct mr_db_pool *pool; /* NULL: not of a pool */
    struct mr_db_names prepared;
    bool broken; /* is closed at release, not kept */
    int64_t idle_since_ms;
};

/* What every connection of a pool is opened with; the strings are the settings' own. */
struct mr_db_settings {
    char *dsn;
    char *application_name;
    char *options; /* the DSN's own and ours */
};

/* FATAL when the DSN cannot be parsed; its text is never part of an error, as it may hold a password. */
enum mr_status mr_db_settings_make(const char *dsn, const char *application_name, int statement_timeout_ms,
                                   struct mr_db_settings *out, struct mr_error *err);
void mr_db_settings_free(struct mr_db_settings *s);

/* NULL on failure: RETRY, or FATAL when the server refused who we are or what database we want. */
struct mr_db *mr_db_connect(const struct mr_db_settings *s, struct mr_error *err);
void mr_db_disconnect(struct mr_db *db);

/* False when the server has closed an idle connection. */
bool mr_db_alive(struct mr_db *db);

bool mr_db_names_has(const struct mr_db_names *s, uint64_t name);
/* False without memory. */
bool mr_db_names_add(struct mr_db_names *s, uint64_t name);

/* Class of a SQLSTATE of five characters, or of a failure without one (NULL). */
enum mr_error_class mr_db_class(const char *sqlstate);

/* Fills err from a failed result and marks the connection when it broke. `sql` says what was being done. */
enum mr_status mr_db_fail(struct mr_db *db, const PGresult *r, const char *sql, struct mr_error *err);

#endif
