/* What a handler thread is given at once: records whose lanes are free, for one call of handle_batch() or for
 * one call of handle() each. The lists are made on the polling thread; running one touches only the records.
 */
#ifndef MR_STREAM_TASK_H
#define MR_STREAM_TASK_H

#include "stream/consumer.h"
#include "stream/item.h"

struct mr_task {
    struct mr_task *next;
    struct mr_item **items;
    struct mr_record **records; /* room for the batch handler's list */
    size_t capacity;
    size_t n;
    size_t n_run;       /* records the handler was called with */
    int64_t started_ms; /* monotonic */
    int64_t took_us;
    struct mr_error why; /* of a batch that failed as a whole; class NONE otherwise */
};

struct mr_task *mr_task_new(size_t capacity);
void mr_task_free(struct mr_task **task);

/* On a handler thread. Sets every item's outcome; the bytes of what is done are released. */
void mr_task_run(struct mr_task *task, const struct mr_worker *w);

#endif
