/* completing → assembled: the parts are verified against the store's list, the store puts the object
 * together, and one transaction allocates the version and stores the event. May be run for one session by any
 * number of replicas and threads at once: each step is done once, and whoever comes second finds it done. */
#ifndef MR_UPLOAD_ASSEMBLE_H
#define MR_UPLOAD_ASSEMBLE_H

#include "producer/session.h"

#define MR_MISSING_MAX 100 /* part numbers named in an answer */

enum mr_assembled {
    MR_ASSEMBLED,         /* the session is assembled by this call; event and headers are filled */
    MR_ASSEMBLED_ALREADY, /* someone else changed its state meanwhile: load it */
    MR_ASSEMBLE_MISSING,  /* parts are missing or wrong; the session is open again */
    MR_ASSEMBLE_CHANGED,  /* parts were replaced while it was put together; the session is open again */
    MR_ASSEMBLE_GONE,     /* the store knows neither the upload nor the object */
};

struct mr_assembly {
    enum mr_assembled result;
    bool untouched;                         /* with MR_FAIL: the store could not even be asked what it has */
    int missing[MR_MISSING_MAX], n_missing; /* numbers that the store does not have */
    int wrong[MR_MISSING_MAX], n_wrong;     /* of another size, without checksum, or past the end */
    int total_missing, total_wrong;
    int64_t version;
    struct mr_uuid event_id;
    struct mr_buf event;   /* bytes of the record */
    struct mr_buf headers; /* JSON of them (event/headers.h) */
};

void mr_assembly_init(struct mr_assembly *a);
void mr_assembly_free(struct mr_assembly *a);

/* The session is in state completing. `sends`: the caller sends the record itself, so the relay leaves it
 * alone for relay.lease. traceparent may be NULL. MR_FAIL leaves the session completing. */
enum mr_status mr_assemble(const struct mr_upload *up, struct mr_db *db, const struct mr_session *s,
                           bool sends, const char *traceparent, struct mr_assembly *out,
                           struct mr_error *err);

/* Compares the store's list with the session's arithmetic; fills missing and wrong. True when all is there.
 */
bool mr_parts_whole(const struct mr_session *s, const struct mr_part *parts, int n, struct mr_assembly *out);

#endif
