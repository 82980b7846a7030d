/* Writing an event as our own schema says. */
#include <string.h>

#include "event/plan.h"
#include "event/utf8.h"

struct writer {
    struct mr_buf *out;
    struct mr_error *err;
    const struct mr_plan *plan;
    const struct mr_plan_step *step;
};

static enum mr_status refuse(const struct writer *w, const char *why)
{
    return mr_error_set(w->err, MR_CLASS_REJECT, 0, "cannot encode %s: field %s: %s", w->plan->layout->name,
                        w->step->name, why);
}

static enum mr_status put_bytes(const struct writer *w, const void *p, size_t n)
{
    return mr_buf_add(w->out, p, n) == MR_OK ? MR_OK : refuse(w, "the event is too large");
}

static enum mr_status put_long(const struct writer *w, int64_t value)
{
    uint8_t bytes[10];
    size_t n = 0;
    uint64_t zigzag = ((uint64_t)value << 1) ^ (uint64_t)(value >> 63);
    do {
        bytes[n++] = (uint8_t)((zigzag & 0x7f) | (zigzag > 0x7f ? 0x80 : 0));
        zigzag >>= 7;
    } while (zigzag);
    return put_bytes(w, bytes, n);
}

static enum mr_status put_text(const struct writer *w, struct mr_span text)
{
    if (text.len > MR_EVENT_STRING_MAX) {
        return refuse(w, "the string is too long");
    }
    if (!mr_utf8_valid(text.p, text.len)) {
        return refuse(w, "the string is not UTF-8");
    }
    return put_long(w, (int64_t)text.len) == MR_OK ? put_bytes(w, text.p, text.len) : MR_FAIL;
}

static enum mr_status put_uuid(const struct writer *w, struct mr_uuid id)
{
    char text[MR_UUID_TEXT_SIZE];
    return put_text(w, mr_span_of(mr_uuid_format(id, text)));
}

/* Our own schemas have null as the first branch and the value as the second (layout.c holds them to it). */
static enum mr_status put_branch(const struct writer *w, bool is_null)
{
    return put_long(w, is_null ? 0 : 1);
}

static enum mr_status put_attributes(const struct writer *w, const struct mr_file_processed *e)
{
    if (e->n_attributes < 0 || e->n_attributes > MR_EVENT_ATTRIBUTES_MAX) {
        return refuse(w, "too many attributes");
    }
    if (e->n_attributes > 0 && put_long(w, e->n_attributes) != MR_OK) {
        return MR_FAIL;
    }
    for (int i = 0; i < e->n_attributes; i++) {
        if (put_text(w, e->attributes[i].name) != MR_OK || put_text(w, e->attributes[i].value) != MR_OK) {
            return MR_FAIL;
        }
    }
    return put_long(w, 0);
}

static enum mr_status put_value(const struct writer *w, const void *e)
{
    const struct mr_plan_step *step = w->step;
    const char *at = (const char *)e + step->offset;
    const struct mr_span *text = (const void *)at;
    const int64_t *number = (const void *)at;
    switch (step->kind) {
    case MR_FIELD_UUID:
        return put_uuid(w, *(const struct mr_uuid *)(const void *)at);
    case MR_FIELD_TEXT:
        return put_text(w, *text);
    case MR_FIELD_TEXT_OR_NULL:
        if (put_branch(w, text->p == NULL) != MR_OK) {
            return MR_FAIL;
        }
        return text->p ? put_text(w, *text) : MR_OK;
    case MR_FIELD_LONG:
        return *number < step->least ? refuse(w, "the number is below what it can be") : put_long(w, *number);
    case MR_FIELD_LONG_OR_NULL:
        if (put_branch(w, *number == 0) != MR_OK) {
            return MR_FAIL;
        }
        return *number ? put_long(w, *number) : MR_OK;
    case MR_FIELD_INT32:
        return put_long(w, *(const int32_t *)(const void *)at);
    case MR_FIELD_SHA256:
        return put_bytes(w, at, MR_SHA256_SIZE);
    case MR_FIELD_ATTRIBUTES:
        return put_attributes(w, e);
    case MR_FIELD_SKIPPED:
        break;
    }
    return refuse(w, "it is not in this program");
}

enum mr_status mr_plan_encode(const struct mr_plan *plan, const void *e, struct mr_buf *out,
                              struct mr_error *err)
{
    struct writer w = {.out = out, .err = err, .plan = plan};
    for (uint32_t i = 0; i < plan->n_steps; i++) {
        w.step = &plan->steps[i];
        if (put_value(&w, e) != MR_OK) {
            return MR_FAIL;
        }
    }
    return MR_OK;
}
