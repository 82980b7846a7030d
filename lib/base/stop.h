/* Graceful stop: SIGTERM and SIGINT set a flag and wake whoever waits. SIGPIPE is ignored. */
#ifndef MR_BASE_STOP_H
#define MR_BASE_STOP_H

#include <stdbool.h>
#include <stdint.h>

void mr_stop_install(void);   /* before threads are started */
bool mr_stop_requested(void); /* any thread */
void mr_stop_request(void);   /* as if SIGTERM had come; any thread, async-signal-safe */
/* Sleeps up to timeout_ms (-1: for ever); true when a stop was requested. Any number of threads. */
bool mr_stop_wait(int64_t timeout_ms);
/* A descriptor that becomes readable at stop and stays so; do not read it. */
int mr_stop_fd(void);

#endif
