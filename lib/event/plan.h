/* A decoding plan: one step per field of a writer's record, in the writer's order, saying where its value
 * goes in the C struct or that it is skipped. Made once per writer's schema; immutable. */
#ifndef MR_EVENT_PLAN_H
#define MR_EVENT_PLAN_H

#include "event/layout.h"
#include "event/schema.h"

struct mr_plan_step {
    const char *name;
    enum mr_field_kind kind; /* MR_FIELD_SKIPPED: only the reader lacks it */
    uint32_t node;           /* in the writer's schema */
    size_t offset;
    int64_t least;
};

struct mr_plan {
    const struct mr_layout *layout;
    const struct mr_schema *writer; /* borrowed, as is what `blank` points to in the reader's schema */
    struct mr_plan_step *steps;
    uint32_t n_steps;
    char *blank; /* the C struct with the reader's defaults in the fields the writer does not have */
};

/* REJECT when the writer's record cannot be resolved to the reader's: the text says which field. */
enum mr_status mr_plan_make(const struct mr_layout *layout, const struct mr_schema *reader,
                            const struct mr_schema *writer, struct mr_plan **out, struct mr_error *err);
void mr_plan_free(struct mr_plan **plan);

/* `body` is the Avro body alone. `e` is the struct of plan->layout; untouched parts of it are undefined on
 * MR_FAIL. */
enum mr_status mr_plan_decode(const struct mr_plan *plan, struct mr_span body, void *e, struct mr_error *err);

/* Appends the body, written as plan->writer says; the plan must be that of the reader's schema to itself. */
enum mr_status mr_plan_encode(const struct mr_plan *plan, const void *e, struct mr_buf *out,
                              struct mr_error *err);

#endif
