/* An Avro schema (Avro 1.11 specification, "Schema Declaration") parsed into a table of nodes.
 *
 * Writers' schemas come from the registry and are not to be trusted: text, depth and number of nodes have
 * ceilings. Immutable once parsed, so any thread may read one. */
#ifndef MR_EVENT_SCHEMA_H
#define MR_EVENT_SCHEMA_H

#include <jansson.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"
#include "base/span.h"

#define MR_SCHEMA_TEXT_MAX  262144
#define MR_SCHEMA_DEPTH_MAX 32
#define MR_SCHEMA_NODES_MAX 4096

enum mr_schema_kind {
    MR_SCHEMA_NULL,
    MR_SCHEMA_BOOLEAN,
    MR_SCHEMA_INT,
    MR_SCHEMA_LONG,
    MR_SCHEMA_FLOAT,
    MR_SCHEMA_DOUBLE,
    MR_SCHEMA_BYTES,
    MR_SCHEMA_STRING,
    MR_SCHEMA_FIXED,
    MR_SCHEMA_ENUM,
    MR_SCHEMA_ARRAY,
    MR_SCHEMA_MAP,
    MR_SCHEMA_UNION,
    MR_SCHEMA_RECORD,
};

/* A record's field, an array's or map's item, a branch of a union. */
struct mr_schema_child {
    const char *name;       /* fields only */
    const json_t *fallback; /* a field's default; NULL when it has none */
    uint32_t node;
};

struct mr_schema_node {
    enum mr_schema_kind kind;
    const char *name;     /* record, fixed, enum: without its namespace */
    uint32_t size;        /* fixed: bytes; enum: number of symbols */
    uint32_t first_child; /* in mr_schema.children */
    uint32_t n_children;
};

struct mr_schema {
    struct mr_schema_node *nodes;
    struct mr_schema_child *children;
    uint32_t n_nodes;
    uint32_t n_children;
    uint32_t root;
    json_t *json; /* owns the names and defaults that nodes and children point to */
};

/* REJECT when the text is no Avro schema or is over a ceiling. */
enum mr_status mr_schema_parse(struct mr_span text, struct mr_schema **out, struct mr_error *err);
void mr_schema_free(struct mr_schema **schema);

const struct mr_schema_child *mr_schema_field(const struct mr_schema *s, uint32_t record, const char *name);
const char *mr_schema_kind_name(enum mr_schema_kind kind);

static inline const struct mr_schema_child *mr_schema_child_at(const struct mr_schema *s,
                                                               const struct mr_schema_node *node, uint32_t i)
{
    return &s->children[node->first_child + i];
}

#endif
