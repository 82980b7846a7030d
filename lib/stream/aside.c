#include "stream/aside.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "stream/part.h"

struct mr_aside {
    const struct mr_worker *worker;
    struct mr_producer *producer;
    struct mr_mailbox *box;
    pthread_t thread;
    pthread_mutex_t lock;
    pthread_cond_t work;
    struct mr_item *first;
    struct mr_item *last;
    bool probe;
    bool stopping;
};

static void probe(struct mr_aside *a)
{
    struct mr_error err = {0};
    enum mr_status status = a->worker->probe ? a->worker->probe(a->worker->ctx, &err) : MR_OK;
    if (status == MR_OK) {
        status = mr_producer_probe(a->producer, &err);
    }
    mr_mailbox_probed(a->box, status, &err);
}

static void tell(struct mr_aside *a, struct mr_item *item)
{
    static const struct mr_error no_memory = {MR_CLASS_RETRY, 0, "out of memory for the reason"};
    int64_t next_us = 0;
    if (item->letter != MR_LETTER_DEAD) {
        next_us = mr_wall_us() + (item->not_before_ms - mr_mono_ms()) * 1000;
    }
    a->worker->failed(a->worker->ctx, &item->r, item->why ? item->why : &no_memory, next_us);
    mr_mailbox_told(a->box, item);
}

static void *serve(void *arg)
{
    struct mr_aside *a = arg;
    pthread_mutex_lock(&a->lock);
    for (;;) {
        while (!a->probe && !a->first && !a->stopping) {
            pthread_cond_wait(&a->work, &a->lock);
        }
        if (a->stopping) {
            break;
        }
        bool asked = a->probe;
        struct mr_item *item = asked ? NULL : a->first;
        a->probe = false;
        if (item) {
            a->first = item->next;
            a->last = a->first ? a->last : NULL;
        }
        pthread_mutex_unlock(&a->lock);
        if (asked) {
            probe(a);
        } else {
            tell(a, item);
        }
        pthread_mutex_lock(&a->lock);
    }
    pthread_mutex_unlock(&a->lock);
    return NULL;
}

enum mr_status mr_aside_start(const struct mr_worker *w, struct mr_producer *producer, struct mr_mailbox *box,
                              struct mr_aside **out, struct mr_error *err)
{
    struct mr_aside *a = calloc(1, sizeof *a);
    *out = NULL;
    if (!a) {
        return mr_error_set(err, MR_CLASS_RETRY, 0, "out of memory for the aside thread");
    }
    a->worker = w;
    a->producer = producer;
    a->box = box;
    pthread_mutex_init(&a->lock, NULL);
    pthread_cond_init(&a->work, NULL);
    int status = pthread_create(&a->thread, NULL, serve, a);
    if (status != 0) {
        free(a);
        return mr_error_set(err, MR_CLASS_RETRY, status, "cannot start the aside thread: %s",
                            strerror(status));
    }
    *out = a;
    return MR_OK;
}

void mr_aside_stop(struct mr_aside **aside)
{
    struct mr_aside *a = *aside;
    if (!a) {
        return;
    }
    pthread_mutex_lock(&a->lock);
    a->stopping = true;
    pthread_cond_signal(&a->work);
    pthread_mutex_unlock(&a->lock);
    pthread_join(a->thread, NULL);
    for (struct mr_item *item = a->first, *next; item; item = next) {
        next = item->next;
        mr_mailbox_told(a->box, item);
    }
    pthread_cond_destroy(&a->work);
    pthread_mutex_destroy(&a->lock);
    free(a);
    *aside = NULL;
}

void mr_aside_probe(struct mr_aside *a)
{
    pthread_mutex_lock(&a->lock);
    a->probe = true;
    pthread_cond_signal(&a->work);
    pthread_mutex_unlock(&a->lock);
}

void mr_aside_tell(struct mr_aside *a, struct mr_item *item)
{
    pthread_mutex_lock(&a->lock);
    item->next = NULL;
    *(a->last ? &a->last->next : &a->first) = item;
    a->last = item;
    pthread_cond_signal(&a->work);
    pthread_mutex_unlock(&a->lock);
}
