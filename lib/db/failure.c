/* From what PostgreSQL says to what a caller can do about it. */
#include <ctype.h>
#include <string.h>

#include "db/connection.h"

#define SQL_SHOWN 96

int mr_sqlstate(const char state[5])
{
    int packed = 0;
    for (int i = 0; i < 5; i++) {
        char c = state[i];
        int digit = c >= '0' && c <= '9' ? c - '0' : c >= 'A' && c <= 'Z' ? c - 'A' + 10 : 0;
        packed = packed * 36 + digit;
    }
    return packed;
}

static bool one_of(const char *sqlstate, const char *classes)
{
    for (; *classes; classes += 2) {
        if (memcmp(sqlstate, classes, 2) == 0)
            return true;
    }
    return false;
}

enum mr_error_class mr_db_class(const char *sqlstate)
{
    if (!sqlstate)
        return MR_CLASS_RETRY;
    if (one_of(sqlstate, "084053555758"))
        return MR_CLASS_RETRY;
    if (one_of(sqlstate, "222354"))
        return MR_CLASS_REJECT;
    /* Writing to a server that has become a standby: the new primary is found by connecting again. */
    if (memcmp(sqlstate, "25006", 5) == 0)
        return MR_CLASS_RETRY;
    return MR_CLASS_FATAL;
}

/* The statement in one line, cut, so that a log reader recognizes it. */
static const char *shown_sql(const char *sql, char out[SQL_SHOWN + 4])
{
    size_t n = 0;
    while (isspace((unsigned char)*sql))
        sql++;
    for (; *sql && n < SQL_SHOWN; sql++) {
        bool space = isspace((unsigned char)*sql);
        if (!space || (n > 0 && out[n - 1] != ' '))
            out[n++] = space ? ' ' : *sql;
    }
    strcpy(out + n, *sql ? "..." : "");
    return out;
}

/* libpq's messages are lines; the first says it. */
static int first_line(const char *message)
{
    return (int)strcspn(message, "\n");
}

enum mr_status mr_db_fail(struct mr_db *db, const PGresult *r, const char *sql, struct mr_error *err)
{
    char shown[SQL_SHOWN + 4];
    const char *state = PQresultErrorField(r, PG_DIAG_SQLSTATE);
    const char *said = PQresultErrorField(r, PG_DIAG_MESSAGE_PRIMARY);
    bool lost = PQstatus(db->conn) == CONNECTION_BAD;
    if (state && strlen(state) != 5)
        state = NULL;
    if (!said)
        said = *PQerrorMessage(db->conn) ? PQerrorMessage(db->conn) : "no answer";
    db->broken = db->broken || lost;
    enum mr_error_class class = lost ? MR_CLASS_RETRY : mr_db_class(state);
    return mr_error_set(err, class, state ? mr_sqlstate(state) : 0, "\"%s\": %.*s%s%s%s",
                        shown_sql(sql, shown), first_line(said), said, state ? " (SQLSTATE " : "",
                        state ? state : "", state ? ")" : "");
}
