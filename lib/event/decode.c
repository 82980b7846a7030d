/* Running a plan over the bytes of a record. */
#include <string.h>

#include "event/cursor.h"
#include "event/plan.h"
#include "event/utf8.h"

#define SKIP_BUDGET_FLOOR 65536

/* A union's branch decides which type the bytes have; afterwards *node is no union. */
static bool enter_union(struct mr_cursor *c, const struct mr_schema *s, uint32_t *node)
{
    uint32_t branch;
    const struct mr_schema_node *n = &s->nodes[*node];
    if (n->kind != MR_SCHEMA_UNION) {
        return true;
    }
    if (!mr_cursor_index(c, n->n_children, &branch)) {
        return false;
    }
    *node = mr_schema_child_at(s, n, branch)->node;
    return true;
}

static bool read_text(struct mr_cursor *c, struct mr_span *out)
{
    if (!mr_cursor_bytes(c, out)) {
        return false;
    }
    if (out->len > MR_EVENT_STRING_MAX) {
        return mr_cursor_refuse(c, "a string that is too long");
    }
    if (!mr_utf8_valid(out->p, out->len)) {
        return mr_cursor_refuse(c, "a string that is not UTF-8");
    }
    return true;
}

static bool read_uuid(struct mr_cursor *c, struct mr_uuid *out)
{
    struct mr_span text;
    if (!mr_cursor_bytes(c, &text)) {
        return false;
    }
    return mr_uuid_parse(text, out) || mr_cursor_refuse(c, "text that is no UUID");
}

static bool read_number(struct mr_cursor *c, enum mr_schema_kind kind, int64_t least, int64_t *out)
{
    int32_t small;
    if (kind == MR_SCHEMA_INT) {
        if (!mr_cursor_int(c, &small)) {
            return false;
        }
        *out = small;
    } else if (!mr_cursor_long(c, out)) {
        return false;
    }
    return *out >= least || mr_cursor_refuse(c, "a number below what it can be");
}

/* A map's values may be a union, of which only strings fit. */
static bool read_attribute(struct mr_cursor *c, const struct mr_schema *s, uint32_t node,
                           struct mr_attribute *out)
{
    if (!read_text(c, &out->name) || !enter_union(c, s, &node)) {
        return false;
    }
    if (!mr_layout_resolves(s, node, MR_FIELD_TEXT)) {
        return mr_cursor_refuse(c, "an attribute that is no string");
    }
    return read_text(c, &out->value);
}

static bool read_attributes(struct mr_cursor *c, const struct mr_schema *s, uint32_t map,
                            struct mr_file_processed *e)
{
    uint64_t items;
    const uint8_t *block_end;
    uint32_t values = mr_schema_child_at(s, &s->nodes[map], 0)->node;
    e->n_attributes = 0;
    for (;;) {
        if (!mr_cursor_block(c, &items, &block_end)) {
            return false;
        }
        if (items == 0) {
            return true;
        }
        if (items > (uint64_t)(MR_EVENT_ATTRIBUTES_MAX - e->n_attributes)) {
            return mr_cursor_refuse(c, "too many attributes");
        }
        for (uint64_t i = 0; i < items; i++) {
            if (!read_attribute(c, s, values, &e->attributes[e->n_attributes++])) {
                return false;
            }
        }
        if (block_end && c->p != block_end) {
            return mr_cursor_refuse(c, "a block that is not as long as it says");
        }
    }
}

static bool read_value(struct mr_cursor *c, const struct mr_plan *plan, const struct mr_plan_step *step,
                       void *e)
{
    const struct mr_schema *s = plan->writer;
    const uint8_t *bytes;
    char *at = (char *)e + step->offset;
    uint32_t node = step->node;
    bool was_union = s->nodes[node].kind == MR_SCHEMA_UNION;
    if (!enter_union(c, s, &node)) {
        return false;
    }
    if (was_union && !mr_layout_resolves(s, node, step->kind)) {
        return mr_cursor_refuse(c, "a branch of a union that does not fit");
    }
    enum mr_schema_kind kind = s->nodes[node].kind;
    switch (step->kind) {
    case MR_FIELD_UUID:
        return read_uuid(c, (struct mr_uuid *)(void *)at);
    case MR_FIELD_TEXT_OR_NULL:
        if (kind == MR_SCHEMA_NULL) {
            *(struct mr_span *)(void *)at = (struct mr_span){NULL, 0};
            return true;
        }
        return read_text(c, (struct mr_span *)(void *)at);
    case MR_FIELD_TEXT:
        return read_text(c, (struct mr_span *)(void *)at);
    case MR_FIELD_LONG_OR_NULL:
        if (kind == MR_SCHEMA_NULL) {
            *(int64_t *)(void *)at = 0;
            return true;
        }
        return read_number(c, kind, INT64_MIN, (int64_t *)(void *)at);
    case MR_FIELD_LONG:
        return read_number(c, kind, step->least, (int64_t *)(void *)at);
    case MR_FIELD_INT32:
        return mr_cursor_int(c, (int32_t *)(void *)at);
    case MR_FIELD_SHA256:
        if (!mr_cursor_take(c, MR_SHA256_SIZE, &bytes)) {
            return false;
        }
        memcpy(at, bytes, MR_SHA256_SIZE);
        return true;
    case MR_FIELD_ATTRIBUTES:
        return read_attributes(c, s, node, e);
    case MR_FIELD_SKIPPED:
        break;
    }
    return false;
}

enum mr_status mr_plan_decode(const struct mr_plan *plan, struct mr_span body, void *e, struct mr_error *err)
{
    const uint8_t *start = (const uint8_t *)body.p;
    struct mr_cursor c = {
        .p = start, .end = start + body.len, .budget = SKIP_BUDGET_FLOOR + 4 * (uint64_t)body.len};
    memcpy(e, plan->blank, plan->layout->size);
    for (uint32_t i = 0; i < plan->n_steps; i++) {
        const struct mr_plan_step *step = &plan->steps[i];
        bool ok = step->kind == MR_FIELD_SKIPPED ? mr_cursor_skip(&c, plan->writer, step->node)
                                                 : read_value(&c, plan, step, e);
        if (!ok) {
            return mr_error_set(err, MR_CLASS_REJECT, 0,
                                "cannot decode %s: field %.128s: %s (at byte %td of %zu)", plan->layout->name,
                                step->name, c.why ? c.why : "a value that does not fit", c.p - start,
                                body.len);
        }
    }
    if (c.p != c.end) {
        return mr_error_set(err, MR_CLASS_REJECT, 0, "cannot decode %s: %td bytes follow its %td bytes",
                            plan->layout->name, c.end - c.p, c.p - start);
    }
    return MR_OK;
}
