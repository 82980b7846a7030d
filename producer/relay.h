/* The relay: sends what stays assembled, whoever left it there. Every replica runs one; a session is leased
 * for each send, so that one send of it is under way at a time. */
#ifndef MR_UPLOAD_RELAY_H
#define MR_UPLOAD_RELAY_H

#include "producer/upload.h"

/* Runs until mr_stop_requested(). */
void *mr_relay_run(void *up);

#endif
