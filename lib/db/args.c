/* Parameters in PostgreSQL's binary formats: network byte order (src/backend/utils/adt, the _recv functions).
 */
#include <endian.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "db/connection.h"
#include "db/epoch.h"
#include "db/oid.h"

void mr_db_args_init(struct mr_db_args *a)
{
    a->n = 0;
}

static void add(struct mr_db_args *a, Oid type, const char *value, size_t n)
{
    if (a->n == MR_DB_ARGS_MAX || n > INT_MAX) {
        mr_log(MR_LOG_ERROR, "too many or too long query parameters: a bug", mr_log_int("parameters", a->n),
               mr_log_int("length", (int64_t)n));
        abort();
    }
    a->types[a->n] = type;
    a->values[a->n] = value;
    a->lengths[a->n] = (int)n;
    a->formats[a->n] = 1;
    a->n++;
}

/* Copies into the parameter's own room; n is at most 16. */
static void add_inline(struct mr_db_args *a, Oid type, const void *value, size_t n)
{
    add(a, type, NULL, n);
    memcpy(a->inline_[a->n - 1], value, n);
    a->values[a->n - 1] = a->inline_[a->n - 1];
}

void mr_db_arg_null(struct mr_db_args *a)
{
    add(a, 0, NULL, 0);
}

void mr_db_arg_text(struct mr_db_args *a, const char *s)
{
    add(a, MR_OID_TEXT, s, s ? strlen(s) : 0);
}

void mr_db_arg_span(struct mr_db_args *a, struct mr_span s)
{
    add(a, MR_OID_TEXT, s.p ? s.p : "", s.len);
}

void mr_db_arg_bytes(struct mr_db_args *a, const void *p, size_t n)
{
    add(a, MR_OID_BYTEA, p ? p : "", n);
}

void mr_db_arg_i64(struct mr_db_args *a, int64_t v)
{
    uint64_t wire = htobe64((uint64_t)v);
    add_inline(a, MR_OID_INT8, &wire, sizeof(wire));
}

void mr_db_arg_i32(struct mr_db_args *a, int32_t v)
{
    uint32_t wire = htobe32((uint32_t)v);
    add_inline(a, MR_OID_INT4, &wire, sizeof(wire));
}

void mr_db_arg_bool(struct mr_db_args *a, bool v)
{
    add_inline(a, MR_OID_BOOL, v ? "\1" : "\0", 1);
}

void mr_db_arg_uuid(struct mr_db_args *a, struct mr_uuid id)
{
    add_inline(a, MR_OID_UUID, id.b, sizeof(id.b));
}

void mr_db_arg_time(struct mr_db_args *a, int64_t wall_us)
{
    uint64_t wire = htobe64((uint64_t)(wall_us - MR_DB_EPOCH_US));
    add_inline(a, MR_OID_TIMESTAMPTZ, &wire, sizeof(wire));
}

void mr_db_arg_array(struct mr_db_args *a, Oid array_type, const char *bytes, size_t n)
{
    add(a, array_type, bytes, n);
}
