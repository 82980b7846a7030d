#include "stream/internal.h"

#include "base/clock.h"
#include "base/log.h"
#include "metrics/metrics.h"

/* A world that breaks again this soon was not whole: the waits go on growing. */
#define STEADY_MS 10000

static void say(struct mr_consumer *c, bool broken, const char *why)
{
    mr_log(broken ? MR_LOG_WARN : MR_LOG_INFO,
           broken ? "a dependency is away: records wait" : "the dependencies answer again",
           mr_log_str("worker", c->w.name), mr_log_str("error", why));
    mr_metric_set(MR_M_consumer_paused, NULL, broken);
    atomic_store(&c->waiting, broken);
    pthread_mutex_lock(&c->why_lock);
    snprintf(c->why, sizeof c->why, "%s", why);
    pthread_mutex_unlock(&c->why_lock);
}

static void start_probe(struct mr_consumer *c)
{
    struct mr_world *w = &c->world;
    w->asking = w->asking_next;
    w->asking_tasks = w->asking_tasks_next;
    w->asking_next = NULL;
    w->asking_tasks_next = NULL;
    w->probing = true;
    mr_aside_probe(c->aside);
}

void mr_world_ask(struct mr_consumer *c, struct mr_item *item)
{
    struct mr_world *w = &c->world;
    if (w->broken || c->stopping || item->run_ms < w->recovered_ms) {
        mr_flight_back(c, item);
        return;
    }
    item->next = w->asking_next;
    w->asking_next = item;
    if (!w->probing) {
        start_probe(c);
    }
}

static void release_task(struct mr_consumer *c, struct mr_task *task)
{
    for (size_t i = 0; i < task->n; i++) {
        mr_flight_back(c, task->items[i]);
    }
    mr_dispatch_recycle(c, task);
}

void mr_world_ask_task(struct mr_consumer *c, struct mr_task *task)
{
    struct mr_world *w = &c->world;
    if (w->broken || c->stopping || atomic_load(&task->started_ms) < w->recovered_ms) {
        release_task(c, task);
        return;
    }
    task->next = w->asking_tasks_next;
    w->asking_tasks_next = task;
    if (!w->probing) {
        start_probe(c);
    }
}

void mr_world_unsent(struct mr_consumer *c, struct mr_item *item)
{
    if (c->stopping || item->part->closing) {
        mr_flight_back(c, item);
        return;
    }
    item->next = c->world.unsent;
    c->world.unsent = item;
}

static void release_items(struct mr_consumer *c, struct mr_item **list)
{
    struct mr_item *next;
    struct mr_item *item = *list;
    *list = NULL;
    for (; item; item = next) {
        next = item->next;
        mr_flight_back(c, item);
    }
}

static void release_tasks(struct mr_consumer *c, struct mr_task **list)
{
    struct mr_task *next;
    struct mr_task *task = *list;
    *list = NULL;
    for (; task; task = next) {
        next = task->next;
        release_task(c, task);
    }
}

void mr_world_release(struct mr_consumer *c)
{
    struct mr_world *w = &c->world;
    release_items(c, &w->asking);
    release_items(c, &w->asking_next);
    release_tasks(c, &w->asking_tasks);
    release_tasks(c, &w->asking_tasks_next);
    if (c->stopping) {
        release_items(c, &w->unsent);
    }
}

void mr_world_drop_closing(struct mr_consumer *c)
{
    struct mr_item *next;
    struct mr_item *item = c->world.unsent;
    c->world.unsent = NULL;
    for (; item; item = next) {
        next = item->next;
        mr_world_unsent(c, item);
    }
}

static void schedule(struct mr_consumer *c)
{
    c->world.next_probe_ms = c->now_ms + mr_backoff_ms(c->world.tries++, c->backoff_ms, c->backoff_max_ms);
}

void mr_world_broken(struct mr_consumer *c, const struct mr_error *why)
{
    struct mr_world *w = &c->world;
    if (!w->broken) {
        w->broken = true;
        if (c->now_ms - w->recovered_ms > STEADY_MS) {
            w->tries = 0;
        }
        say(c, true, why->text);
        schedule(c);
    }
    mr_world_release(c);
}

/* What waited for the world was not held up by its own fault. */
static void forgive_waiting(struct mr_consumer *c, int64_t now_ms)
{
    for (size_t i = 0; i < c->lanes.n_parked; i++) {
        if (c->lanes.parked[i]->first->parked_ms > 0) {
            c->lanes.parked[i]->first->parked_ms = now_ms;
        }
    }
}

static void recovered(struct mr_consumer *c)
{
    struct mr_world *w = &c->world;
    struct mr_item *next;
    struct mr_item *item = w->unsent;
    w->broken = false;
    w->unsent = NULL;
    w->recovered_ms = mr_mono_ms();
    say(c, false, "");
    forgive_waiting(c, w->recovered_ms);
    for (; item; item = next) {
        next = item->next;
        mr_failure_send(c, item);
    }
}

static void judge(struct mr_consumer *c)
{
    struct mr_world *w = &c->world;
    struct mr_item *item = w->asking;
    struct mr_task *task = w->asking_tasks;
    struct mr_item *next_item;
    struct mr_task *next_task;
    w->asking = NULL;
    w->asking_tasks = NULL;
    for (; item; item = next_item) {
        next_item = item->next;
        mr_failure_counts(c, item);
    }
    for (; task; task = next_task) {
        next_task = task->next;
        mr_dispatch_bisect(c, task);
    }
}

void mr_world_probed(struct mr_consumer *c, const struct mr_error *answer)
{
    struct mr_world *w = &c->world;
    w->probing = false;
    if (answer->class == MR_CLASS_FATAL) {
        mr_failure_fatal(c, answer);
        mr_world_release(c);
    } else if (answer->class != MR_CLASS_NONE && w->broken) {
        schedule(c);
    } else if (answer->class != MR_CLASS_NONE) {
        mr_world_broken(c, answer);
    } else if (w->broken) {
        recovered(c);
    } else {
        judge(c);
    }
    if (!w->broken && !w->probing && (w->asking_next || w->asking_tasks_next)) {
        start_probe(c);
    }
}

void mr_world_tick(struct mr_consumer *c, int64_t now_ms)
{
    if (c->world.broken && !c->world.probing && now_ms >= c->world.next_probe_ms) {
        start_probe(c);
    }
}
