#include "admin/letter_view.h"

#include <ctype.h>
#include <jansson.h>
#include <stdlib.h>

#include "base/clock.h"
#include "event/event.h"

#define DUMP_MAX_BYTES 1024

void mr_hex_dump(const char *p, size_t n, size_t max, FILE *out)
{
    size_t shown = n < max ? n : max;
    for (size_t at = 0; at < shown; at += 16) {
        fprintf(out, "  %08zx ", at);
        for (size_t i = at; i < at + 16; i++) {
            if (i < shown)
                fprintf(out, " %02x", (unsigned char)p[i]);
            else
                fputs("   ", out);
        }
        fputs("  |", out);
        for (size_t i = at; i < at + 16 && i < shown; i++)
            fputc(isprint((unsigned char)p[i]) ? p[i] : '.', out);
        fputs("|\n", out);
    }
    if (shown < n)
        fprintf(out, "  … %zu bytes more\n", n - shown);
}

/* Text when it is text, else hex: in JSON both must be a string. */
static json_t *text(struct mr_span s)
{
    if (!s.p)
        return json_null();
    json_t *string = json_stringn(s.p, s.len);
    if (string)
        return string;
    struct mr_buf hex;
    mr_buf_init(&hex, 2 * DUMP_MAX_BYTES + 16);
    for (size_t i = 0; i < s.len && i < DUMP_MAX_BYTES; i++)
        mr_buf_printf(&hex, "%02x", (unsigned char)s.p[i]);
    string = json_sprintf("hex:%s", hex.data ? hex.data : "");
    mr_buf_free(&hex);
    return string;
}

static json_t *uuid(struct mr_uuid id)
{
    char s[MR_UUID_TEXT_SIZE];
    return json_string(mr_uuid_format(id, s));
}

static json_t *time_of(int64_t us)
{
    char s[MR_RFC3339_SIZE];
    return us ? json_string(mr_rfc3339(us, s)) : json_null();
}

static json_t *hash(const uint8_t *p)
{
    char s[MR_SHA256_HEX_SIZE];
    return json_string(mr_hex(p, MR_SHA256_SIZE, s));
}

static json_t *uploaded_json(const struct mr_file_uploaded *e)
{
    json_t *o = json_object();
    json_object_set_new(o, "record", json_string("FileUploaded"));
    json_object_set_new(o, "event_id", uuid(e->event_id));
    json_object_set_new(o, "occurred_at", time_of(e->occurred_at_us));
    json_object_set_new(o, "upload_id", uuid(e->upload_id));
    json_object_set_new(o, "file_id", uuid(e->file_id));
    json_object_set_new(o, "version", json_integer(e->version));
    json_object_set_new(o, "owner_id", uuid(e->owner_id));
    json_object_set_new(o, "user_id", uuid(e->user_id));
    json_object_set_new(o, "path", text(e->path));
    json_object_set_new(o, "size", json_integer(e->size));
    json_object_set_new(o, "content_type", text(e->content_type));
    json_object_set_new(o, "content_hash", hash(e->content_hash));
    json_object_set_new(o, "s3_bucket", text(e->s3_bucket));
    json_object_set_new(o, "s3_key", text(e->s3_key));
    json_object_set_new(o, "s3_etag", text(e->s3_etag));
    json_object_set_new(o, "origin", text(e->origin));
    return o;
}

static json_t *processed_json(const struct mr_file_processed *e)
{
    json_t *o = json_object(), *attributes = json_object();
    for (int i = 0; i < e->n_attributes; i++)
        json_object_setn_new(attributes, e->attributes[i].name.p, e->attributes[i].name.len,
                             text(e->attributes[i].value));
    json_object_set_new(o, "record", json_string("FileProcessed"));
    json_object_set_new(o, "event_id", uuid(e->event_id));
    json_object_set_new(o, "file_id", uuid(e->file_id));
    json_object_set_new(o, "version", json_integer(e->version));
    json_object_set_new(o, "s3_key", text(e->s3_key));
    json_object_set_new(o, "content_hash", hash(e->content_hash));
    json_object_set_new(o, "stage", text(e->stage));
    json_object_set_new(o, "outcome", text(e->outcome));
    json_object_set_new(o, "verdict", text(e->verdict));
    json_object_set_new(o, "reason", text(e->reason));
    json_object_set_new(o, "engine", text(e->engine));
    json_object_set_new(o, "attempt", json_integer(e->attempt));
    json_object_set_new(o, "next_retry_at", time_of(e->next_retry_at_us));
    json_object_set_new(o, "started_at", time_of(e->started_at_us));
    json_object_set_new(o, "finished_at", time_of(e->finished_at_us));
    json_object_set_new(o, "attributes", attributes);
    return o;
}

/* NULL when it is not one of our events, or the registry does not answer; *why says which. */
static json_t *decode(const struct mr_admin *a, struct mr_span value, struct mr_error *why)
{
    struct mr_codec *codec = NULL;
    struct mr_file_uploaded uploaded;
    struct mr_file_processed processed;
    struct mr_error second;
    json_t *event = NULL;
    if (mr_codec_open(a->cfg.schemas_dir, a->cfg.registry_url, &codec, why) != MR_OK)
        return NULL;
    if (mr_decode_file_uploaded(codec, value, &uploaded, why) == MR_OK)
        event = uploaded_json(&uploaded);
    else if (mr_decode_file_processed(codec, value, &processed, &second) == MR_OK)
        event = processed_json(&processed);
    mr_codec_close(&codec);
    return event;
}

static json_t *headers_json(const struct mr_dead_letter *l)
{
    json_t *list = json_array();
    const char *name;
    const void *value;
    size_t size;
    for (size_t i = 0; l->headers && !rd_kafka_header_get_all(l->headers, i, &name, &value, &size); i++) {
        json_t *h = json_object();
        json_object_set_new(h, "name", text(mr_span_of(name)));
        json_object_set_new(h, "value", text((struct mr_span){value, value ? size : 0}));
        json_array_append_new(list, h);
    }
    return list;
}

static void print_line(FILE *out, const char *name, json_t *value)
{
    char *shown = json_dumps(value, JSON_ENCODE_ANY);
    fprintf(out, "  %s: %s\n", name, shown ? shown : "?");
    free(shown);
}

/* JSON escapes keep control characters from the terminal. */
static void print(const struct mr_dead_letter *l, json_t *o, json_t *event, const struct mr_error *why,
                  FILE *out)
{
    const char *name;
    json_t *value;
    size_t i;
    json_object_foreach(o, name, value)
    {
        if (!json_is_array(value) && !json_is_object(value))
            print_line(out, name, value);
    }
    fputs("headers\n", out);
    json_array_foreach(json_object_get(o, "headers"), i, value)
        print_line(out, json_string_value(json_object_get(value, "name")), json_object_get(value, "value"));
    if (event) {
        fputs("event\n", out);
        json_object_foreach(event, name, value) print_line(out, name, value);
    } else if (!l->value.p) {
        fputs("value: null\n", out);
    } else {
        fprintf(out, "value, %zu bytes, not decodable: %s\n", l->value.len, why->text);
        mr_hex_dump(l->value.p, l->value.len, DUMP_MAX_BYTES, out);
    }
}

void mr_letter_view(const struct mr_admin *a, const struct mr_dead_letter *l, enum mr_letter_state state,
                    FILE *out)
{
    struct mr_error why;
    mr_error_clear(&why);
    json_t *o = json_object(), *event = l->value.p ? decode(a, l->value, &why) : NULL;
    json_object_set_new(o, "worker", json_string(l->worker));
    json_object_set_new(o, "partition", json_integer(l->partition));
    json_object_set_new(o, "offset", json_integer(l->offset));
    json_object_set_new(o, "state", json_string(mr_letter_state_name(state)));
    json_object_set_new(o, "time", time_of(l->time_ms * 1000));
    json_object_set_new(o, "key", text(l->key));
    json_object_set_new(o, "source_topic", text(l->source_topic));
    json_object_set_new(o, "source_partition", text(l->source_partition));
    json_object_set_new(o, "source_offset", text(l->source_offset));
    json_object_set_new(o, "attempts", text(l->attempts));
    json_object_set_new(o, "reason", text(l->reason));
    json_object_set_new(o, "headers", headers_json(l));
    if (mr_admin_given(a, MR_OPT_JSON)) {
        json_object_set(o, "event", event ? event : json_null());
        if (!event && l->value.p) {
            json_object_set_new(o, "not_decodable", json_string(why.text));
            json_object_set_new(o, "value", text(l->value));
        }
        json_dumpf(o, out, JSON_INDENT(2));
        fputc('\n', out);
    } else {
        print(l, o, event, &why, out);
    }
    json_decref(event);
    json_decref(o);
}
