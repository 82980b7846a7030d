/* A file as it is read and as it is shown. */
#ifndef MR_API_FILE_ROW_H
#define MR_API_FILE_ROW_H

#include "account/account.h"
#include "api/api.h"

/* Who may read a file `f`: decided here and nowhere else, at the time of the request; $1 is the caller. */
#define MR_API_MAY_READ "(f.user_id = $1 and " MR_ACCOUNT_ENABLED("$1") ")"

/* version 0 is a path reserved by an upload under way: not there yet. */
#define MR_API_IS_THERE "(f.version > 0)"

/* The columns that mr_api_file_json() takes, in its order, of a table or subquery `f`. */
#define MR_API_FILE_COLUMNS                                                                                  \
    "f.file_id, f.user_id, f.path, f.size, f.content_type, f.content_hash, f.version,"                       \
    " case when f.deleted_at is null then f.status else 'DELETED' end, f.verdict, f.created_at, "            \
    "f.updated_at,"                                                                                          \
    " f.deleted_at, f.change_seq, f.s3_key"
enum mr_api_file_column {
    MR_FILE_ID,
    MR_FILE_OWNER,
    MR_FILE_PATH,
    MR_FILE_SIZE,
    MR_FILE_TYPE,
    MR_FILE_HASH,
    MR_FILE_VERSION,
    MR_FILE_STATUS,
    MR_FILE_VERDICT,
    MR_FILE_CREATED,
    MR_FILE_UPDATED,
    MR_FILE_DELETED,
    MR_FILE_CHANGE_SEQ,
    MR_FILE_S3_KEY,
    MR_FILE_COLUMNS
};

/* The columns start at `first`. */
json_t *mr_api_file_json(const PGresult *r, int row, int first);

/* Times as RFC 3339, hashes as hex, NULL as null. */
json_t *mr_api_time_json(const PGresult *r, int row, int col);
json_t *mr_api_text_json(const PGresult *r, int row, int col);
json_t *mr_api_hash_json(const PGresult *r, int row, int col);

/* The file's row (one, MR_API_FILE_COLUMNS) when the caller may read it, else NULL and the reply is a 404 or
 * what failed. `id` is the UUID as it came. */
PGresult *mr_api_file_read(struct mr_db *db, struct mr_uuid caller, const char *id, struct mr_http_reply *rp);

#endif
