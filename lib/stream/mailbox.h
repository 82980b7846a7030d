/* What other threads tell the polling thread: tasks that were run, letters that were acknowledged (or not),
 * failures that the worker was told of, and what the probes said. Any thread posts; the polling thread takes
 * it all at once. */
#ifndef MR_STREAM_MAILBOX_H
#define MR_STREAM_MAILBOX_H

#include <pthread.h>

#include "base/error.h"
#include "stream/item.h"
#include "stream/task.h"

struct mr_mail {
    struct mr_task *tasks; /* in the order they came, as all of these */
    struct mr_task *tasks_end;
    struct mr_item *sent;
    struct mr_item *sent_end;
    struct mr_item *told;
    struct mr_item *told_end;
    bool probed;
    struct mr_error probe; /* class NONE: all dependencies answer */
};

struct mr_mailbox {
    pthread_mutex_t lock;
    struct mr_mail mail;
    bool woken;
    int fd; /* an eventfd, readable while there is mail; librdkafka's queues write to it too */
};

enum mr_status mr_mailbox_open(struct mr_mailbox *box, struct mr_error *err);
void mr_mailbox_close(struct mr_mailbox *box);

void mr_mailbox_task(struct mr_mailbox *box, struct mr_task *task);
void mr_mailbox_sent(struct mr_mailbox *box, struct mr_item *item);
void mr_mailbox_told(struct mr_mailbox *box, struct mr_item *item);
void mr_mailbox_probed(struct mr_mailbox *box, enum mr_status status, const struct mr_error *err);
/* Makes the descriptor readable, with nothing to take. */
void mr_mailbox_wake(struct mr_mailbox *box);

/* Takes everything; true when there was something. */
bool mr_mailbox_take(struct mr_mailbox *box, struct mr_mail *out);

#endif
