/* One file on its way up, as client/upload.c and what it consists of share it.
 *
 * The server completes by itself what has arrived whole. So the last part that is missing is held back until
 * all others are in the store and the file has been found unchanged: what is whole never mixes two contents.
 */
#ifndef MR_CLIENT_UPLOAD_JOB_H
#define MR_CLIENT_UPLOAD_JOB_H

#include <pthread.h>
#include <stdatomic.h>

#include "client/transfers.h"
#include "client/upload_session.h"
#include "client/upload_state.h"

struct mr_upload_job {
    struct mr_transfers *run;
    char *local, *remote;
    int64_t expected;                   /* bytes announced to the progress */
    uint8_t there_hash[MR_SHA256_SIZE]; /* of what the server has at this path */
    bool has_there_hash;
    int64_t started_us, begun_us, sent_us; /* wall time; of the session and the last part */
    int fd;
    struct stat st;
    struct mr_upload_state *state;
    bool keep_state; /* it names a session that may be there */
    char upload_id[MR_UUID_TEXT_SIZE];
    bool has_session;
    int parts;
    struct mr_session_arrived *arrived; /* what the store has, as the server told */
    int last;                           /* the part that is held back; 0: all have arrived */
    atomic_int resumed;                 /* parts that were there already */
    atomic_llong skipped;               /* their bytes */
    atomic_bool differs;                /* a part that arrived is not what the file holds */
    int rounds;
    atomic_int left; /* parts queued or under way */
    atomic_bool failed;
    pthread_mutex_t lock;
    struct mr_error error; /* the first one */
};

/* What an earlier run left. */
enum mr_earlier {
    MR_EARLIER_NONE, /* nothing of use: begin */
    MR_EARLIER_OPEN, /* upload_id and arrived are set */
    MR_EARLIER_DONE, /* it was stored meanwhile, and is what the path holds */
};

/* *answer and *readable: of the completion, as mr_session_complete() has them, when it is done. */
enum mr_status mr_upload_earlier(struct mr_upload_job *u, const struct mr_api *api, enum mr_earlier *earlier,
                                 json_t **answer, bool *readable, struct mr_error *err);

/* A session that an earlier run left open, though the file got there, is of no use any more. */
void mr_upload_end_leftover(struct mr_upload_job *u, const struct mr_api *api);

/* Uploads of one path from two processes at once are fine, but only one of them can be gone on with later. */
enum mr_status mr_upload_open_state(struct mr_upload_job *u, struct mr_error *err);

/* REJECT ESTALE when the file is not what it was when it was opened. */
enum mr_status mr_upload_check_unchanged(const struct mr_upload_job *u, struct mr_error *err);

/* Reads and hashes a part; what fits is kept in the worker's buffer, and that is what is sent. */
enum mr_status mr_upload_hash_part(struct mr_upload_job *u, int number, struct mr_worker *w,
                                   struct mr_session_part *part, struct mr_error *err);
/* As mr_session_send(); ESTALE when the store refused the part because the file had changed. */
enum mr_status mr_upload_send_part(struct mr_upload_job *u, const struct mr_api *api,
                                   const struct mr_session_part *part, json_t *target, struct mr_error *err);
bool mr_upload_is_arrived(const struct mr_upload_job *u, const struct mr_session_part *part);
void mr_upload_count_arrived(struct mr_upload_job *u, const struct mr_session_part *part);

/* {"local", "path"} */
json_t *mr_upload_names(const struct mr_upload_job *u);
void mr_upload_report(struct mr_upload_job *u, const json_t *answer, bool readable);
void mr_upload_report_unchanged(struct mr_upload_job *u);

#endif
