/* Hints of the store that an object is whole: a moment later the session is looked at, and if it is still
 * completing, its holder died and it is taken over without waiting for the lease. A hint that is lost costs
 * only that wait. Any thread may give one. */
#ifndef MR_UPLOAD_HINTS_H
#define MR_UPLOAD_HINTS_H

#include "producer/upload.h"

struct mr_hints;

enum mr_status mr_hints_open(const struct mr_upload *up, struct mr_hints **out, struct mr_error *err);
void mr_hints_close(struct mr_hints **h);
/* Forgets the hint when there are too many. */
void mr_hints_give(struct mr_hints *h, struct mr_uuid upload_id);

#endif
