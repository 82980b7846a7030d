#include "db/statement.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

/* FNV-1a */
uint64_t mr_db_statement_hash(const char *sql, const struct mr_db_args *args)
{
    uint64_t h = UINT64_C(0xcbf29ce484222325);
    for (const char *p = sql; *p; p++)
        h = (h ^ (uint8_t)*p) * UINT64_C(0x100000001b3);
    for (int i = 0; i < args->n; i++) {
        for (int shift = 0; shift < 32; shift += 8)
            h = (h ^ (uint8_t)(args->types[i] >> shift)) * UINT64_C(0x100000001b3);
    }
    return h ? h : 1;
}

void mr_db_statement_name(uint64_t hash, char name[MR_DB_NAME_SIZE])
{
    snprintf(name, MR_DB_NAME_SIZE, "%016" PRIx64, hash);
}

bool mr_db_succeeded(const PGresult *r)
{
    return PQresultStatus(r) == PGRES_COMMAND_OK || PQresultStatus(r) == PGRES_TUPLES_OK;
}

/* 26000 is a statement that does not exist. "Cached plan must not change result type" is told from other uses
 * of 0A000 only by the function that reports it (the message is translated). */
bool mr_db_statement_stale(const PGresult *r)
{
    const char *state = PQresultErrorField(r, PG_DIAG_SQLSTATE);
    const char *function = PQresultErrorField(r, PG_DIAG_SOURCE_FUNCTION);
    if (!state)
        return false;
    return strcmp(state, "26000") == 0 ||
           (strcmp(state, "0A000") == 0 && function && strcmp(function, "RevalidateCachedQuery") == 0);
}
