/* What a handler thread is given at once: records whose lanes are free, for one call of handle_batch() or for
 * one call of handle() each. The lists are made on the polling thread; running one touches only the records.
 */
#ifndef MR_STREAM_TASK_H
#define MR_STREAM_TASK_H

#include <stdatomic.h>

#include "stream/consumer.h"
#include "stream/item.h"

struct mr_task {
    struct mr_task *next;
    struct mr_task *given_prev; /* among those given to handlers */
    struct mr_task *given_next;
    struct mr_item **items;
    struct mr_record **records; /* room for the batch handler's list */
    size_t capacity;
    size_t n;
    size_t n_run; /* records the handler was called with */
    /* Records that a per-record handler has begun with; past n once the rest was taken back. */
    atomic_size_t begun;
    atomic_llong started_ms; /* monotonic; 0: it waits for a thread */
    int64_t took_us;
    struct mr_error why; /* of a batch that failed as a whole; class NONE otherwise */
};

struct mr_task *mr_task_new(size_t capacity);
void mr_task_free(struct mr_task **task);

/* Readies a task whose list is complete. */
void mr_task_prepare(struct mr_task *task);

/* Takes back the records that were not begun, while the task runs on another thread: returns where they start
 * in the list. For tasks of per-record handlers. */
size_t mr_task_take_back(struct mr_task *task);

/* On a handler thread. Sets every item's outcome; the bytes of what is done are released. */
void mr_task_run(struct mr_task *task, const struct mr_worker *w);

#endif
