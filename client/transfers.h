/* What uploading and downloading many files have in common: the threads, and how it went. */
#ifndef MR_CLIENT_TRANSFERS_H
#define MR_CLIENT_TRANSFERS_H

#include <pthread.h>
#include <stdatomic.h>

#include "client/account.h"
#include "client/options.h"
#include "client/pool.h"
#include "client/progress.h"
#include "client/ui.h"

struct mr_transfers {
    const struct mr_options *options;
    struct mr_ui *ui;
    struct mr_account account;
    char *user_id;
    char *state_folder;
    struct mr_pool *pool;
    struct mr_progress *progress;
    int64_t started_ms;
    atomic_bool given_up; /* what failed would fail for every further file too */
    pthread_mutex_t lock; /* what follows */
    long done, unchanged, failed, left_out;
    int64_t bytes;
    struct mr_error first;
};

/* Loads the account and starts threads. `doing` and `state` ("uploads") outlive the run. */
enum mr_status mr_transfers_start(struct mr_transfers *t, const struct mr_options *o, struct mr_ui *ui,
                                  const char *doing, const char *state, struct mr_error *err);

/* True when the next file is not to be begun. */
bool mr_transfers_over(const struct mr_transfers *t);

void mr_transfers_done(struct mr_transfers *t, int64_t bytes);
void mr_transfers_unchanged(struct mr_transfers *t);
void mr_transfers_left_out(struct mr_transfers *t); /* was not tried: the run was over */
/* A line about one file that was done: left out where a bar tells enough about many. */
void mr_transfers_say(struct mr_transfers *t, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* Says what failed; `more` are members for --json, taken. */
void mr_transfers_failed(struct mr_transfers *t, const char *name, json_t *more, const struct mr_error *err);

/* Waits for everything, says the sum, frees; `did` is "uploaded" or "downloaded". The exit code. */
enum mr_exit mr_transfers_finish(struct mr_transfers *t, const char *did);

#endif
