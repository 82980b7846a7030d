/* Idempotency-Key of POST /upload/initiate: the session that the first request made is kept, and answered
 * again to the same request with URLs signed anew. Only what made something (201) is kept; a refused request
 * may be made again and is looked at anew. */
#ifndef MR_UPLOAD_IDEMPOTENCY_H
#define MR_UPLOAD_IDEMPOTENCY_H

#include "producer/reserve.h"

#define MR_IDEMPOTENCY_KEY_MAX 255

/* 1 to 255 printable ASCII characters. */
bool mr_idempotency_key_valid(const char *key);

/* Inside the reservation's transaction, under the owner's lock. *result is MR_RESERVED when the key is the
 * caller's now: new, or left by a replica that died with it; *upload_id is filled with MR_RESERVE_REPLAY. */
enum mr_status mr_idempotency_claim(const struct mr_upload *up, struct mr_db *db,
                                    const struct mr_reservation *wanted, enum mr_reserved *result,
                                    struct mr_uuid *upload_id, struct mr_error *err);

/* Forgets keys older than a day, and those whose request died. */
enum mr_status mr_idempotency_sweep(const struct mr_upload *up, struct mr_db *db, struct mr_error *err);

#endif
