/* What `mr` tells the shell. docs/client.md lists the same. */
#ifndef MR_CLIENT_EXIT_CODE_H
#define MR_CLIENT_EXIT_CODE_H

#include "base/error.h"

enum mr_exit {
    MR_EXIT_OK = 0,
    MR_EXIT_FAILED = 1, /* some files failed, or the request was refused as it is */
    MR_EXIT_USAGE = 2,
    MR_EXIT_DENIED = 3,      /* not logged in, or not allowed */
    MR_EXIT_NOT_FOUND = 4,   /* a remote path or a local file that is not there */
    MR_EXIT_CONFLICT = 5,    /* something else is there already */
    MR_EXIT_UNAVAILABLE = 6, /* server or store away, for as long as was waited */
    MR_EXIT_INTERRUPTED = 130,
};

/* The client's errors carry an HTTP status or an errno as code; ECANCELED is Ctrl-C. */
enum mr_exit mr_exit_of(const struct mr_error *err);

/* Fills *err for an interruption. Returns MR_FAIL. */
enum mr_status mr_error_interrupted(struct mr_error *err);

/* Fills *err as "<doing> <what>: <strerror>", REJECT with errno as code. Returns MR_FAIL. */
enum mr_status mr_error_errno(struct mr_error *err, const char *doing, const char *what);

#endif
