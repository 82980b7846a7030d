/* What ends the program while it runs: a producer that librdkafka calls broken for good. Any thread may set
 * it; the first reason is kept, the stop is asked for, and the program ends with it. */
#ifndef MR_UPLOAD_BROKEN_H
#define MR_UPLOAD_BROKEN_H

#include <pthread.h>
#include <stdbool.h>

#include "base/error.h"

struct mr_broken {
    pthread_mutex_t lock; /* guards the rest */
    bool is;
    struct mr_error why;
};

void mr_broken_init(struct mr_broken *b);
void mr_broken_free(struct mr_broken *b);

/* Does nothing for an error that is not MR_CLASS_FATAL. */
void mr_broken_note(struct mr_broken *b, const struct mr_error *err);
/* False, and *why untouched, while nothing is broken. */
bool mr_broken_get(struct mr_broken *b, struct mr_error *why);

#endif
