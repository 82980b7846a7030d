/* Headers as they are stored beside an event, and the traceparent of a stranger. The first byte says which.
 */
#include "event/headers.h"
#include "target.h"

/* Names that mr_headers_to_json() takes. */
#define NAME_MAX_BYTES 255

static bool is_traceparent(const char *text)
{
    size_t dashes = 0;
    for (size_t i = 0; text[i]; i++) {
        dashes += text[i] == '-';
        if (!strchr("0123456789abcdef-", text[i]))
            return false;
    }
    return strlen(text) == MR_TRACEPARENT_SIZE - 1 && dashes == 3 && text[2] == '-' && text[35] == '-' &&
           text[52] == '-';
}

static void try_traceparent(struct mr_span parent)
{
    char child[MR_TRACEPARENT_SIZE], grandchild[MR_TRACEPARENT_SIZE];
    mr_traceparent_child(parent, child);
    mr_traceparent_child(mr_span_of(child), grandchild);
    must(is_traceparent(child) && is_traceparent(grandchild), "a child span is a traceparent");
    must(memcmp(child, grandchild, 36) == 0 && memcmp(child + 36, grandchild + 36, 16) != 0,
         "a child has its parent's trace and an id of its own");

    struct mr_headers h;
    char *text = text_of(parent);
    mr_headers_init(&h);
    must(mr_headers_event(&h, "io.millrace.FileUploaded", "fuzz", mr_uuid_millrace, 0, text) == MR_OK,
         "an event has headers whatever its traceparent");
    struct mr_span own = mr_headers_get(&h, "traceparent");
    must(own.len == MR_TRACEPARENT_SIZE - 1 && memchr(own.p, '\0', own.len) == NULL,
         "an event's traceparent is whole");
    free(text);
}

static bool same(const struct mr_headers *a, const struct mr_headers *b)
{
    for (size_t i = 0; i < a->n; i++) {
        char *name = text_of(a->list[i].name);
        bool found = mr_span_eq(a->list[i].value, mr_headers_get(b, name));
        free(name);
        if (!found)
            return false;
    }
    return a->n == b->n;
}

static void try_json(struct mr_span json)
{
    struct mr_headers h, again;
    struct mr_error err;
    struct mr_buf text;
    if (mr_headers_from_json(&h, json, &err) != MR_OK) {
        must(err.class == MR_CLASS_REJECT && err.text[0], "a refusal says why");
        return;
    }
    must(h.n <= MR_HEADERS_MAX && h.used <= sizeof h.store, "headers have ceilings");
    for (size_t i = 0; i < h.n; i++) {
        if (h.list[i].name.len > NAME_MAX_BYTES)
            return;
    }
    mr_buf_init(&text, 64 << 10);
    must(mr_headers_to_json(&h, &text) == MR_OK, "headers that were read can be written");
    must(mr_headers_from_json(&again, mr_buf_span(&text), &err) == MR_OK && same(&h, &again),
         "from_json(to_json(h)) == h");
    mr_buf_free(&text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct mr_span rest = {(const char *)data, size};
    if (take_byte(&rest) == 't')
        try_traceparent(rest);
    else
        try_json(rest);
    return 0;
}
