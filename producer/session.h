/* Rows of upload_sessions and the changes of their state:
 *
 *     open → completing → assembled → published        (docs/upload.md)
 *     open → aborted | expired
 *
 * Each change is one statement guarded by the state it starts from, so that any number of replicas may try at
 * once and one wins. A session is read into a struct by value; nothing in it is owned. */
#ifndef MR_UPLOAD_SESSION_H
#define MR_UPLOAD_SESSION_H

#include "producer/upload.h"

enum mr_session_state {
    MR_SESSION_OPEN,
    MR_SESSION_COMPLETING,
    MR_SESSION_ASSEMBLED,
    MR_SESSION_PUBLISHED,
    MR_SESSION_ABORTED,
    MR_SESSION_EXPIRED,
};

struct mr_session {
    struct mr_uuid upload_id, file_id, owner_id, user_id;
    char path[1025];
    int64_t size;
    char content_type[256];
    int64_t part_size;
    int part_count;
    char s3_key[128];
    char s3_upload_id[1100]; /* "" before the store's upload is there and after it was cleaned up */
    enum mr_session_state state;
    bool overdue; /* past expires_at, whatever the state */
    int64_t expires_at_us;
    int64_t version; /* 0 until assembled */
    struct mr_uuid event_id;
    struct mr_uuid lease_id; /* of the last lease of the state completing; nil: none yet */
};

/* The columns that mr_session_read() expects, in order, of a table or alias `s`. */
#define MR_SESSION_COLUMNS                                                                                   \
    "s.upload_id, s.file_id, s.owner_id, s.user_id, s.path, s.size, s.content_type, s.part_size, "           \
    "s.part_count, "                                                                                         \
    "s.s3_key, s.s3_upload_id, s.state, s.expires_at <= now(), s.expires_at, s.version, s.event_id, "        \
    "s.lease_id"

void mr_session_read(const PGresult *r, int row, struct mr_session *out);
const char *mr_session_state_name(enum mr_session_state state);

/* Key of the object: "files/<file_id>/<upload_id>". It is in the session before the store hears of it, so
 * that whatever a crash leaves in the store can be found by its exact key (docs/decisions/0020). */
void mr_session_key(struct mr_uuid file_id, struct mr_uuid upload_id, char *out, size_t size);
/* The upload id in such a key; false when it is not one. */
bool mr_session_of_key(const char *key, struct mr_uuid *upload_id);

/* *found false: there is no such session, or it is another user's (nil: any user's). */
enum mr_status mr_session_load(struct mr_db *db, struct mr_uuid upload_id, struct mr_uuid user_id,
                               bool *found, struct mr_session *out, struct mr_error *err);
/* As load, of an open session that has not run out; notes that the client was here. */
enum mr_status mr_session_touch(struct mr_db *db, struct mr_uuid upload_id, struct mr_uuid user_id,
                                bool *found, struct mr_session *out, struct mr_error *err);

/* open, or completing with an expired lease, → completing, leased by the caller. */
enum mr_status mr_session_lease(struct mr_db *db, struct mr_uuid upload_id, struct mr_uuid user_id,
                                int64_t lease_ms, bool *leased, struct mr_session *out, struct mr_error *err);
/* completing → open: its parts are not all there. *changed (may be NULL) false: the lease in s->lease_id is
 * not the last one, so that the session is someone else's now; nothing was done. */
enum mr_status mr_session_reopen(struct mr_db *db, const struct mr_session *s, bool *changed,
                                 struct mr_error *err);
/* Gives the lease back at once: whoever asks next may take over. Nothing is done to a lease of someone else.
 */
enum mr_status mr_session_unlease(struct mr_db *db, const struct mr_session *s, struct mr_error *err);

#endif
