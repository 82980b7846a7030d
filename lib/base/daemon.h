/* What every main() does first: configuration, log, kill points, stop signals; so that a daemon's main() is
 * parse, open, run, close. Exits with one clear line (status 2) when the configuration is refused. */
#ifndef MR_BASE_DAEMON_H
#define MR_BASE_DAEMON_H

#include "base/config.h"

struct mr_daemon {
    enum mr_program program;
    const char *name;               /* "mr-upload" */
    const char *summary;            /* one line for --help */
    const char *const *kill_points; /* NULL-terminated; printed by --kill-points */
};

void mr_daemon_start(const struct mr_daemon *d, int argc, char **argv, struct mr_config *cfg);

/* Logs the error as the program's last word and returns the exit status for it (70 for FATAL, 75 else). */
int mr_daemon_fail(const struct mr_daemon *d, const struct mr_error *err);

#endif
