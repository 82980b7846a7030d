/* Binary results (src/backend/utils/adt, the _send functions). */
#include <endian.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "db/db.h"
#include "db/epoch.h"
#include "db/oid.h"

enum { OID_INT2 = 21, OID_JSONB = 3802 };

_Noreturn static void misread(const PGresult *r, int row, int col)
{
    mr_log(MR_LOG_ERROR, "a query result was misread: a bug", mr_log_int("row", row),
           mr_log_int("column", col), mr_log_int("rows", PQntuples(r)), mr_log_int("columns", PQnfields(r)),
           mr_log_int("type", col >= 0 && col < PQnfields(r) ? (int64_t)PQftype(r, col) : -1));
    abort();
}

bool mr_db_null(const PGresult *r, int row, int col)
{
    if (row < 0 || row >= PQntuples(r) || col < 0 || col >= PQnfields(r))
        misread(r, row, col);
    return PQgetisnull(r, row, col);
}

/* The bytes of a value of exactly this type and size, or NULL for SQL NULL. */
static const char *fixed(const PGresult *r, int row, int col, Oid type, int size)
{
    if (mr_db_null(r, row, col))
        return NULL;
    if (PQftype(r, col) != type || PQgetlength(r, row, col) != size || PQfformat(r, col) != 1)
        misread(r, row, col);
    return PQgetvalue(r, row, col);
}

int64_t mr_db_i64(const PGresult *r, int row, int col)
{
    if (mr_db_null(r, row, col))
        return 0;
    uint16_t two;
    uint32_t four;
    uint64_t eight;
    switch (PQftype(r, col)) {
    case OID_INT2:
        memcpy(&two, fixed(r, row, col, OID_INT2, sizeof(two)), sizeof(two));
        return (int16_t)be16toh(two);
    case MR_OID_INT4:
        memcpy(&four, fixed(r, row, col, MR_OID_INT4, sizeof(four)), sizeof(four));
        return (int32_t)be32toh(four);
    case MR_OID_INT8:
        memcpy(&eight, fixed(r, row, col, MR_OID_INT8, sizeof(eight)), sizeof(eight));
        return (int64_t)be64toh(eight);
    default:
        misread(r, row, col);
    }
}

bool mr_db_bool(const PGresult *r, int row, int col)
{
    const char *p = fixed(r, row, col, MR_OID_BOOL, 1);
    return p && *p != 0;
}

struct mr_uuid mr_db_uuid(const PGresult *r, int row, int col)
{
    struct mr_uuid id = {{0}};
    const char *p = fixed(r, row, col, MR_OID_UUID, sizeof(id.b));
    if (p)
        memcpy(id.b, p, sizeof(id.b));
    return id;
}

int64_t mr_db_time(const PGresult *r, int row, int col)
{
    uint64_t wire;
    const char *p = fixed(r, row, col, MR_OID_TIMESTAMPTZ, sizeof(wire));
    if (!p)
        return 0;
    memcpy(&wire, p, sizeof(wire));
    int64_t us = (int64_t)be64toh(wire);
    /* infinity and -infinity are the ends of the range and stay there */
    if (us == INT64_MIN || us > INT64_MAX - MR_DB_EPOCH_US)
        return us == INT64_MIN ? INT64_MIN : INT64_MAX;
    return us + MR_DB_EPOCH_US;
}

/* Many types look like text in binary (text, varchar, json, enums); those that do not are refused. */
struct mr_span mr_db_span(const PGresult *r, int row, int col)
{
    if (mr_db_null(r, row, col))
        return (struct mr_span){"", 0};
    struct mr_span s = {PQgetvalue(r, row, col), (size_t)PQgetlength(r, row, col)};
    switch (PQftype(r, col)) {
    case MR_OID_BOOL:
    case OID_INT2:
    case MR_OID_INT4:
    case MR_OID_INT8:
    case MR_OID_UUID:
    case MR_OID_TIMESTAMPTZ:
        misread(r, row, col);
    case OID_JSONB:
        if (s.len == 0)
            misread(r, row, col);
        return (struct mr_span){s.p + 1, s.len - 1}; /* jsonb_send() puts a version byte first */
    default:
        return s;
    }
}

const char *mr_db_text(const PGresult *r, int row, int col)
{
    return mr_db_span(r, row, col).p; /* libpq ends every value with a NUL */
}
