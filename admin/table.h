/* A list that a command prints: aligned columns for people, an array of objects with --json. One owner. */
#ifndef MR_ADMIN_TABLE_H
#define MR_ADMIN_TABLE_H

#include <stdint.h>
#include <stdio.h>

#include <jansson.h>

struct mr_table {
    const char *const *columns; /* snake_case: names in JSON, headings (upper case, spaces) for people */
    size_t n_columns;
    json_t *rows; /* of arrays */
};

void mr_table_init(struct mr_table *t, const char *const *columns, size_t n_columns);
void mr_table_free(struct mr_table *t);
void mr_table_row(struct mr_table *t);
/* Cells of the row begun last, in the order of the columns. Bytes that are not UTF-8 are shown as \xNN. */
void mr_table_text(struct mr_table *t, const char *text);
void mr_table_bytes(struct mr_table *t, const char *p, size_t n);
void mr_table_int(struct mr_table *t, int64_t v);
void mr_table_null(struct mr_table *t);

/* The rows as objects; a new reference. */
json_t *mr_table_json(const struct mr_table *t);
void mr_table_print(const struct mr_table *t, FILE *out);
/* Whichever is asked for. */
void mr_table_show(const struct mr_table *t, FILE *out, int json);

#endif
