/* Threads that move files: a few for what is large (parts, files over 1 MiB), more for small files, whose
 * time goes into waiting for answers. Each has its own connections and one buffer for a part. */
#ifndef MR_CLIENT_POOL_H
#define MR_CLIENT_POOL_H

#include <stddef.h>

#include "client/web.h"

#define MR_SMALL_FILE_MAX (1LL << 20)
/* The largest part that is kept in memory between hashing and sending; larger ones are read twice. */
#define MR_BUFFER_SIZE (16LL << 20)

struct mr_pool;

struct mr_worker {
    struct mr_web *web;
    char *buffer;
    size_t buffer_size;
};

/* A buffer of at least n bytes, the worker's until the task ends. */
char *mr_worker_buffer(struct mr_worker *w, size_t n);

typedef void (*mr_task_fn)(void *arg, int number, struct mr_worker *w);

enum mr_lane { MR_LANE_LARGE, MR_LANE_SMALL, MR_LANES };

struct mr_pool *mr_pool_start(int large_threads, int small_threads, const struct mr_web_options *web);
/* Waits for all tasks, the ones added meanwhile too, and ends the threads. */
void mr_pool_finish(struct mr_pool **p);

/* A file to begin: waits while many are queued. From the thread that made the pool only. */
void mr_pool_add(struct mr_pool *p, enum mr_lane lane, mr_task_fn fn, void *arg);
/* A part of a file that was begun: goes before all files. From any thread; never waits. */
void mr_pool_add_part(struct mr_pool *p, mr_task_fn fn, void *arg, int number);

#endif
