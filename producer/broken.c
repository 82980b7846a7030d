#include "producer/broken.h"

#include "base/stop.h"

void mr_broken_init(struct mr_broken *b)
{
    *b = (struct mr_broken){.is = false};
    pthread_mutex_init(&b->lock, NULL);
}

void mr_broken_free(struct mr_broken *b)
{
    pthread_mutex_destroy(&b->lock);
}

void mr_broken_note(struct mr_broken *b, const struct mr_error *err)
{
    if (err->class != MR_CLASS_FATAL)
        return;
    pthread_mutex_lock(&b->lock);
    if (!b->is)
        b->why = *err;
    b->is = true;
    pthread_mutex_unlock(&b->lock);
    mr_stop_request();
}

bool mr_broken_get(struct mr_broken *b, struct mr_error *why)
{
    pthread_mutex_lock(&b->lock);
    bool is = b->is;
    if (is)
        *why = b->why;
    pthread_mutex_unlock(&b->lock);
    return is;
}
