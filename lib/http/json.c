/* JSON from strangers (RFC 8259): bounded in depth and in number of values before jansson allocates any of
 * them, no duplicate names, no NUL in strings. */
#include <stdio.h>

#include "http/internal.h"

#define DEPTH_MAX  32
#define VALUES_MAX 100000 /* 2 MiB of "[]," would be 700,000 arrays of some 100 bytes each */

/* Counts brackets and commas outside strings; what is wrong with the rest is jansson's to say. */
static const char *too_big(struct mr_span text)
{
    size_t depth = 0, values = 0;
    bool in_string = false;
    for (size_t i = 0; i < text.len; i++) {
        char c = text.p[i];
        if (in_string) {
            if (c == '\\')
                i++;
            else if (c == '"')
                in_string = false;
        } else if (c == '"') {
            in_string = true;
        } else if (c == '[' || c == '{') {
            values++;
            if (++depth > DEPTH_MAX)
                return "is nested more than 32 deep";
        } else if (c == ']' || c == '}') {
            depth -= depth > 0;
        } else if (c == ',') {
            values++;
        }
        if (values > VALUES_MAX)
            return "has more than 100,000 values";
    }
    return NULL;
}

json_t *mr_http_json_load(struct mr_span text, const char **why, char *out, size_t size)
{
    *why = too_big(text);
    if (*why)
        return NULL;
    json_error_t error;
    json_t *json = json_loadb(text.p, text.len, JSON_REJECT_DUPLICATES, &error);
    if (json)
        return json;
    snprintf(out, size, "is not the JSON expected at line %d, column %d", error.line, error.column);
    if (json_error_code(&error) == json_error_duplicate_key)
        snprintf(out, size, "names a member twice at line %d, column %d", error.line, error.column);
    *why = out;
    return NULL;
}
