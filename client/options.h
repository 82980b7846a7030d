/* The command line: `mr [OPTION…] COMMAND [OPTION…] [ARGUMENT…]`. Commands are rows of one table
 * (commands.c); which options a command takes is part of its row, everything else is refused by name. */
#ifndef MR_CLIENT_OPTIONS_H
#define MR_CLIENT_OPTIONS_H

#include <stdbool.h>
#include <stdint.h>

#include "client/exit_code.h"

#define MR_PARALLEL_DEFAULT 4
#define MR_PARALLEL_MAX     32

struct mr_options {
    bool json;
    bool quiet;
    bool verbose;
    bool recursive;
    bool details; /* ls -l */
    bool force;
    bool no_wait;
    bool create_account;
    bool password_stdin;
    int parallel;     /* parts, or files over 1 MiB, at once */
    int64_t retry_ms; /* how long to go on trying while the server or the store is away */
    int64_t version;  /* get --at; 0: the current one */
    const char *cacert;
    const char *password_file;
    const char *email;
    const char *name;
    const char *content_type;
    char **args; /* what is left: borrowed from argv */
    int n_args;
};

struct mr_ui;

struct mr_command {
    const char *name;
    const char *arguments; /* "LOCAL... [REMOTE]" */
    const char *summary;
    const char *options; /* the letters of mr_option_table that it takes besides the general ones */
    int least, most;     /* arguments; most -1: any number */
    const char *more;    /* further text of its --help; may be NULL */
    enum mr_exit (*run)(const struct mr_options *o, struct mr_ui *ui);
};

extern const struct mr_command mr_commands[]; /* ends with a row whose name is NULL */

/* Parses, runs the command, and returns the exit code. */
enum mr_exit mr_client_main(int argc, char **argv);

#endif
