#include "client/pool.h"

#include <pthread.h>
#include <stdbool.h>
#include <stdlib.h>

#define QUEUED_FILES_MAX 4096

struct task {
    struct task *next;
    mr_task_fn fn;
    void *arg;
    int number;
};

struct queue {
    struct task *first, *last;
    int n;
};

struct mr_pool {
    pthread_mutex_t lock;
    pthread_cond_t work[MR_LANES];
    pthread_cond_t less; /* queue shorter, or nothing left */
    struct queue parts;  /* for the large lane */
    struct queue files[MR_LANES];
    long unfinished; /* queued or running */
    bool end;
    struct mr_web_options web;
    pthread_t *threads;
    int n_threads;
};

struct start {
    struct mr_pool *pool;
    enum mr_lane lane;
};

char *mr_worker_buffer(struct mr_worker *w, size_t n)
{
    if (n <= w->buffer_size && w->buffer)
        return w->buffer;
    free(w->buffer);
    w->buffer_size = n > 0 ? n : 1;
    w->buffer = malloc(w->buffer_size);
    if (!w->buffer)
        abort();
    return w->buffer;
}

static void push(struct queue *q, mr_task_fn fn, void *arg, int number)
{
    struct task *t = malloc(sizeof(*t));
    if (!t)
        abort();
    *t = (struct task){NULL, fn, arg, number};
    if (q->last)
        q->last->next = t;
    else
        q->first = t;
    q->last = t;
    q->n++;
}

static struct task *pop(struct queue *q)
{
    struct task *t = q->first;
    if (!t)
        return NULL;
    q->first = t->next;
    if (!q->first)
        q->last = NULL;
    q->n--;
    return t;
}

/* With the lock held; NULL once the pool ends. */
static struct task *next_task(struct mr_pool *p, enum mr_lane lane)
{
    for (;;) {
        struct task *t = lane == MR_LANE_LARGE ? pop(&p->parts) : NULL;
        if (!t)
            t = pop(&p->files[lane]);
        if (t || p->end)
            return t;
        pthread_cond_wait(&p->work[lane], &p->lock);
    }
}

static void *work(void *arg)
{
    struct start start = *(struct start *)arg;
    struct mr_pool *p = start.pool;
    free(arg);
    struct mr_worker w = {.web = mr_web_open(&p->web)};
    pthread_mutex_lock(&p->lock);
    for (struct task *t; (t = next_task(p, start.lane));) {
        pthread_cond_broadcast(&p->less);
        pthread_mutex_unlock(&p->lock);
        t->fn(t->arg, t->number, &w);
        free(t);
        pthread_mutex_lock(&p->lock);
        if (--p->unfinished == 0)
            pthread_cond_broadcast(&p->less);
    }
    pthread_mutex_unlock(&p->lock);
    mr_web_close(&w.web);
    free(w.buffer);
    return NULL;
}

static void start_thread(struct mr_pool *p, enum mr_lane lane)
{
    struct start *start = malloc(sizeof(*start));
    if (!start)
        abort();
    *start = (struct start){p, lane};
    if (pthread_create(&p->threads[p->n_threads], NULL, work, start) != 0)
        abort();
    p->n_threads++;
}

struct mr_pool *mr_pool_start(int large_threads, int small_threads, const struct mr_web_options *web)
{
    struct mr_pool *p = calloc(1, sizeof(*p));
    if (!p || !(p->threads = calloc((size_t)(large_threads + small_threads), sizeof(*p->threads))))
        abort();
    p->web = *web;
    pthread_mutex_init(&p->lock, NULL);
    pthread_cond_init(&p->less, NULL);
    for (int lane = 0; lane < MR_LANES; lane++)
        pthread_cond_init(&p->work[lane], NULL);
    for (int i = 0; i < large_threads; i++)
        start_thread(p, MR_LANE_LARGE);
    for (int i = 0; i < small_threads; i++)
        start_thread(p, MR_LANE_SMALL);
    return p;
}

void mr_pool_finish(struct mr_pool **pool)
{
    struct mr_pool *p = *pool;
    pthread_mutex_lock(&p->lock);
    while (p->unfinished > 0)
        pthread_cond_wait(&p->less, &p->lock);
    p->end = true;
    for (int lane = 0; lane < MR_LANES; lane++)
        pthread_cond_broadcast(&p->work[lane]);
    pthread_mutex_unlock(&p->lock);
    for (int i = 0; i < p->n_threads; i++)
        pthread_join(p->threads[i], NULL);
    for (int lane = 0; lane < MR_LANES; lane++)
        pthread_cond_destroy(&p->work[lane]);
    pthread_cond_destroy(&p->less);
    pthread_mutex_destroy(&p->lock);
    free(p->threads);
    free(p);
    *pool = NULL;
}

void mr_pool_add(struct mr_pool *p, enum mr_lane lane, mr_task_fn fn, void *arg)
{
    pthread_mutex_lock(&p->lock);
    while (p->files[lane].n >= QUEUED_FILES_MAX)
        pthread_cond_wait(&p->less, &p->lock);
    push(&p->files[lane], fn, arg, 0);
    p->unfinished++;
    pthread_cond_signal(&p->work[lane]);
    pthread_mutex_unlock(&p->lock);
}

void mr_pool_add_part(struct mr_pool *p, mr_task_fn fn, void *arg, int number)
{
    pthread_mutex_lock(&p->lock);
    push(&p->parts, fn, arg, number);
    p->unfinished++;
    pthread_cond_signal(&p->work[MR_LANE_LARGE]);
    pthread_mutex_unlock(&p->lock);
}
