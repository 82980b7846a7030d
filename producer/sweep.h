/* The sweep: finishes, ends and cleans what clients, crashes and outages left behind. Every replica runs one;
 * each step takes its sessions with SKIP LOCKED or a guarded change of state. */
#ifndef MR_UPLOAD_SWEEP_H
#define MR_UPLOAD_SWEEP_H

#include "producer/session.h"

/* Runs until mr_stop_requested(). */
void *mr_sweep_run(void *up);

/* Takes a completing session over and brings it to assembled (or ends it); the relay sends it. `hold` does so
 * even while a lease is running: the store said that the object is whole. */
enum mr_status mr_take_over(const struct mr_upload *up, struct mr_db *db, struct mr_uuid upload_id, bool hold,
                            struct mr_error *err);

#endif
