#include "event/schema.h"

#include <stdlib.h>
#include <string.h>

#define NAME_MAX_BYTES 512

/* Full names of the named types met so far, for references to them. */
struct known_type {
    char *full_name;
    uint32_t node;
};

struct parser {
    struct mr_schema *schema;
    struct known_type *known;
    size_t n_known;
    int depth;
    struct mr_error *err;
};

static const char *const kind_names[] = {
    [MR_SCHEMA_NULL] = "null",   [MR_SCHEMA_BOOLEAN] = "boolean", [MR_SCHEMA_INT] = "int",
    [MR_SCHEMA_LONG] = "long",   [MR_SCHEMA_FLOAT] = "float",     [MR_SCHEMA_DOUBLE] = "double",
    [MR_SCHEMA_BYTES] = "bytes", [MR_SCHEMA_STRING] = "string",   [MR_SCHEMA_FIXED] = "fixed",
    [MR_SCHEMA_ENUM] = "enum",   [MR_SCHEMA_ARRAY] = "array",     [MR_SCHEMA_MAP] = "map",
    [MR_SCHEMA_UNION] = "union", [MR_SCHEMA_RECORD] = "record",
};

static bool parse_type(struct parser *p, const json_t *type, const char *space, uint32_t *node);

const char *mr_schema_kind_name(enum mr_schema_kind kind)
{
    return kind_names[kind];
}

static bool refuse(struct parser *p, const char *what, const char *name)
{
    mr_error_set(p->err, MR_CLASS_REJECT, 0, "not an Avro schema we can read: %s%s%.128s", what,
                 name ? " " : "", name ? name : "");
    return false;
}

static bool new_node(struct parser *p, enum mr_schema_kind kind, uint32_t *node)
{
    struct mr_schema *s = p->schema;
    if (s->n_nodes == MR_SCHEMA_NODES_MAX) {
        return refuse(p, "too many types", NULL);
    }
    *node = s->n_nodes++;
    s->nodes[*node] = (struct mr_schema_node){.kind = kind};
    return true;
}

/* Children of one node lie side by side, so their place is taken before any of them is parsed. */
static bool reserve_children(struct parser *p, uint32_t node, size_t n)
{
    struct mr_schema *s = p->schema;
    if (n > MR_SCHEMA_NODES_MAX - s->n_children) {
        return refuse(p, "too many fields", NULL);
    }
    s->nodes[node].first_child = s->n_children;
    s->nodes[node].n_children = (uint32_t)n;
    memset(&s->children[s->n_children], 0, n * sizeof s->children[0]);
    s->n_children += (uint32_t)n;
    return true;
}

static bool parse_child(struct parser *p, uint32_t node, uint32_t i, const json_t *type, const char *space)
{
    uint32_t child = 0;
    if (!parse_type(p, type, space, &child)) {
        return false;
    }
    p->schema->children[p->schema->nodes[node].first_child + i].node = child;
    return true;
}

static bool is_primitive(const char *name, enum mr_schema_kind *kind)
{
    for (int k = MR_SCHEMA_NULL; k <= MR_SCHEMA_STRING; k++) {
        if (strcmp(name, kind_names[k]) == 0) {
            *kind = (enum mr_schema_kind)k;
            return true;
        }
    }
    return false;
}

/* "name" in namespace "space" is "space.name"; a name with a dot is whole already. */
static bool full_name(struct parser *p, const char *name, const char *space, char out[NAME_MAX_BYTES])
{
    bool whole = strchr(name, '.') != NULL || space == NULL || space[0] == '\0';
    int n = whole ? snprintf(out, NAME_MAX_BYTES, "%s", name)
                  : snprintf(out, NAME_MAX_BYTES, "%s.%s", space, name);
    return n > 0 && n < NAME_MAX_BYTES ? true : refuse(p, "a name that is empty or too long", NULL);
}

static bool find_known(const struct parser *p, const char *name, uint32_t *node)
{
    for (size_t i = 0; i < p->n_known; i++) {
        if (strcmp(p->known[i].full_name, name) == 0) {
            *node = p->known[i].node;
            return true;
        }
    }
    return false;
}

static bool parse_name(struct parser *p, const char *name, const char *space, uint32_t *node)
{
    enum mr_schema_kind kind;
    char full[NAME_MAX_BYTES];
    if (is_primitive(name, &kind)) {
        return new_node(p, kind, node);
    }
    if (!full_name(p, name, space, full)) {
        return false;
    }
    return find_known(p, full, node) || refuse(p, "unknown type", name);
}

/* Gives the node its name and remembers it; *space becomes the namespace of what it encloses, in `buffer`. */
static bool declare(struct parser *p, const json_t *type, uint32_t node, const char **space,
                    char buffer[NAME_MAX_BYTES])
{
    const char *name = json_string_value(json_object_get(type, "name"));
    const json_t *own = json_object_get(type, "namespace");
    uint32_t before;
    if (!name || name[0] == '\0') {
        return refuse(p, "a named type without a name", NULL);
    }
    if (!full_name(p, name, json_is_string(own) ? json_string_value(own) : *space, buffer)) {
        return false;
    }
    if (find_known(p, buffer, &before)) {
        return refuse(p, "declared twice:", name);
    }
    char *kept = strdup(buffer);
    if (!kept) {
        return refuse(p, "out of memory", NULL);
    }
    p->known[p->n_known++] = (struct known_type){kept, node};
    const char *dot = strrchr(name, '.');
    p->schema->nodes[node].name = dot ? dot + 1 : name;
    char *end = strrchr(buffer, '.');
    *(end ? end : buffer) = '\0';
    *space = buffer;
    return true;
}

static bool parse_record(struct parser *p, const json_t *type, const char *space, uint32_t node)
{
    char buffer[NAME_MAX_BYTES];
    const json_t *fields = json_object_get(type, "fields");
    if (!json_is_array(fields)) {
        return refuse(p, "a record without fields", NULL);
    }
    if (!declare(p, type, node, &space, buffer) || !reserve_children(p, node, json_array_size(fields))) {
        return false;
    }
    for (uint32_t i = 0; i < p->schema->nodes[node].n_children; i++) {
        const json_t *field = json_array_get(fields, i);
        const char *name = json_string_value(json_object_get(field, "name"));
        if (!name || mr_schema_field(p->schema, node, name)) {
            return refuse(p, "a field without a name of its own", name);
        }
        struct mr_schema_child *child = &p->schema->children[p->schema->nodes[node].first_child + i];
        if (!parse_child(p, node, i, json_object_get(field, "type"), space)) {
            return false;
        }
        child->name = name;
        child->fallback = json_object_get(field, "default");
    }
    return true;
}

static bool parse_sized(struct parser *p, const json_t *type, const char *space, uint32_t node)
{
    char buffer[NAME_MAX_BYTES];
    struct mr_schema_node *self = &p->schema->nodes[node];
    if (self->kind == MR_SCHEMA_ENUM) {
        const json_t *symbols = json_object_get(type, "symbols");
        if (!json_is_array(symbols) || json_array_size(symbols) > MR_SCHEMA_TEXT_MAX) {
            return refuse(p, "an enum without symbols", NULL);
        }
        self->size = (uint32_t)json_array_size(symbols);
    } else {
        json_int_t size = json_integer_value(json_object_get(type, "size"));
        if (!json_is_integer(json_object_get(type, "size")) || size < 0 || size > INT32_MAX) {
            return refuse(p, "a fixed without a size", NULL);
        }
        self->size = (uint32_t)size;
    }
    return declare(p, type, node, &space, buffer);
}

static bool parse_union(struct parser *p, const json_t *branches, const char *space, uint32_t *node)
{
    if (!new_node(p, MR_SCHEMA_UNION, node) || !reserve_children(p, *node, json_array_size(branches))) {
        return false;
    }
    for (uint32_t i = 0; i < p->schema->nodes[*node].n_children; i++) {
        /* Unions may not hold unions directly, which is also what bounds their resolution. */
        if (json_is_array(json_array_get(branches, i))) {
            return refuse(p, "a union in a union", NULL);
        }
        if (!parse_child(p, *node, i, json_array_get(branches, i), space)) {
            return false;
        }
    }
    return true;
}

static bool parse_complex(struct parser *p, const json_t *type, const char *name, const char *space,
                          uint32_t *node)
{
    for (int k = MR_SCHEMA_FIXED; k <= MR_SCHEMA_RECORD; k++) {
        if (k == MR_SCHEMA_UNION || strcmp(name, kind_names[k]) != 0) {
            continue;
        }
        if (!new_node(p, (enum mr_schema_kind)k, node)) {
            return false;
        }
        switch (k) {
        case MR_SCHEMA_RECORD:
            return parse_record(p, type, space, *node);
        case MR_SCHEMA_ARRAY:
            return reserve_children(p, *node, 1) &&
                   parse_child(p, *node, 0, json_object_get(type, "items"), space);
        case MR_SCHEMA_MAP:
            return reserve_children(p, *node, 1) &&
                   parse_child(p, *node, 0, json_object_get(type, "values"), space);
        default:
            return parse_sized(p, type, space, *node);
        }
    }
    return parse_name(p, name, space, node);
}

static bool parse_type(struct parser *p, const json_t *type, const char *space, uint32_t *node)
{
    if (p->depth == MR_SCHEMA_DEPTH_MAX) {
        return refuse(p, "nested too deep", NULL);
    }
    p->depth++;
    bool ok;
    const json_t *inner = json_object_get(type, "type");
    if (json_is_string(type)) {
        ok = parse_name(p, json_string_value(type), space, node);
    } else if (json_is_array(type)) {
        ok = parse_union(p, type, space, node);
    } else if (json_is_string(inner)) {
        ok = parse_complex(p, type, json_string_value(inner), space, node);
    } else if (inner) {
        ok = parse_type(p, inner, space, node);
    } else {
        ok = refuse(p, "a type is missing", NULL);
    }
    p->depth--;
    return ok;
}

static enum mr_status parse_root(struct mr_schema *s, struct mr_error *err)
{
    struct parser p = {.schema = s, .err = err};
    p.known = calloc(MR_SCHEMA_NODES_MAX, sizeof *p.known);
    bool ok = p.known ? parse_type(&p, s->json, NULL, &s->root) : refuse(&p, "out of memory", NULL);
    for (size_t i = 0; i < p.n_known; i++) {
        free(p.known[i].full_name);
    }
    free(p.known);
    return ok ? MR_OK : MR_FAIL;
}

/* What was allocated for the ceilings shrinks to what is used: a program may hold many schemas. */
static void trim(struct mr_schema *s)
{
    struct mr_schema_node *nodes = realloc(s->nodes, (s->n_nodes + 1) * sizeof *nodes);
    struct mr_schema_child *children = realloc(s->children, (s->n_children + 1) * sizeof *children);
    s->nodes = nodes ? nodes : s->nodes;
    s->children = children ? children : s->children;
}

enum mr_status mr_schema_parse(struct mr_span text, struct mr_schema **out, struct mr_error *err)
{
    json_error_t json_err;
    *out = NULL;
    if (text.len > MR_SCHEMA_TEXT_MAX) {
        return mr_error_set(err, MR_CLASS_REJECT, 0, "schema of %zu bytes is over %d", text.len,
                            MR_SCHEMA_TEXT_MAX);
    }
    struct mr_schema *s = calloc(1, sizeof *s);
    if (!s) {
        return mr_error_set(err, MR_CLASS_RETRY, 0, "out of memory for a schema");
    }
    s->json = json_loadb(text.p ? text.p : "", text.len, JSON_REJECT_DUPLICATES | JSON_DECODE_ANY, &json_err);
    if (!s->json) {
        mr_error_set(err, MR_CLASS_REJECT, 0, "schema is not JSON: %s (line %d)", json_err.text,
                     json_err.line);
        goto fail;
    }
    s->nodes = malloc(MR_SCHEMA_NODES_MAX * sizeof *s->nodes);
    s->children = malloc(MR_SCHEMA_NODES_MAX * sizeof *s->children);
    if (!s->nodes || !s->children) {
        mr_error_set(err, MR_CLASS_RETRY, 0, "out of memory for a schema");
        goto fail;
    }
    if (parse_root(s, err) != MR_OK) {
        goto fail;
    }
    trim(s);
    *out = s;
    return MR_OK;
fail:
    mr_schema_free(&s);
    return MR_FAIL;
}

void mr_schema_free(struct mr_schema **schema)
{
    struct mr_schema *s = *schema;
    if (s) {
        json_decref(s->json);
        free(s->nodes);
        free(s->children);
        free(s);
        *schema = NULL;
    }
}

const struct mr_schema_child *mr_schema_field(const struct mr_schema *s, uint32_t record, const char *name)
{
    const struct mr_schema_node *node = &s->nodes[record];
    for (uint32_t i = 0; i < node->n_children; i++) {
        const struct mr_schema_child *child = mr_schema_child_at(s, node, i);
        if (child->name && strcmp(child->name, name) == 0) {
            return child;
        }
    }
    return NULL;
}
