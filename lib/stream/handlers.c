#include "stream/handlers.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

struct mr_handlers {
    const struct mr_worker *worker;
    struct mr_mailbox *box;
    pthread_mutex_t lock;
    pthread_cond_t work;
    struct mr_task *first;
    struct mr_task *last;
    bool stopping;
    int n_threads;
    pthread_t threads[];
};

static struct mr_task *next_task(struct mr_handlers *h)
{
    pthread_mutex_lock(&h->lock);
    while (!h->first && !h->stopping) {
        pthread_cond_wait(&h->work, &h->lock);
    }
    struct mr_task *task = h->first;
    if (task) {
        h->first = task->next;
        h->last = h->first ? h->last : NULL;
    }
    pthread_mutex_unlock(&h->lock);
    return task;
}

static void *serve(void *arg)
{
    struct mr_handlers *h = arg;
    for (struct mr_task *task = next_task(h); task; task = next_task(h)) {
        mr_task_run(task, h->worker);
        mr_mailbox_task(h->box, task);
    }
    return NULL;
}

enum mr_status mr_handlers_start(const struct mr_worker *w, int threads, struct mr_mailbox *box,
                                 struct mr_handlers **out, struct mr_error *err)
{
    struct mr_handlers *h = calloc(1, sizeof *h + (size_t)threads * sizeof h->threads[0]);
    *out = NULL;
    if (!h) {
        return mr_error_set(err, MR_CLASS_RETRY, 0, "out of memory for handler threads");
    }
    h->worker = w;
    h->box = box;
    pthread_mutex_init(&h->lock, NULL);
    pthread_cond_init(&h->work, NULL);
    for (int i = 0; i < threads; i++) {
        int status = pthread_create(&h->threads[i], NULL, serve, h);
        if (status != 0) {
            mr_handlers_stop(&h);
            return mr_error_set(err, MR_CLASS_RETRY, status, "cannot start a handler thread: %s",
                                strerror(status));
        }
        h->n_threads++;
    }
    *out = h;
    return MR_OK;
}

void mr_handlers_stop(struct mr_handlers **handlers)
{
    struct mr_handlers *h = *handlers;
    if (!h) {
        return;
    }
    pthread_mutex_lock(&h->lock);
    h->stopping = true;
    pthread_cond_broadcast(&h->work);
    pthread_mutex_unlock(&h->lock);
    for (int i = 0; i < h->n_threads; i++) {
        pthread_join(h->threads[i], NULL);
    }
    pthread_cond_destroy(&h->work);
    pthread_mutex_destroy(&h->lock);
    free(h);
    *handlers = NULL;
}

void mr_handlers_give(struct mr_handlers *h, struct mr_task *task, bool urgent)
{
    pthread_mutex_lock(&h->lock);
    if (urgent) {
        task->next = h->first;
        h->first = task;
        h->last = h->last ? h->last : task;
    } else {
        task->next = NULL;
        *(h->last ? &h->last->next : &h->first) = task;
        h->last = task;
    }
    pthread_cond_signal(&h->work);
    pthread_mutex_unlock(&h->lock);
}
