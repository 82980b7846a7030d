/* open → aborted or expired: the session's end without a version. One transaction changes the state and frees
 * the path; then the store is cleaned. A session that still names an upload of the store in one of these
 * states has not been cleaned: the sweep does it. */
#ifndef MR_UPLOAD_END_H
#define MR_UPLOAD_END_H

#include "producer/session.h"

enum mr_end_reason {
    MR_END_DELETED, /* by its user: open → aborted */
    MR_END_OVERDUE, /* open and past expires_at → expired */
    MR_END_UNBORN,  /* open for longer than upload.lease without an upload of the store → expired */
    MR_END_GONE,    /* completing, and the store knows nothing of it → expired */
    MR_END_REFUSED, /* completing and past expires_at, and never to be completed → expired; what the store
                     * has under its key is left there: it is not what the session describes */
};

/* *ended false: it was not in the state that the reason needs, or (completing) the lease in s is not the last
 * one. Cleaning that fails is logged and left to the
 * sweep. */
enum mr_status mr_session_end(const struct mr_upload *up, struct mr_db *db, const struct mr_session *s,
                              enum mr_end_reason why, bool *ended, struct mr_error *err);

/* Aborts what the store holds of an ended session, and notes that. Doing it twice is fine. */
enum mr_status mr_session_clean(const struct mr_upload *up, struct mr_db *db, const struct mr_session *s,
                                struct mr_error *err);

#endif
