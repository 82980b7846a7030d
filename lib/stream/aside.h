/* One thread for what may take long and is no handler: asking the dependencies' probes, and telling the
 * worker about failures. Probes come first. Results go to the mailbox. */
#ifndef MR_STREAM_ASIDE_H
#define MR_STREAM_ASIDE_H

#include "stream/mailbox.h"
#include "stream/producer.h"

struct mr_aside;

enum mr_status mr_aside_start(const struct mr_worker *w, struct mr_producer *producer, struct mr_mailbox *box,
                              struct mr_aside **out, struct mr_error *err);
/* Waits for what is being asked or told; what waits behind it is posted as told without being told. */
void mr_aside_stop(struct mr_aside **aside);

/* One answer is posted for each time this is called. */
void mr_aside_probe(struct mr_aside *a);
/* Calls the worker's failed() with item->why. */
void mr_aside_tell(struct mr_aside *a, struct mr_item *item);

#endif
