#include "stream/task.h"

#include <stdint.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/crash.h"
#include "metrics/metrics.h"
#include "stream/part.h"

#define TAKEN_BACK (SIZE_MAX / 2)

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

void mr_task_prepare(struct mr_task *task)
{
    task->n_run = 0;
    task->why = (struct mr_error){0};
    atomic_store(&task->begun, 0);
    atomic_store(&task->started_ms, 0);
    for (size_t i = 0; i < task->n; i++) {
        task->items[i]->outcome = MR_OUTCOME_NONE;
    }
}

size_t mr_task_take_back(struct mr_task *task)
{
    size_t begun = atomic_exchange(&task->begun, TAKEN_BACK);
    return begun < task->n ? begun : task->n;
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

/* Returns how many of the list were its own: the others were taken back. */
static size_t run_each(struct mr_task *task, size_t n, const struct mr_worker *w)
{
    const struct mr_lane *stopped = NULL; /* its first record failed: the next ones of it have to wait */
    int64_t start_us = mr_mono_us();
    int64_t last_us = start_us;
    size_t own = 0;
    for (size_t i; (i = atomic_fetch_add(&task->begun, 1)) < n; own = i + 1) {
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
    return own;
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

static void release_done(struct mr_task *task, size_t n)
{
    int64_t now_ms = mr_wall_us() / 1000;
    for (size_t i = 0; i < n; i++) {
        struct mr_item *item = task->items[i];
        if (item->outcome != MR_OUTCOME_OK) {
            continue;
        }
        if (item->r.timestamp_ms > 0) {
            mr_metric_observe(MR_M_record_age_seconds, NULL, (double)(now_ms - item->r.timestamp_ms) / 1e3);
        }
        mr_item_release(item);
    }
}

void mr_task_run(struct mr_task *task, const struct mr_worker *w)
{
    size_t own = task->n; /* read before it counts as started: what is taken back then shortens the list */
    atomic_store(&task->started_ms, mr_mono_ms());
    if (w->handle_batch) {
        run_batch(task, w);
    } else {
        own = run_each(task, own, w);
    }
    release_done(task, own);
}
