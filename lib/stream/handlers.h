/* The handler threads: they take tasks from a queue and post them to the mailbox when they were run. */
#ifndef MR_STREAM_HANDLERS_H
#define MR_STREAM_HANDLERS_H

#include "stream/mailbox.h"
#include "stream/task.h"

struct mr_handlers;

enum mr_status mr_handlers_start(const struct mr_worker *w, int threads, struct mr_mailbox *box,
                                 struct mr_handlers **out, struct mr_error *err);
/* Waits for what is running. */
void mr_handlers_stop(struct mr_handlers **handlers);

/* From the polling thread. Urgent tasks come before those that wait. */
void mr_handlers_give(struct mr_handlers *h, struct mr_task *task, bool urgent);

#endif
