#include "event/plan.h"

#include <stdlib.h>
#include <string.h>

static enum mr_status unresolved(const struct mr_layout *layout, const char *field, const char *why,
                                 struct mr_error *err)
{
    return mr_error_set(err, MR_CLASS_REJECT, 0, "the writer's schema does not resolve to %s: field %s %s",
                        layout->name, field, why);
}

/* Only the defaults that our own schemas use: null, an empty map, a string, a number. */
static bool put_default(const struct mr_layout_field *field, const json_t *fallback, char *blank)
{
    char *at = blank + field->offset;
    switch (field->kind) {
    case MR_FIELD_TEXT:
        if (json_is_string(fallback)) {
            *(struct mr_span *)(void *)at =
                (struct mr_span){json_string_value(fallback), json_string_length(fallback)};
        }
        return json_is_string(fallback);
    case MR_FIELD_LONG:
        if (json_is_integer(fallback)) {
            *(int64_t *)(void *)at = json_integer_value(fallback);
        }
        return json_is_integer(fallback);
    case MR_FIELD_INT32:
        if (json_is_integer(fallback)) {
            *(int32_t *)(void *)at = (int32_t)json_integer_value(fallback);
        }
        return json_is_integer(fallback);
    case MR_FIELD_TEXT_OR_NULL:
    case MR_FIELD_LONG_OR_NULL:
        return json_is_null(fallback); /* which is all zeroes in the struct */
    case MR_FIELD_ATTRIBUTES:
        return json_is_object(fallback) && json_object_size(fallback) == 0;
    default:
        return false;
    }
}

static enum mr_status put_defaults(struct mr_plan *plan, const struct mr_schema *reader, struct mr_error *err)
{
    const struct mr_layout *layout = plan->layout;
    for (size_t i = 0; i < layout->n_fields; i++) {
        const struct mr_layout_field *field = &layout->fields[i];
        if (mr_schema_field(plan->writer, plan->writer->root, field->name)) {
            continue;
        }
        const struct mr_schema_child *ours = mr_schema_field(reader, reader->root, field->name);
        if (!ours || !ours->fallback || !put_default(field, ours->fallback, plan->blank)) {
            return unresolved(layout, field->name, "is missing and has no default", err);
        }
    }
    return MR_OK;
}

static enum mr_status make_steps(struct mr_plan *plan, struct mr_error *err)
{
    const struct mr_schema *writer = plan->writer;
    const struct mr_schema_node *root = &writer->nodes[writer->root];
    for (uint32_t i = 0; i < root->n_children; i++) {
        const struct mr_schema_child *child = mr_schema_child_at(writer, root, i);
        const struct mr_layout_field *field = mr_layout_find(plan->layout, child->name);
        struct mr_plan_step *step = &plan->steps[plan->n_steps++];
        *step = (struct mr_plan_step){.name = child->name, .node = child->node, .kind = MR_FIELD_SKIPPED};
        if (!field) {
            continue;
        }
        if (!mr_layout_resolves(writer, child->node, field->kind)) {
            return unresolved(plan->layout, field->name, "has a type that does not fit", err);
        }
        step->kind = field->kind;
        step->offset = field->offset;
        step->least = field->least;
    }
    return MR_OK;
}

enum mr_status mr_plan_make(const struct mr_layout *layout, const struct mr_schema *reader,
                            const struct mr_schema *writer, struct mr_plan **out, struct mr_error *err)
{
    const struct mr_schema_node *root = &writer->nodes[writer->root];
    *out = NULL;
    if (root->kind != MR_SCHEMA_RECORD || strcmp(root->name, layout->name) != 0) {
        return mr_error_set(err, MR_CLASS_REJECT, 0, "the writer's schema is of %s %.128s, not of record %s",
                            mr_schema_kind_name(root->kind), root->name ? root->name : "", layout->name);
    }
    struct mr_plan *plan = calloc(1, sizeof *plan);
    if (!plan) {
        return mr_error_set(err, MR_CLASS_RETRY, 0, "out of memory for a plan");
    }
    plan->layout = layout;
    plan->writer = writer;
    plan->steps = calloc(root->n_children + 1, sizeof *plan->steps);
    plan->blank = calloc(1, layout->size);
    if (!plan->steps || !plan->blank) {
        mr_error_set(err, MR_CLASS_RETRY, 0, "out of memory for a plan");
    } else if (make_steps(plan, err) == MR_OK && put_defaults(plan, reader, err) == MR_OK) {
        *out = plan;
        return MR_OK;
    }
    mr_plan_free(&plan);
    return MR_FAIL;
}

void mr_plan_free(struct mr_plan **plan)
{
    struct mr_plan *p = *plan;
    if (p) {
        free(p->steps);
        free(p->blank);
        free(p);
        *plan = NULL;
    }
}
