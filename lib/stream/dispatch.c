#include "stream/internal.h"

#include "metrics/metrics.h"

/* What a task for a per-record handler should take: long enough that hand-over costs little, short enough
 * that the records in it could not have been handled sooner elsewhere. */
#define TASK_US 1000.0
/* What a task has to take longer than, to be looked into. */
#define SLOW_MS 20

struct mr_task *mr_dispatch_task(struct mr_consumer *c)
{
    struct mr_task *task = c->free_tasks;
    if (task) {
        c->free_tasks = task->next;
        return task;
    }
    return mr_task_new(c->batch);
}

void mr_dispatch_recycle(struct mr_consumer *c, struct mr_task *task)
{
    task->n = 0;
    task->next = c->free_tasks;
    c->free_tasks = task;
}

static void give(struct mr_consumer *c, struct mr_task *task, bool urgent)
{
    task->given_prev = NULL;
    task->given_next = c->given;
    if (c->given) {
        c->given->given_prev = task;
    }
    c->given = task;
    c->tasks_out++;
    mr_task_prepare(task);
    mr_handlers_give(c->handlers, task, urgent);
}

static void returned(struct mr_consumer *c, struct mr_task *task)
{
    *(task->given_prev ? &task->given_prev->given_next : &c->given) = task->given_next;
    if (task->given_next) {
        task->given_next->given_prev = task->given_prev;
    }
    c->tasks_out--;
}

/* A record took longer than its like: those behind it in its task go to other threads. */
int64_t mr_dispatch_rescue(struct mr_consumer *c)
{
    int64_t next_ms = INT64_MAX;
    for (struct mr_task *task = c->w.handle_batch ? NULL : c->given; task; task = task->given_next) {
        int64_t started_ms = atomic_load(&task->started_ms);
        if (task->n < 2 || started_ms == 0) {
            continue;
        }
        if (c->now_ms - started_ms < SLOW_MS) {
            next_ms = started_ms + SLOW_MS < next_ms ? started_ms + SLOW_MS : next_ms;
            continue;
        }
        size_t begun = mr_task_take_back(task);
        for (size_t i = begun; i < task->n; i++) {
            mr_flight_back(c, task->items[i]);
        }
        task->n = begun;
    }
    return next_ms;
}

/* How many records the next task may have. */
static size_t task_size(const struct mr_consumer *c)
{
    if (c->w.handle_batch) {
        return c->batch;
    }
    double fits = c->record_us > 0 ? TASK_US / c->record_us : 1;
    size_t most = fits < 1 ? 1 : fits > (double)c->batch ? c->batch : (size_t)fits;
    size_t share = c->lanes.n_ready / (size_t)c->threads + 1;
    return share < most ? share : most;
}

/* Batches are made when a thread is there for them, so that they hold all there is by then. Of quick
 * per-record tasks each thread has a second one waiting, so that it never waits for this one. */
static size_t tasks_wanted(const struct mr_consumer *c)
{
    bool quick = !c->w.handle_batch && c->record_us > 0 && c->record_us < TASK_US;
    return (size_t)c->threads * (quick ? 2 : 1);
}

bool mr_dispatch(struct mr_consumer *c)
{
    bool gave = false;
    size_t per_lane = c->w.handle_batch && !c->w.batch_keeps_order ? 1 : c->batch;
    while (!c->stopping && !c->failed && !c->world.broken && c->lanes.n_ready > 0 &&
           c->tasks_out < tasks_wanted(c)) {
        struct mr_task *task = mr_dispatch_task(c);
        if (!task) {
            break;
        }
        task->n = mr_lanes_take(&c->lanes, task->items, task_size(c), per_lane, c->now_ms);
        for (size_t i = 0; i < task->n; i++) {
            mr_flight_out(c, task->items[i]);
        }
        give(c, task, false);
        gave = true;
    }
    return gave;
}

static void measure(struct mr_consumer *c, const struct mr_task *task)
{
    if (task->n_run > 0) {
        double us = (double)task->took_us / (double)task->n_run;
        c->record_us = c->record_us > 0 ? 0.8 * c->record_us + 0.2 * us : us + 0.01;
    }
}

static void give_back(struct mr_consumer *c, struct mr_task *task)
{
    for (size_t i = 0; i < task->n; i++) {
        mr_flight_back(c, task->items[i]);
    }
    mr_dispatch_recycle(c, task);
}

static void batch_failed(struct mr_consumer *c, struct mr_task *task)
{
    mr_metric_add(MR_M_record_failures, mr_error_class_name(task->why.class), 1);
    switch (task->why.class) {
    case MR_CLASS_FATAL:
        mr_failure_fatal(c, &task->why);
        break;
    case MR_CLASS_REJECT:
        mr_dispatch_bisect(c, task);
        return;
    default:
        mr_world_ask_task(c, task);
        return;
    }
    give_back(c, task);
}

void mr_dispatch_finished(struct mr_consumer *c, struct mr_task *task)
{
    size_t shared = 0;
    returned(c, task);
    measure(c, task);
    for (size_t i = 0; i < task->n; i++) {
        struct mr_item *item = task->items[i];
        item->run_ms = atomic_load(&task->started_ms);
        switch (item->outcome) {
        case MR_OUTCOME_OK:
            mr_flight_done(c, item);
            break;
        case MR_OUTCOME_NONE:
            mr_flight_back(c, item);
            break;
        case MR_OUTCOME_FAILED:
            mr_failure_of(c, item);
            break;
        case MR_OUTCOME_SHARED:
            task->items[shared++] = item;
            break;
        }
    }
    task->n = shared;
    if (shared > 0) {
        batch_failed(c, task);
    } else {
        mr_dispatch_recycle(c, task);
    }
}

static bool has_lane(const struct mr_task *task, const struct mr_lane *lane)
{
    for (size_t i = 0; i < task->n; i++) {
        if (task->items[i]->lane == lane) {
            return true;
        }
    }
    return false;
}

/* The first half is run again, and the second beside it; but of a lane that both have, what is in the second
 * waits in its lane until the first is through. */
void mr_dispatch_bisect(struct mr_consumer *c, struct mr_task *task)
{
    if (!c->handlers) { /* the last news of a program that ends: whoever is next reads them again */
        give_back(c, task);
        return;
    }
    struct mr_task *right = mr_dispatch_task(c);
    size_t n = task->n;
    task->n = n / 2;
    for (size_t i = n / 2; i < n; i++) {
        struct mr_item *item = task->items[i];
        if (!right || c->stopping || item->part->closing || has_lane(task, item->lane)) {
            mr_flight_back(c, item);
        } else {
            right->items[right->n++] = item;
        }
    }
    if (right && right->n > 0) {
        give(c, right, true);
    } else if (right) {
        mr_dispatch_recycle(c, right);
    }
    give(c, task, true);
}
