#include "base/daemon.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/crash.h"
#include "base/log.h"
#include "base/stop.h"

#define EXIT_CONFIGURATION 2
#define EXIT_FATAL         70 /* EX_SOFTWARE of sysexits.h: starting it again will not help */
#define EXIT_RETRY         75 /* EX_TEMPFAIL */

static void print_kill_points(const struct mr_daemon *d, int argc, char **argv)
{
    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--kill-points") != 0)
            continue;
        for (const char *const *p = d->kill_points; p && *p; p++)
            puts(*p);
        exit(fflush(stdout) == 0 ? 0 : 1);
    }
}

static enum mr_log_level level_of(const char *name)
{
    if (strcmp(name, "debug") == 0)
        return MR_LOG_DEBUG;
    if (strcmp(name, "warn") == 0)
        return MR_LOG_WARN;
    return strcmp(name, "error") == 0 ? MR_LOG_ERROR : MR_LOG_INFO;
}

void mr_daemon_start(const struct mr_daemon *d, int argc, char **argv, struct mr_config *cfg)
{
    struct mr_error err;
    print_kill_points(d, argc, argv);
    if (mr_config_load(cfg, d->program, d->name, d->summary, argc, argv, NULL, NULL, &err) != MR_OK) {
        fprintf(stderr, "%s: %s\n", d->name, err.text);
        exit(EXIT_CONFIGURATION);
    }
    mr_log_open(d->name, level_of(cfg->log_level));
    mr_crash_open(d->kill_points);
    mr_stop_install();
    mr_log(MR_LOG_INFO, "starting", mr_log_str("version", MR_VERSION));
}

int mr_daemon_fail(const struct mr_daemon *d, const struct mr_error *err)
{
    (void)d; /* the log already knows the program's name */
    mr_log(MR_LOG_ERROR, err->text, mr_log_str("class", mr_error_class_name(err->class)),
           mr_log_int("code", err->code));
    return err->class == MR_CLASS_FATAL ? EXIT_FATAL : EXIT_RETRY;
}
