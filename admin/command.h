/* mr-admin's command line: `mr-admin [--SETTING VALUE]... COMMAND [SUBCOMMAND] [ARGUMENT]... [--OPTION]...`.
 *
 * A command has options of its own; every other --flag is a setting (base/config.h). Exit statuses: 0 done, 1
 * the check failed, something differs or was refused, 2 the command line or a setting is wrong, 75 a
 * dependency is away (sysexits.h: EX_TEMPFAIL). One thread. */
#ifndef MR_ADMIN_COMMAND_H
#define MR_ADMIN_COMMAND_H

#include <stdbool.h>
#include <stdint.h>

#include "base/config.h"
#include "base/error.h"

enum {
    MR_ADMIN_OK = 0,
    MR_ADMIN_DIFFERS = 1, /* what differs has been printed */
    MR_ADMIN_USAGE = 2,
    MR_ADMIN_AWAY = 75,
    MR_ADMIN_RUN = -1,   /* parsed: run the command */
    MR_ADMIN_FAIL = -2,  /* *err says why */
    MR_ADMIN_MISUSE = -3 /* *err says what is wrong with the command line */
};

/* Options of commands, as bits of what one takes. */
enum mr_admin_option {
    MR_OPT_JSON = 1 << 0,
    MR_OPT_PROFILE = 1 << 1,
    MR_OPT_WORKER = 1 << 2,
    MR_OPT_PARTITION = 1 << 3,
    MR_OPT_OFFSET = 1 << 4,
    MR_OPT_ALL = 1 << 5,
    MR_OPT_YES = 1 << 6,
    MR_OPT_NAME = 1 << 7,
    MR_OPT_PASSWORD_FILE = 1 << 8,
    MR_OPT_EXPIRES = 1 << 9,
};

struct mr_admin_options {
    unsigned given; /* enum mr_admin_option */
    const char *profile;
    const char *worker;
    const char *partition;
    const char *offset;
    const char *name;
    const char *password_file;
    const char *expires;
};

#define MR_ADMIN_ARGS_MAX 64

struct mr_admin;

struct mr_admin_command {
    const char *name;      /* "topics apply" */
    const char *arguments; /* for --help */
    const char *summary;
    const char *help;
    unsigned options;
    int min_args, max_args;
    /* One of the statuses above, MR_ADMIN_RUN excluded. */
    int (*run)(struct mr_admin *a, struct mr_error *err);
};

struct mr_admin {
    struct mr_config cfg;
    const struct mr_admin_command *command;
    struct mr_admin_options opt;
    const char *args[MR_ADMIN_ARGS_MAX];
    int n_args;
};

extern const struct mr_admin_command mr_admin_commands[];
extern const int mr_admin_commands_count;

/* MR_ADMIN_RUN, or the status to end with (help was printed, or *err says what is wrong). */
int mr_admin_parse(struct mr_admin *a, int argc, char **argv, struct mr_error *err);
/* Prints *err where the status asks for it; returns the exit status. */
int mr_admin_finish(const struct mr_admin *a, int status, const struct mr_error *err);

static inline bool mr_admin_given(const struct mr_admin *a, enum mr_admin_option o)
{
    return (a->opt.given & (unsigned)o) != 0;
}

/* A number in [low, high]; REJECT says that it is not `what` ("a partition"). */
enum mr_status mr_admin_number(const char *text, const char *what, int64_t low, int64_t high, int64_t *out,
                               struct mr_error *err);

#endif
