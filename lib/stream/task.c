#include "stream/task.h"

#include <stdlib.h>

#include "base/clock.h"
#include "base/crash.h"
#include "metrics/metrics.h"
#include "stream/part.h"

/* A task is made to take about a millisecond; when a record turns out to be slow, those behind it in the task
 * are given back so that other threads can have them. */
#define SLOW_US 20000

struct mr_task *mr_task_new(size_t capacity)
{
    struct mr_task *task = calloc(1, sizeof *task);
    if (!task) {
        return NULL;
    }
    task->capacity = capacity;
    task->items = calloc(capacity, sizeof(struct mr_item *));
    task->records = calloc(capacity, sizeof(struct mr_record *));
    if (!task->items || !task->records) {
        mr_task_free(&task);
    }
    return task;
}

void mr_task_free(struct mr_task **task)
{
    struct mr_task *t = *task;
    if (t) {
        free(t->items);
        free((void *)t->records);
        free(t);
        *task = NULL;
    }
}

static bool is_gone(const struct mr_item *item)
{
    return atomic_load_explicit(&item->part->gone, memory_order_relaxed);
}

static enum mr_status decode(const struct mr_worker *w, struct mr_item *item)
{
    struct mr_error err = {0};
    item->r.decoded = NULL;
    if (!w->decode || w->decode(w->ctx, &item->r, &item->r.decoded, &err) == MR_OK) {
        return MR_OK;
    }
    item->r.decoded = NULL;
    mr_item_fail(item, &err);
    return MR_FAIL;
}

static void forget_decoded(const struct mr_worker *w, struct mr_item *item)
{
    if (item->r.decoded && w->free_decoded) {
        w->free_decoded(w->ctx, item->r.decoded);
    }
    item->r.decoded = NULL;
}

/* A handler that fails without a class could be anything, and is then taken for what can be tried again. */
static void give_class(struct mr_error *err)
{
    if (err->class == MR_CLASS_NONE) {
        err->class = MR_CLASS_RETRY;
    }
}

static void run_one(struct mr_item *item, const struct mr_worker *w)
{
    struct mr_error err = {0};
    if (decode(w, item) != MR_OK) {
        return;
    }
    mr_crash_point("consumer.before-handle");
    if (w->handle(w->ctx, &item->r, &err) == MR_OK) {
        mr_crash_point("consumer.after-handle");
        item->outcome = MR_OUTCOME_OK;
    } else {
        give_class(&err);
        mr_item_fail(item, &err);
    }
    forget_decoded(w, item);
}

static void run_each(struct mr_task *task, const struct mr_worker *w)
{
    const struct mr_lane *stopped = NULL; /* its first record failed: the next ones of it have to wait */
    int64_t start_us = mr_mono_us();
    int64_t last_us = start_us;
    for (size_t i = 0; i < task->n && last_us - start_us < SLOW_US; i++) {
        struct mr_item *item = task->items[i];
        if (item->lane == stopped || is_gone(item)) {
            continue;
        }
        run_one(item, w);
        int64_t now_us = mr_mono_us();
        mr_metric_observe(MR_M_handler_seconds, NULL, (double)(now_us - last_us) / 1e6);
        last_us = now_us;
        task->n_run++;
        if (item->outcome != MR_OUTCOME_OK) {
            stopped = item->lane;
        }
    }
    task->took_us = last_us - start_us;
}

static void call_batch(struct mr_task *task, const struct mr_worker *w)
{
    struct mr_error err = {0};
    mr_crash_point("consumer.before-handle");
    enum mr_status status = w->handle_batch(w->ctx, task->records, task->n_run, &err);
    if (status == MR_OK) {
        mr_crash_point("consumer.after-handle");
    } else {
        give_class(&err);
    }
    for (size_t i = 0; i < task->n_run; i++) {
        struct mr_item *item = task->records[i]->internal;
        forget_decoded(w, item);
        item->outcome = status == MR_OK ? MR_OUTCOME_OK : MR_OUTCOME_NONE;
        if (status != MR_OK && task->n_run == 1) {
            mr_item_fail(item, &err);
        } else if (status != MR_OK) {
            item->outcome = MR_OUTCOME_SHARED;
            task->why = err;
        }
    }
}

static void run_batch(struct mr_task *task, const struct mr_worker *w)
{
    int64_t start_us = mr_mono_us();
    for (size_t i = 0; i < task->n; i++) {
        struct mr_item *item = task->items[i];
        if (!is_gone(item) && decode(w, item) == MR_OK) {
            task->records[task->n_run++] = &item->r;
        }
    }
    if (task->n_run > 0) {
        call_batch(task, w);
    }
    task->took_us = mr_mono_us() - start_us;
    mr_metric_observe(MR_M_handler_seconds, NULL, (double)task->took_us / 1e6);
}

static void release_done(struct mr_task *task)
{
    int64_t now_ms = mr_wall_us() / 1000;
    for (size_t i = 0; i < task->n; i++) {
        struct mr_item *item = task->items[i];
        if (item->outcome == MR_OUTCOME_OK) {
            mr_metric_observe(MR_M_record_age_seconds, NULL, (double)(now_ms - item->r.timestamp_ms) / 1e3);
            mr_item_release(item);
        }
    }
}

void mr_task_run(struct mr_task *task, const struct mr_worker *w)
{
    task->n_run = 0;
    task->why = (struct mr_error){0};
    task->started_ms = mr_mono_ms();
    for (size_t i = 0; i < task->n; i++) {
        task->items[i]->outcome = MR_OUTCOME_NONE;
        task->items[i]->run_ms = task->started_ms;
    }
    if (w->handle_batch) {
        run_batch(task, w);
    } else {
        run_each(task, w);
    }
    release_done(task);
}
