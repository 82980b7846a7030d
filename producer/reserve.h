/* The first transaction of an upload: the path's file_id is found or reserved, conflicts are looked for, and
 * the session is written, all under the owner's lock, so that two uploads of one owner cannot each miss the
 * other. */
#ifndef MR_UPLOAD_RESERVE_H
#define MR_UPLOAD_RESERVE_H

#include "producer/session.h"

struct mr_reservation {
    struct mr_uuid user_id;
    const char *path; /* NULL: file_id says which file */
    struct mr_uuid file_id;
    int64_t size;
    const char *content_type;
    const char *idempotency_key; /* NULL: none */
    uint8_t request_hash[MR_SHA256_SIZE];
};

enum mr_reserved {
    MR_RESERVED,           /* session is written, state open, without an upload of the store */
    MR_RESERVE_REPLAY,     /* the key was answered before: session is the one it made, in whatever state */
    MR_RESERVE_BUSY,       /* the key's first request is under way */
    MR_RESERVE_OTHER_BODY, /* the key was used for another request */
    MR_RESERVE_TOO_MANY,   /* open sessions */
    MR_RESERVE_NO_FILE,    /* no such file_id, or not the user's */
    MR_RESERVE_UNDER_FILE, /* an ancestor of the path is a file */
    MR_RESERVE_IS_FOLDER,  /* the path is a folder */
};

/* pg_advisory_xact_lock of an owner's namespace. Whoever makes, renames or frees paths takes it first, inside
 * the transaction, as a statement of its own: the statements after it then see what the holder before did. */
enum mr_status mr_owner_lock(struct mr_db *db, struct mr_uuid owner_id, struct mr_error *err);

enum mr_status mr_reserve(const struct mr_upload *up, struct mr_db *db, const struct mr_reservation *wanted,
                          enum mr_reserved *result, struct mr_session *session, struct mr_error *err);

/* The second transaction: the store's upload is there, and the key knows its session. *opened false: the
 * sweep took the session for dead. */
enum mr_status mr_reserve_open(struct mr_db *db, const struct mr_session *session,
                               const char *idempotency_key, bool *opened, struct mr_error *err);

/* Takes back what mr_reserve() did: the session, the key, and the reservation if nobody else needs it. */
enum mr_status mr_reserve_undo(struct mr_db *db, const struct mr_session *session,
                               const char *idempotency_key, struct mr_error *err);

/* Deletes the file's row if it is a reservation that no session needs any more. In a transaction that has
 * mr_owner_lock(). */
enum mr_status mr_reservation_free(struct mr_db *db, struct mr_uuid file_id, struct mr_error *err);

#endif
