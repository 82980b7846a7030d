#include "event/headers.h"

#include <jansson.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "base/clock.h"
#include "base/digest.h"

void mr_headers_init(struct mr_headers *h)
{
    h->n = 0;
    h->used = 0;
}

static enum mr_status keep(struct mr_headers *h, struct mr_span text, struct mr_span *kept)
{
    if (text.len > sizeof h->store - h->used) {
        return MR_FAIL;
    }
    char *at = h->store + h->used;
    if (text.len > 0) {
        memcpy(at, text.p, text.len);
    }
    h->used += text.len;
    *kept = (struct mr_span){at, text.len};
    return MR_OK;
}

static enum mr_status add(struct mr_headers *h, struct mr_span name, struct mr_span value)
{
    struct mr_span kept = {NULL, 0};
    if (h->n == MR_HEADERS_MAX || (value.p && keep(h, value, &kept) != MR_OK)) {
        return MR_FAIL;
    }
    h->list[h->n++] = (struct mr_header){name, kept};
    return MR_OK;
}

enum mr_status mr_headers_add(struct mr_headers *h, const char *name, struct mr_span value)
{
    return add(h, mr_span_of(name), value);
}

struct mr_span mr_headers_get(const struct mr_headers *h, const char *name)
{
    for (size_t i = h->n; i > 0; i--) {
        if (mr_span_is(h->list[i - 1].name, name)) {
            return h->list[i - 1].value;
        }
    }
    return (struct mr_span){NULL, 0};
}

/* W3C Trace Context, section 3.2.2: ids of all zeroes are invalid. */
static void random_hex(size_t bytes, char *out)
{
    uint8_t raw[16];
    do {
        if (getrandom(raw, bytes, 0) != (ssize_t)bytes) {
            abort(); /* Linux never fails here for so few bytes once it has booted */
        }
    } while (raw[0] == 0);
    mr_hex(raw, bytes, out);
}

void mr_traceparent_new(char out[MR_TRACEPARENT_SIZE])
{
    memcpy(out, "00-", 3);
    random_hex(16, out + 3);
    out[35] = '-';
    random_hex(8, out + 36);
    memcpy(out + 52, "-01", 4);
}

static bool is_hex(const char *p, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        if (!((p[i] >= '0' && p[i] <= '9') || (p[i] >= 'a' && p[i] <= 'f'))) {
            return false;
        }
    }
    return true;
}

/* An id: ids of all zeroes are invalid. */
static bool is_id(const char *p, size_t n)
{
    return is_hex(p, n) && strspn(p, "0") < n;
}

/* Version 00 only, whatever its flags: two hexadecimal digits of which we know one bit. */
static bool is_traceparent(struct mr_span t)
{
    return t.p && t.len == MR_TRACEPARENT_SIZE - 1 && memcmp(t.p, "00-", 3) == 0 && is_id(t.p + 3, 32) &&
           t.p[35] == '-' && is_id(t.p + 36, 16) && t.p[52] == '-' && is_hex(t.p + 53, 2);
}

void mr_traceparent_child(struct mr_span parent, char out[MR_TRACEPARENT_SIZE])
{
    mr_traceparent_new(out);
    if (is_traceparent(parent)) {
        memcpy(out + 3, parent.p + 3, 32);
        memcpy(out + 53, parent.p + 53, 2);
    }
}

enum mr_status mr_headers_event(struct mr_headers *h, const char *type, const char *program,
                                struct mr_uuid event_id, int64_t at_us, const char *traceparent)
{
    char id[MR_UUID_TEXT_SIZE];
    char source[128];
    char time[MR_RFC3339_SIZE];
    char trace[MR_TRACEPARENT_SIZE];
    snprintf(source, sizeof source, "/millrace/%s", program);
    if (is_traceparent(mr_span_of(traceparent))) {
        memcpy(trace, traceparent, sizeof trace);
    } else {
        mr_traceparent_new(trace);
    }
    const struct mr_header all[] = {
        {mr_span_of("ce_id"), mr_span_of(mr_uuid_format(event_id, id))},
        {mr_span_of("ce_type"), mr_span_of(type)},
        {mr_span_of("ce_source"), mr_span_of(source)},
        {mr_span_of("ce_specversion"), mr_span_of("1.0")},
        {mr_span_of("ce_time"), mr_span_of(mr_rfc3339(at_us, time))},
        {mr_span_of("content-type"), mr_span_of("application/avro")},
        {mr_span_of("traceparent"), mr_span_of(trace)},
    };
    for (size_t i = 0; i < sizeof all / sizeof all[0]; i++) {
        if (add(h, all[i].name, all[i].value) != MR_OK) {
            return MR_FAIL;
        }
    }
    return MR_OK;
}

/* Names may repeat in a record but not in the object: the last one counts, as it does in mr_headers_get(). */
static json_t *to_object(const struct mr_headers *h)
{
    json_t *object = json_object();
    for (size_t i = 0; object && i < h->n; i++) {
        char name[256];
        const struct mr_header *header = &h->list[i];
        json_t *value = header->value.p ? json_stringn(header->value.p, header->value.len) : NULL;
        if (!value || header->name.len >= sizeof name) {
            json_decref(value);
            json_decref(object);
            return NULL;
        }
        memcpy(name, header->name.p, header->name.len);
        name[header->name.len] = '\0';
        if (json_object_set_new(object, name, value) != 0) {
            json_decref(object);
            return NULL;
        }
    }
    return object;
}

enum mr_status mr_headers_to_json(const struct mr_headers *h, struct mr_buf *out)
{
    json_t *object = to_object(h);
    char *text = object ? json_dumps(object, JSON_COMPACT) : NULL;
    enum mr_status status = text ? mr_buf_puts(out, text) : MR_FAIL;
    free(text);
    json_decref(object);
    return status;
}

static enum mr_status from_object(struct mr_headers *h, json_t *object, struct mr_error *err)
{
    const char *name;
    json_t *value;
    json_object_foreach(object, name, value)
    {
        struct mr_span kept;
        if (!json_is_string(value)) {
            return mr_error_set(err, MR_CLASS_REJECT, 0, "header %.64s is not text", name);
        }
        struct mr_span text = {json_string_value(value), json_string_length(value)};
        if (keep(h, mr_span_of(name), &kept) != MR_OK || add(h, kept, text) != MR_OK) {
            return mr_error_set(err, MR_CLASS_REJECT, 0, "too many headers, or too long ones");
        }
    }
    return MR_OK;
}

enum mr_status mr_headers_from_json(struct mr_headers *h, struct mr_span json, struct mr_error *err)
{
    json_error_t json_err;
    json_t *object = json_loadb(json.p ? json.p : "", json.len, JSON_REJECT_DUPLICATES, &json_err);
    mr_headers_init(h);
    if (!json_is_object(object)) {
        json_decref(object);
        return mr_error_set(err, MR_CLASS_REJECT, 0, "stored headers are no JSON object%s%s",
                            object ? "" : ": ", object ? "" : json_err.text);
    }
    enum mr_status status = from_object(h, object, err);
    json_decref(object);
    return status;
}
