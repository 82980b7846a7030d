/* Runs a function in a process of its own, for what ends a process or prints. */
#ifndef MR_TEST_CHILD_H
#define MR_TEST_CHILD_H

#define CHILD_TEXT_MAX 262144

struct child {
    int exit_status;          /* -1 when a signal ended it */
    int signal;               /* 0 when it exited */
    char out[CHILD_TEXT_MAX]; /* stdout */
    char err[CHILD_TEXT_MAX]; /* stderr */
};

/* The child exits with 0 when fn returns. */
void child_run(void (*fn)(void *ctx), void *ctx, struct child *result);

#endif
