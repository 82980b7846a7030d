/* Reading a JSON object by a table of its fields: unknown, missing, mistyped or out-of-range ones are
 * answered 400 "invalid-request" with a detail that names the field. */
#ifndef MR_HTTP_FIELDS_H
#define MR_HTTP_FIELDS_H

#include "http/server.h"

enum mr_field_type {
    MR_FIELD_JSON_STRING,
    MR_FIELD_JSON_INT,
    MR_FIELD_JSON_UUID,
    MR_FIELD_JSON_SHA256,
    MR_FIELD_JSON_ARRAY
};

struct mr_field {
    const char *name;
    enum mr_field_type type;
    bool required;
    int64_t low, high; /* INT: range; STRING: bytes; ARRAY: length. high 0: unbounded (STRING: 64 KiB) */
    void *out;         /* const char ** | int64_t * | struct mr_uuid * | uint8_t[32] | json_t ** (borrowed) */
    bool *present;     /* may be NULL */
};

/* False when a problem was put into the reply. `what` names the object in the detail ("body", "parts[3]"). */
bool mr_http_fields(struct mr_http_reply *rp, json_t *object, const char *what, const struct mr_field *fields,
                    size_t n);

#endif
