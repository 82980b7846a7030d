/* Columns of rows, as binary arrays for unnest(). One owner. */
#ifndef MR_METADATA_ROWS_H
#define MR_METADATA_ROWS_H

#include "db/array.h"
#include "workers/metadata/item.h"

#define MR_ROWS_COLUMNS_MAX 16

struct mr_rows {
    struct mr_db_array column[MR_ROWS_COLUMNS_MAX];
    int n_columns;
};

void mr_rows_init(struct mr_rows *rows, const Oid *types, int n);
void mr_rows_free(struct mr_rows *rows);
/* Runs the statement with the columns as $1, $2, … and then (when it is not NULL) the flag. *affected, if
 * wanted, is how many rows changed. */
enum mr_status mr_rows_run(struct mr_rows *rows, struct mr_db *db, const char *sql, const bool *flag,
                           int64_t *affected, struct mr_error *err);
/* For the caller's row functions: REJECT, so that a batch is bisected when its columns outgrow their ceiling.
 */
enum mr_status mr_rows_too_large(struct mr_error *err);

/* A set of ids as one array parameter. */
enum mr_status mr_rows_ids(struct mr_db_array *a, const struct mr_uuid *ids, size_t n, struct mr_error *err);

/* Each appends the row of one event. */
extern const Oid mr_version_row_types[];
extern const int mr_version_row_columns;
enum mr_status mr_version_row(struct mr_rows *rows, const struct mr_file_uploaded *e, struct mr_error *err);

extern const Oid mr_file_row_types[];
extern const int mr_file_row_columns;
enum mr_status mr_file_row(struct mr_rows *rows, const struct mr_file_uploaded *e, int64_t created_at_us,
                           struct mr_error *err);

extern const Oid mr_stage_row_types[];
extern const int mr_stage_row_columns;
enum mr_status mr_stage_row(struct mr_rows *rows, const struct mr_file_processed *e, struct mr_error *err);

extern const Oid mr_verdict_row_types[];
extern const int mr_verdict_row_columns;
enum mr_status mr_verdict_row(struct mr_rows *rows, const struct mr_file_processed *e, struct mr_error *err);

#endif
