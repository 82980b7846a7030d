#include "db/array.h"

#include <assert.h>
#include <endian.h>
#include <stdlib.h>
#include <string.h>

#include "db/epoch.h"
#include "db/oid.h"

/* ndim, has_null, element type; then per dimension length and lower bound. An empty array has no dimension.
 */
#define EMPTY_HEADER 12
#define HEADER       20

void mr_db_array_init(struct mr_db_array *a, Oid element, size_t max_bytes)
{
    *a = (struct mr_db_array){.element = element};
    mr_buf_init(&a->buf, max_bytes);
}

void mr_db_array_free(struct mr_db_array *a)
{
    mr_buf_free(&a->buf);
    mr_db_array_reset(a);
}

void mr_db_array_reset(struct mr_db_array *a)
{
    mr_buf_reset(&a->buf);
    a->n = 0;
    a->has_null = false;
}

/* An element: its length (-1 for NULL) and its bytes, whole or not at all. */
static enum mr_status add(struct mr_db_array *a, int32_t length, const void *p, size_t n)
{
    size_t before = a->buf.len;
    uint32_t wire = htobe32((uint32_t)length);
    static const char room[HEADER];
    if ((before == 0 && mr_buf_add(&a->buf, room, HEADER) != MR_OK) ||
        mr_buf_add(&a->buf, &wire, sizeof(wire)) != MR_OK || mr_buf_add(&a->buf, p, n) != MR_OK) {
        a->buf.len = before;
        return MR_FAIL;
    }
    a->n++;
    return MR_OK;
}

enum mr_status mr_db_array_null(struct mr_db_array *a)
{
    if (add(a, -1, "", 0) != MR_OK)
        return MR_FAIL;
    a->has_null = true;
    return MR_OK;
}

enum mr_status mr_db_array_i64(struct mr_db_array *a, int64_t v)
{
    assert(a->element == MR_OID_INT8);
    uint64_t wire = htobe64((uint64_t)v);
    return add(a, sizeof(wire), &wire, sizeof(wire));
}

enum mr_status mr_db_array_i32(struct mr_db_array *a, int32_t v)
{
    assert(a->element == MR_OID_INT4);
    uint32_t wire = htobe32((uint32_t)v);
    return add(a, sizeof(wire), &wire, sizeof(wire));
}

enum mr_status mr_db_array_bool(struct mr_db_array *a, bool v)
{
    assert(a->element == MR_OID_BOOL);
    return add(a, 1, v ? "\1" : "\0", 1);
}

enum mr_status mr_db_array_uuid(struct mr_db_array *a, struct mr_uuid id)
{
    assert(a->element == MR_OID_UUID);
    return add(a, sizeof(id.b), id.b, sizeof(id.b));
}

enum mr_status mr_db_array_time(struct mr_db_array *a, int64_t wall_us)
{
    assert(a->element == MR_OID_TIMESTAMPTZ);
    uint64_t wire = htobe64((uint64_t)(wall_us - MR_DB_EPOCH_US));
    return add(a, sizeof(wire), &wire, sizeof(wire));
}

enum mr_status mr_db_array_span(struct mr_db_array *a, struct mr_span s)
{
    assert(a->element == MR_OID_TEXT || a->element == MR_OID_BYTEA || a->element == MR_OID_JSON);
    if (s.len > INT32_MAX)
        return MR_FAIL;
    return add(a, (int32_t)s.len, s.p ? s.p : "", s.len);
}

static Oid array_type_of(Oid element)
{
    static const Oid types[][2] = {
        {MR_OID_BOOL, MR_OID_BOOL_ARRAY}, {MR_OID_BYTEA, MR_OID_BYTEA_ARRAY},
        {MR_OID_INT8, MR_OID_INT8_ARRAY}, {MR_OID_INT4, MR_OID_INT4_ARRAY},
        {MR_OID_TEXT, MR_OID_TEXT_ARRAY}, {MR_OID_JSON, MR_OID_JSON_ARRAY},
        {MR_OID_UUID, MR_OID_UUID_ARRAY}, {MR_OID_TIMESTAMPTZ, MR_OID_TIMESTAMPTZ_ARRAY},
    };
    for (size_t i = 0; i < sizeof(types) / sizeof(types[0]); i++) {
        if (types[i][0] == element)
            return types[i][1];
    }
    abort(); /* an element type that db/oid.h has no array of */
}

static void put_header(struct mr_db_array *a)
{
    const uint32_t fields[] = {a->n > 0, a->has_null, a->element, (uint32_t)a->n, 1};
    for (size_t i = 0; i < (a->n > 0 ? HEADER : EMPTY_HEADER) / sizeof(fields[0]); i++) {
        uint32_t wire = htobe32(fields[i]);
        memcpy(a->buf.data + i * sizeof(wire), &wire, sizeof(wire));
    }
}

void mr_db_arg_of_array(struct mr_db_args *args, struct mr_db_array *a)
{
    static const char room[EMPTY_HEADER];
    if (a->buf.len == 0 && mr_buf_add(&a->buf, room, EMPTY_HEADER) != MR_OK)
        abort(); /* a ceiling below 12 bytes, or no memory for them */
    put_header(a);
    mr_db_arg_array(args, array_type_of(a->element), a->buf.data, a->buf.len);
    if (a->n == 0)
        mr_buf_reset(&a->buf); /* the bytes stay for the query; the next element starts over */
}
