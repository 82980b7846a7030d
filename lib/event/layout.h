/* Where each field of an event lives in its C struct, and what kind of value it is: the reader's side of
 * decoding and what encoding walks. One table per event; immutable. */
#ifndef MR_EVENT_LAYOUT_H
#define MR_EVENT_LAYOUT_H

#include <stddef.h>
#include <stdint.h>

#include "base/error.h"
#include "event/event.h"
#include "event/schema.h"

enum mr_field_kind {
    MR_FIELD_SKIPPED,      /* in a plan: of the writer's schema only */
    MR_FIELD_UUID,         /* string, 36 characters → struct mr_uuid */
    MR_FIELD_TEXT,         /* string → struct mr_span */
    MR_FIELD_TEXT_OR_NULL, /* [null, string] → struct mr_span, p == NULL for null */
    MR_FIELD_LONG,         /* long → int64_t */
    MR_FIELD_LONG_OR_NULL, /* [null, long] → int64_t, 0 for null */
    MR_FIELD_INT32,        /* int → int32_t */
    MR_FIELD_SHA256,       /* fixed 32 → uint8_t[32] */
    MR_FIELD_ATTRIBUTES,   /* map of string → attributes[] and n_attributes */
};

struct mr_layout_field {
    const char *name;
    enum mr_field_kind kind;
    size_t offset;
    int64_t least; /* MR_FIELD_LONG: smaller values are refused */
};

struct mr_layout {
    const char *name; /* of the record, without its namespace */
    const struct mr_layout_field *fields;
    size_t n_fields;
    size_t size; /* of the C struct */
};

extern const struct mr_layout mr_layouts[MR_EVENT_TYPE_COUNT];

const struct mr_layout_field *mr_layout_find(const struct mr_layout *layout, const char *name);

/* True when this node, or one of its branches, can be read as this kind (Avro 1.11, "Schema Resolution"). */
bool mr_layout_resolves(const struct mr_schema *s, uint32_t node, enum mr_field_kind kind);

/* FATAL unless the schema's record has the layout's fields and no others, with types that fit both ways. */
enum mr_status mr_layout_matches(const struct mr_layout *layout, const struct mr_schema *s,
                                 struct mr_error *err);

#endif
