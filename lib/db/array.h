/* Arrays in PostgreSQL's binary format (src/backend/utils/adt/arrayfuncs.c, array_recv), for
 * `INSERT … SELECT FROM unnest($1, $2, …)`: one round trip for a batch of rows. One owner. */
#ifndef MR_DB_ARRAY_H
#define MR_DB_ARRAY_H

#include "base/buf.h"
#include "db/db.h"

struct mr_db_array {
    struct mr_buf buf;
    Oid element;
    int n;
    bool has_null;
};

/* element: an OID of db/oid.h. max_bytes is the ceiling. */
void mr_db_array_init(struct mr_db_array *a, Oid element, size_t max_bytes);
void mr_db_array_free(struct mr_db_array *a);
void mr_db_array_reset(struct mr_db_array *a);

enum mr_status mr_db_array_null(struct mr_db_array *a);
enum mr_status mr_db_array_i64(struct mr_db_array *a, int64_t v);
enum mr_status mr_db_array_i32(struct mr_db_array *a, int32_t v);
enum mr_status mr_db_array_bool(struct mr_db_array *a, bool v);
enum mr_status mr_db_array_uuid(struct mr_db_array *a, struct mr_uuid id);
enum mr_status mr_db_array_time(struct mr_db_array *a, int64_t wall_us);
enum mr_status mr_db_array_span(struct mr_db_array *a,
                                struct mr_span s); /* text, bytea, jsonb (as text json) */

/* Finishes the header and adds the array as the next parameter; borrowed until the query returns. */
void mr_db_arg_of_array(struct mr_db_args *args, struct mr_db_array *a);

#endif
