#include "client/options.h"

#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/stop.h"
#include "client/ui.h"
#include "client/web.h"

struct option_row {
    char letter; /* capitals have no short form */
    const char *name;
    const char *argument; /* NULL: takes none */
    const char *help;
};

static const struct option_row option_rows[] = {
    {'h', "help", NULL, "show this help"},
    {'v', "verbose", NULL, "say more about what is done"},
    {'q', "quiet", NULL, "say nothing but errors"},
    {'J', "json", NULL, "write JSON: one document, or one line for each file"},
    {'C', "cacert", "FILE", "certificates to trust instead of the system's (also MILLRACE_CACERT)"},
    {'T', "retry", "SECONDS", "how long to go on trying while the server or the store is away (30)"},
    {'r', "recursive", NULL, "folders with everything in them"},
    {'l', "long", NULL, "sizes, versions, states and times too"},
    {'f', "force", NULL, "get: overwrite files that differ; upload: send what is there already too"},
    {'j', "parallel", "N", "parts, or files over 1 MiB, at once (4); small files go 4 x N at once"},
    {'W', "no-wait", NULL, "do not wait until the metadata can be read"},
    {'t', "content-type", "TYPE", "content type of the files (guessed from their names)"},
    {'A', "at", "VERSION", "this version instead of the current one"},
    {'E', "email", "ADDRESS", "e-mail address of the account (asked for)"},
    {'R', "register", NULL, "create the account first"},
    {'N', "name", "NAME", "name of the new account's owner (with --register)"},
    {'P', "password-stdin", NULL, "read the password from standard input"},
    {'F', "password-file", "FILE", "read the password from a file"},
};

#define OPTION_ROWS (sizeof(option_rows) / sizeof(option_rows[0]))
static const char general_options[] = "hvqJCT";

static bool has_short_form(char letter)
{
    return letter >= 'a' && letter <= 'z';
}

static bool takes(const struct mr_command *c, char letter)
{
    return strchr(general_options, letter) || strchr(c->options, letter);
}

static void print_option(const struct option_row *row)
{
    char left[40];
    char dash[5] = "    ";
    if (has_short_form(row->letter))
        snprintf(dash, sizeof(dash), "-%c, ", row->letter);
    snprintf(left, sizeof(left), "%s--%s%s%s", dash, row->name, row->argument ? " " : "",
             row->argument ? row->argument : "");
    printf("  %-28s %s\n", left, row->help);
}

static void print_general_help(void)
{
    printf(
        "Usage: mr COMMAND [OPTION...] [ARGUMENT...]\n\nUploads files to a Millrace server and fetches them "
        "back.\n\n");
    for (const struct mr_command *c = mr_commands; c->name; c++)
        printf("  %-9s %-22s %s\n", c->name, c->arguments, c->summary);
    printf("\nOptions of every command:\n");
    for (size_t i = 0; i < OPTION_ROWS; i++)
        if (strchr(general_options, option_rows[i].letter))
            print_option(&option_rows[i]);
    printf(
        "      --version                show the version of mr\n"
        "\nMILLRACE_URL and MILLRACE_TOKEN stand in for a login.\n"
        "Exit codes: 0 done, 1 some files failed, 2 usage, 3 not logged in or not allowed, 4 not found,\n"
        "5 conflict, 6 server or store unavailable, 130 interrupted (run the same command again to go on).\n"
        "`mr COMMAND --help` tells more.\n");
}

static void print_command_help(const struct mr_command *c)
{
    printf("Usage: mr %s [OPTION...] %s\n\n%s.\n%s%s\nOptions:\n", c->name, c->arguments, c->summary,
           c->more ? "\n" : "", c->more ? c->more : "");
    for (size_t i = 0; i < OPTION_ROWS; i++)
        if (takes(c, option_rows[i].letter))
            print_option(&option_rows[i]);
}

/* False with a line on stderr when the text is not a number in the range. */
static bool parse_number(const char *option, const char *text, int64_t low, int64_t high, int64_t *out)
{
    char *end;
    errno = 0;
    long long n = strtoll(text, &end, 10);
    if (errno != 0 || end == text || *end != '\0' || n < low || n > high) {
        fprintf(stderr, "mr: --%s wants a number from %lld to %lld\n", option, (long long)low,
                (long long)high);
        return false;
    }
    *out = n;
    return true;
}

static bool set_number(struct mr_options *o, char letter, const char *text)
{
    int64_t n;
    switch (letter) {
    case 'j':
        if (!parse_number("parallel", text, 1, MR_PARALLEL_MAX, &n))
            return false;
        o->parallel = (int)n;
        return true;
    case 'T':
        if (!parse_number("retry", text, 0, 86400, &n))
            return false;
        o->retry_ms = n * 1000;
        return true;
    default:
        return parse_number("at", text, 1, INT64_MAX, &o->version);
    }
}

static bool set_option(struct mr_options *o, char letter, const char *argument)
{
    const struct {
        char letter;
        bool *flag;
    } flags[] = {{'v', &o->verbose},   {'q', &o->quiet},          {'J', &o->json},
                 {'r', &o->recursive}, {'l', &o->details},        {'f', &o->force},
                 {'W', &o->no_wait},   {'R', &o->create_account}, {'P', &o->password_stdin}};
    const struct {
        char letter;
        const char **text;
    } texts[] = {{'C', &o->cacert},
                 {'t', &o->content_type},
                 {'E', &o->email},
                 {'N', &o->name},
                 {'F', &o->password_file}};
    for (size_t i = 0; i < sizeof(flags) / sizeof(flags[0]); i++)
        if (flags[i].letter == letter)
            return *flags[i].flag = true;
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
        if (texts[i].letter == letter) {
            *texts[i].text = argument;
            return true;
        }
    return set_number(o, letter, argument);
}

/* Fills getopt's tables from ours. */
static void getopt_tables(struct option *longs, char *shorts)
{
    size_t at = 0;
    for (size_t i = 0; i < OPTION_ROWS; i++) {
        const struct option_row *row = &option_rows[i];
        longs[i] =
            (struct option){row->name, row->argument ? required_argument : no_argument, NULL, row->letter};
        if (!has_short_form(row->letter))
            continue;
        shorts[at++] = row->letter;
        if (row->argument)
            shorts[at++] = ':';
    }
    shorts[at] = '\0';
    longs[OPTION_ROWS] = (struct option){0};
}

static enum mr_exit usage(const struct mr_command *c)
{
    fprintf(stderr, "mr: try `mr %s%s--help`\n", c ? c->name : "", c ? " " : "");
    return MR_EXIT_USAGE;
}

/* -1: go on and run the command; else the exit code. */
static int parse_command(const struct mr_command *c, int argc, char **argv, struct mr_options *o)
{
    struct option longs[OPTION_ROWS + 1];
    char shorts[2 * OPTION_ROWS + 1];
    char label[32]; /* what getopt puts before its complaints */
    int letter;
    snprintf(label, sizeof(label), "mr %s", c->name);
    argv[0] = label;
    getopt_tables(longs, shorts);
    optind = 0; /* GNU: start anew */
    while ((letter = getopt_long(argc, argv, shorts, longs, NULL)) != -1) {
        if (letter == '?')
            return usage(c);
        if (!takes(c, (char)letter)) {
            fprintf(stderr, "mr %s: takes no option %s\n", c->name, argv[optind - 1]);
            return usage(c);
        }
        if (letter == 'h') {
            print_command_help(c);
            return MR_EXIT_OK;
        }
        if (!set_option(o, (char)letter, optarg))
            return usage(c);
    }
    o->args = argv + optind;
    o->n_args = argc - optind;
    if (o->n_args < c->least || (c->most >= 0 && o->n_args > c->most)) {
        fprintf(stderr, "mr %s: wants %s\n", c->name, c->arguments[0] ? c->arguments : "no arguments");
        return usage(c);
    }
    return -1;
}

static const struct mr_command *find_command(const char *name)
{
    for (const struct mr_command *c = mr_commands; c->name; c++)
        if (strcmp(c->name, name) == 0)
            return c;
    return NULL;
}

/* General flags may stand before the command. Returns the command's place in argv, 0 when there is none. */
static int leading_options(int argc, char **argv, struct mr_options *o)
{
    for (int i = 1; i < argc; i++) {
        if (argv[i][0] != '-')
            return i;
        if (strcmp(argv[i], "--json") == 0)
            o->json = true;
        else if (strcmp(argv[i], "--quiet") == 0 || strcmp(argv[i], "-q") == 0)
            o->quiet = true;
        else if (strcmp(argv[i], "--verbose") == 0 || strcmp(argv[i], "-v") == 0)
            o->verbose = true;
        else
            return 0;
    }
    return 0;
}

static enum mr_exit run_command(const struct mr_command *c, const struct mr_options *o)
{
    struct mr_ui *ui = mr_ui_open(o->json, o->quiet, o->verbose);
    mr_stop_install();
    mr_web_library_open();
    enum mr_exit code = c->run(o, ui);
    mr_web_library_close();
    return mr_ui_close(&ui) == MR_OK || code != MR_EXIT_OK ? code : MR_EXIT_FAILED;
}

enum mr_exit mr_client_main(int argc, char **argv)
{
    struct mr_options o = {
        .parallel = MR_PARALLEL_DEFAULT, .retry_ms = 30000, .cacert = getenv("MILLRACE_CACERT")};
    int at = leading_options(argc, argv, &o);
    if (at == 0 && argc > 1 && (strcmp(argv[argc - 1], "--help") == 0 || strcmp(argv[argc - 1], "-h") == 0)) {
        print_general_help();
        return MR_EXIT_OK;
    }
    if (at == 0 && argc > 1 && strcmp(argv[1], "--version") == 0) {
        printf("mr %s\n", MR_VERSION);
        return MR_EXIT_OK;
    }
    if (at == 0) {
        if (argc > 1)
            fprintf(stderr, "mr: begins with a command, not with %s\n", argv[1]);
        else
            fputs("mr: wants a command\n", stderr);
        return usage(NULL);
    }
    const struct mr_command *c = find_command(argv[at]);
    if (!c) {
        fprintf(stderr, "mr: there is no command '%s'\n", argv[at]);
        return usage(NULL);
    }
    int parsed = parse_command(c, argc - at, argv + at, &o);
    return parsed >= 0 ? (enum mr_exit)parsed : run_command(c, &o);
}
