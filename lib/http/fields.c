#include "http/fields.h"

#include <inttypes.h>
#include <string.h>

#include "base/digest.h"

#define STRING_MAX (64 << 10)

static bool refuse(struct mr_http_reply *rp, const char *what, const struct mr_field *f, const char *expected)
{
    mr_http_problem(rp, 400, "invalid-request", "%s: \"%s\" must be %s", what, f->name, expected);
    return false;
}

static bool read_string(struct mr_http_reply *rp, const char *what, const struct mr_field *f,
                        const json_t *value)
{
    if (!json_is_string(value))
        return refuse(rp, what, f, "a string");
    int64_t len = (int64_t)json_string_length(value), high = f->high ? f->high : STRING_MAX;
    if (len < f->low || len > high) {
        mr_http_problem(rp, 400, "invalid-request", "%s: \"%s\" must have %" PRId64 " to %" PRId64 " bytes",
                        what, f->name, f->low, high);
        return false;
    }
    *(const char **)f->out = json_string_value(value);
    return true;
}

static bool read_int(struct mr_http_reply *rp, const char *what, const struct mr_field *f,
                     const json_t *value)
{
    if (!json_is_integer(value))
        return refuse(rp, what, f, "a whole number");
    int64_t n = json_integer_value(value);
    bool bounded = f->high != 0;
    if (n < f->low || (bounded && n > f->high)) {
        if (bounded)
            mr_http_problem(rp, 400, "invalid-request", "%s: \"%s\" must be %" PRId64 " to %" PRId64, what,
                            f->name, f->low, f->high);
        else
            mr_http_problem(rp, 400, "invalid-request", "%s: \"%s\" must be at least %" PRId64, what, f->name,
                            f->low);
        return false;
    }
    *(int64_t *)f->out = n;
    return true;
}

static bool read_array(struct mr_http_reply *rp, const char *what, const struct mr_field *f, json_t *value)
{
    if (!json_is_array(value))
        return refuse(rp, what, f, "an array");
    int64_t n = (int64_t)json_array_size(value);
    if (n < f->low || (f->high != 0 && n > f->high)) {
        mr_http_problem(rp, 400, "invalid-request",
                        "%s: \"%s\" must have %" PRId64 " to %" PRId64 " elements", what, f->name, f->low,
                        f->high);
        return false;
    }
    *(json_t **)f->out = value;
    return true;
}

static bool read_field(struct mr_http_reply *rp, const char *what, const struct mr_field *f, json_t *value)
{
    struct mr_span text = {json_string_value(value), json_string_length(value)};
    switch (f->type) {
    case MR_FIELD_JSON_STRING:
        return read_string(rp, what, f, value);
    case MR_FIELD_JSON_INT:
        return read_int(rp, what, f, value);
    case MR_FIELD_JSON_ARRAY:
        return read_array(rp, what, f, value);
    case MR_FIELD_JSON_UUID:
        return (text.p && mr_uuid_parse(text, f->out)) || refuse(rp, what, f, "a UUID");
    case MR_FIELD_JSON_SHA256:
        return (text.p && text.len == 2 * MR_SHA256_SIZE && mr_unhex(text, f->out, MR_SHA256_SIZE)) ||
               refuse(rp, what, f, "a SHA-256 in 64 hex digits");
    }
    return false;
}

static bool all_known(struct mr_http_reply *rp, json_t *object, const char *what,
                      const struct mr_field *fields, size_t n)
{
    const char *name;
    json_t *value;
    json_object_foreach(object, name, value)
    {
        size_t i = 0;
        while (i < n && strcmp(fields[i].name, name) != 0)
            i++;
        if (i < n)
            continue;
        mr_http_problem(rp, 400, "invalid-request", "%s: unknown field \"%.100s\"", what, name);
        return false;
    }
    return true;
}

bool mr_http_fields(struct mr_http_reply *rp, json_t *object, const char *what, const struct mr_field *fields,
                    size_t n)
{
    if (!json_is_object(object)) {
        mr_http_problem(rp, 400, "invalid-request", "%s must be a JSON object", what);
        return false;
    }
    if (!all_known(rp, object, what, fields, n))
        return false;
    for (size_t i = 0; i < n; i++) {
        const struct mr_field *f = &fields[i];
        json_t *value = json_object_get(object, f->name);
        if (f->present)
            *f->present = value != NULL;
        if (!value && f->required) {
            mr_http_problem(rp, 400, "invalid-request", "%s: \"%s\" is missing", what, f->name);
            return false;
        }
        if (value && !read_field(rp, what, f, value))
            return false;
    }
    return true;
}
