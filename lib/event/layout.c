#include "event/layout.h"

#include <string.h>

#define FIELD(type, member, field_kind)                                                                      \
    {                                                                                                        \
        .name = #member, .kind = (field_kind), .offset = offsetof(type, member), .least = INT64_MIN          \
    }
#define FIELD_NAMED(type, member, field_name, field_kind)                                                    \
    {                                                                                                        \
        .name = (field_name), .kind = (field_kind), .offset = offsetof(type, member), .least = INT64_MIN     \
    }
#define FIELD_FROM(type, member, low)                                                                        \
    {                                                                                                        \
        .name = #member, .kind = MR_FIELD_LONG, .offset = offsetof(type, member), .least = (low)             \
    }

static const struct mr_layout_field uploaded_fields[] = {
    FIELD(struct mr_file_uploaded, event_id, MR_FIELD_UUID),
    FIELD_NAMED(struct mr_file_uploaded, occurred_at_us, "occurred_at", MR_FIELD_LONG),
    FIELD(struct mr_file_uploaded, upload_id, MR_FIELD_UUID),
    FIELD(struct mr_file_uploaded, file_id, MR_FIELD_UUID),
    FIELD_FROM(struct mr_file_uploaded, version, 1),
    FIELD(struct mr_file_uploaded, owner_id, MR_FIELD_UUID),
    FIELD(struct mr_file_uploaded, user_id, MR_FIELD_UUID),
    FIELD(struct mr_file_uploaded, path, MR_FIELD_TEXT),
    FIELD_FROM(struct mr_file_uploaded, size, 0),
    FIELD(struct mr_file_uploaded, content_type, MR_FIELD_TEXT),
    FIELD(struct mr_file_uploaded, content_hash, MR_FIELD_SHA256),
    FIELD(struct mr_file_uploaded, s3_bucket, MR_FIELD_TEXT),
    FIELD(struct mr_file_uploaded, s3_key, MR_FIELD_TEXT),
    FIELD(struct mr_file_uploaded, s3_etag, MR_FIELD_TEXT),
    FIELD(struct mr_file_uploaded, origin, MR_FIELD_TEXT),
};

static const struct mr_layout_field processed_fields[] = {
    FIELD(struct mr_file_processed, event_id, MR_FIELD_UUID),
    FIELD(struct mr_file_processed, file_id, MR_FIELD_UUID),
    FIELD_FROM(struct mr_file_processed, version, 1),
    FIELD(struct mr_file_processed, s3_key, MR_FIELD_TEXT),
    FIELD(struct mr_file_processed, content_hash, MR_FIELD_SHA256),
    FIELD(struct mr_file_processed, stage, MR_FIELD_TEXT),
    FIELD(struct mr_file_processed, outcome, MR_FIELD_TEXT),
    FIELD(struct mr_file_processed, verdict, MR_FIELD_TEXT_OR_NULL),
    FIELD(struct mr_file_processed, reason, MR_FIELD_TEXT_OR_NULL),
    FIELD(struct mr_file_processed, engine, MR_FIELD_TEXT_OR_NULL),
    FIELD(struct mr_file_processed, attempt, MR_FIELD_INT32),
    FIELD_NAMED(struct mr_file_processed, next_retry_at_us, "next_retry_at", MR_FIELD_LONG_OR_NULL),
    FIELD_NAMED(struct mr_file_processed, started_at_us, "started_at", MR_FIELD_LONG),
    FIELD_NAMED(struct mr_file_processed, finished_at_us, "finished_at", MR_FIELD_LONG_OR_NULL),
    FIELD(struct mr_file_processed, attributes, MR_FIELD_ATTRIBUTES),
};

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

const struct mr_layout mr_layouts[MR_EVENT_TYPE_COUNT] = {
    [MR_EVENT_FILE_UPLOADED] = {"FileUploaded", uploaded_fields, COUNT(uploaded_fields),
                                sizeof(struct mr_file_uploaded)},
    [MR_EVENT_FILE_PROCESSED] = {"FileProcessed", processed_fields, COUNT(processed_fields),
                                 sizeof(struct mr_file_processed)},
};

const struct mr_layout_field *mr_layout_find(const struct mr_layout *layout, const char *name)
{
    for (size_t i = 0; i < layout->n_fields; i++) {
        if (strcmp(layout->fields[i].name, name) == 0) {
            return &layout->fields[i];
        }
    }
    return NULL;
}

static bool is_text(enum mr_schema_kind kind)
{
    return kind == MR_SCHEMA_STRING || kind == MR_SCHEMA_BYTES;
}

static bool any_branch_resolves(const struct mr_schema *s, const struct mr_schema_node *node,
                                enum mr_field_kind kind)
{
    for (uint32_t i = 0; i < node->n_children; i++) {
        if (mr_layout_resolves(s, mr_schema_child_at(s, node, i)->node, kind)) {
            return true;
        }
    }
    return false;
}

bool mr_layout_resolves(const struct mr_schema *s, uint32_t id, enum mr_field_kind kind)
{
    const struct mr_schema_node *node = &s->nodes[id];
    if (node->kind == MR_SCHEMA_UNION) {
        return any_branch_resolves(s, node, kind);
    }
    switch (kind) {
    case MR_FIELD_SKIPPED:
        return true;
    case MR_FIELD_UUID:
    case MR_FIELD_TEXT:
        return is_text(node->kind);
    case MR_FIELD_TEXT_OR_NULL:
        return node->kind == MR_SCHEMA_NULL || is_text(node->kind);
    case MR_FIELD_LONG:
        return node->kind == MR_SCHEMA_LONG || node->kind == MR_SCHEMA_INT;
    case MR_FIELD_LONG_OR_NULL:
        return node->kind == MR_SCHEMA_NULL || node->kind == MR_SCHEMA_LONG || node->kind == MR_SCHEMA_INT;
    case MR_FIELD_INT32:
        return node->kind == MR_SCHEMA_INT;
    case MR_FIELD_SHA256:
        return node->kind == MR_SCHEMA_FIXED && node->size == MR_SHA256_SIZE &&
               strcmp(node->name, "Sha256") == 0;
    case MR_FIELD_ATTRIBUTES:
        return node->kind == MR_SCHEMA_MAP &&
               mr_layout_resolves(s, mr_schema_child_at(s, node, 0)->node, MR_FIELD_TEXT);
    }
    return false;
}

/* Encoding writes exactly these, so here promotions and wider unions do not count as fitting. */
static bool is_exactly(const struct mr_schema *s, uint32_t id, enum mr_field_kind kind)
{
    const struct mr_schema_node *node = &s->nodes[id];
    switch (kind) {
    case MR_FIELD_SKIPPED:
        return false;
    case MR_FIELD_UUID:
    case MR_FIELD_TEXT:
        return node->kind == MR_SCHEMA_STRING;
    case MR_FIELD_LONG:
        return node->kind == MR_SCHEMA_LONG;
    case MR_FIELD_TEXT_OR_NULL:
    case MR_FIELD_LONG_OR_NULL:
        return node->kind == MR_SCHEMA_UNION && node->n_children == 2 &&
               s->nodes[mr_schema_child_at(s, node, 0)->node].kind == MR_SCHEMA_NULL &&
               is_exactly(s, mr_schema_child_at(s, node, 1)->node,
                          kind == MR_FIELD_LONG_OR_NULL ? MR_FIELD_LONG : MR_FIELD_TEXT);
    case MR_FIELD_INT32:
    case MR_FIELD_SHA256:
        return node->kind != MR_SCHEMA_UNION && mr_layout_resolves(s, id, kind);
    case MR_FIELD_ATTRIBUTES:
        return node->kind == MR_SCHEMA_MAP &&
               is_exactly(s, mr_schema_child_at(s, node, 0)->node, MR_FIELD_TEXT);
    }
    return false;
}

enum mr_status mr_layout_matches(const struct mr_layout *layout, const struct mr_schema *s,
                                 struct mr_error *err)
{
    const struct mr_schema_node *root = &s->nodes[s->root];
    if (root->kind != MR_SCHEMA_RECORD || strcmp(root->name, layout->name) != 0) {
        return mr_error_set(err, MR_CLASS_FATAL, 0, "the schema is not of a record %s", layout->name);
    }
    for (size_t i = 0; i < layout->n_fields; i++) {
        const struct mr_schema_child *child = mr_schema_field(s, s->root, layout->fields[i].name);
        if (!child || !is_exactly(s, child->node, layout->fields[i].kind)) {
            return mr_error_set(err, MR_CLASS_FATAL, 0, "%s.%s is %s", layout->name, layout->fields[i].name,
                                child ? "not of the type this program was built for"
                                      : "missing from the schema");
        }
    }
    if (root->n_children != layout->n_fields) {
        return mr_error_set(err, MR_CLASS_FATAL, 0, "%s has %u fields, this program was built for %zu",
                            layout->name, root->n_children, layout->n_fields);
    }
    return MR_OK;
}
