/* mr-upload put together: opens what it needs, waits for what is away, runs, drains. */
#ifndef MR_UPLOAD_SERVICE_H
#define MR_UPLOAD_SERVICE_H

#include "producer/upload.h"

/* Runs until a stop is requested. MR_FAIL: it could not start, or is misconfigured. */
enum mr_status mr_service_run(const struct mr_config *cfg, struct mr_error *err);

#endif
