#include "admin/command.h"

#include <errno.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "metrics/metrics.h"

static const struct option {
    const char *flag;
    enum mr_admin_option bit;
    size_t value; /* where in struct mr_admin_options; 0: takes none (`given` is at 0) */
    const char *help;
} options[] = {
    {"--json", MR_OPT_JSON, 0, "print JSON"},
    {"--profile", MR_OPT_PROFILE, offsetof(struct mr_admin_options, profile),
     "which profile of the topics file (default: the setting topics.profile)"},
    {"--worker", MR_OPT_WORKER, offsetof(struct mr_admin_options, worker), "this worker only"},
    {"--partition", MR_OPT_PARTITION, offsetof(struct mr_admin_options, partition),
     "partition of the dead letter"},
    {"--offset", MR_OPT_OFFSET, offsetof(struct mr_admin_options, offset), "offset of the dead letter"},
    {"--all", MR_OPT_ALL, 0, "all of them"},
    {"--yes", MR_OPT_YES, 0, "yes, really"},
    {"--name", MR_OPT_NAME, offsetof(struct mr_admin_options, name), "the person's name"},
    {"--password-file", MR_OPT_PASSWORD_FILE, offsetof(struct mr_admin_options, password_file),
     "first line of this file is the password (default: asked for)"},
    {"--expires", MR_OPT_EXPIRES, offsetof(struct mr_admin_options, expires),
     "how many hours the invitation can be used (default 168)"},
};
#define OPTIONS (sizeof(options) / sizeof(options[0]))

/* argv taken apart: what goes to the settings, what is words. */
struct words {
    char **settings;
    int n_settings;
    const char *list[MR_ADMIN_ARGS_MAX + 2];
    int n;
    bool help;
};

static const struct option *find_option(const char *arg, const char **value)
{
    for (size_t i = 0; i < OPTIONS; i++) {
        size_t n = strlen(options[i].flag);
        if (strncmp(arg, options[i].flag, n) == 0 && (arg[n] == '\0' || arg[n] == '=')) {
            *value = arg[n] == '=' ? arg + n + 1 : NULL;
            return &options[i];
        }
    }
    return NULL;
}

static enum mr_status take_option(struct mr_admin *a, const struct option *o, const char *value, int argc,
                                  char **argv, int *i, struct mr_error *err)
{
    a->opt.given |= (unsigned)o->bit;
    if (!o->value && value)
        return mr_error_set(err, MR_CLASS_REJECT, 0, "%s takes no value", o->flag);
    if (!o->value)
        return MR_OK;
    if (!value && *i + 1 < argc)
        value = argv[++*i];
    if (!value)
        return mr_error_set(err, MR_CLASS_REJECT, 0, "%s needs a value", o->flag);
    memcpy((char *)&a->opt + o->value, &value, sizeof(value));
    return MR_OK;
}

/* A setting's flag goes on with its value to the settings' own parser. */
static void take_setting(struct words *w, int argc, char **argv, int *i)
{
    char *flag = argv[*i];
    w->settings[w->n_settings++] = flag;
    bool alone = strcmp(flag, "--version") == 0 || strcmp(flag, "--settings-markdown") == 0;
    if (!alone && !strchr(flag, '=') && *i + 1 < argc)
        w->settings[w->n_settings++] = argv[++*i];
}

static enum mr_status split(struct mr_admin *a, struct words *w, int argc, char **argv, struct mr_error *err)
{
    for (int i = 1; i < argc; i++) {
        const char *value;
        const struct option *o = find_option(argv[i], &value);
        if (o) {
            if (take_option(a, o, value, argc, argv, &i, err) != MR_OK)
                return MR_FAIL;
        } else if (strcmp(argv[i], "--help") == 0 || strcmp(argv[i], "-h") == 0) {
            w->help = true;
        } else if (strncmp(argv[i], "--", 2) == 0) {
            take_setting(w, argc, argv, &i);
        } else if (w->n == MR_ADMIN_ARGS_MAX) {
            return mr_error_set(err, MR_CLASS_REJECT, 0, "more than %d arguments", MR_ADMIN_ARGS_MAX);
        } else {
            w->list[w->n++] = argv[i];
        }
    }
    return MR_OK;
}

/* "topics apply" takes two words, "migrate" one. */
static const struct mr_admin_command *find_command(const struct words *w, int *used)
{
    for (int i = 0; i < mr_admin_commands_count; i++) {
        const char *name = mr_admin_commands[i].name, *space = strchr(name, ' ');
        size_t first = space ? (size_t)(space - name) : strlen(name);
        if (w->n < 1 || strlen(w->list[0]) != first || memcmp(w->list[0], name, first) != 0)
            continue;
        *used = space ? 2 : 1;
        if (!space || (w->n > 1 && strcmp(w->list[1], space + 1) == 0))
            return &mr_admin_commands[i];
    }
    return NULL;
}

static void help_all(FILE *out, const char *group)
{
    fputs("mr-admin: looks after the log, the schemas, the tables, dead letters and accounts\n\n"
          "Usage: mr-admin COMMAND [ARGUMENT]... [--OPTION]... [--SETTING VALUE]...\n\n",
          out);
    for (int i = 0; i < mr_admin_commands_count; i++) {
        const struct mr_admin_command *c = &mr_admin_commands[i];
        size_t n = group ? strlen(group) : 0;
        if (!group || (strncmp(c->name, group, n) == 0 && c->name[n] == ' '))
            fprintf(out, "  %-16s %s\n", c->name, c->summary);
    }
    fputs("\nmr-admin COMMAND --help says more; mr-admin settings --help lists the settings.\n"
          "--settings-markdown and --metrics-markdown print the pages docs/configuration.md and "
          "docs/metrics.md.\n"
          "Exit status: 0 done, 1 differs or was refused, 2 wrong usage, 75 a server does not answer.\n",
          out);
}

static void help_command(const struct mr_admin_command *c)
{
    printf("mr-admin %s%s%s\n\n%s\n", c->name, *c->arguments ? " " : "", c->arguments, c->help);
    const char *heading = "\nOptions:\n";
    for (size_t i = 0; i < OPTIONS; i++) {
        if (!(c->options & (unsigned)options[i].bit))
            continue;
        printf("%s  %s%s  %s\n", heading, options[i].flag, options[i].value ? " VALUE" : "", options[i].help);
        heading = "";
    }
}

/* Is there any command in the group that the first word names? */
static bool is_group(const struct words *w)
{
    for (int i = 0; w->n > 0 && i < mr_admin_commands_count; i++) {
        size_t n = strlen(w->list[0]);
        if (strncmp(mr_admin_commands[i].name, w->list[0], n) == 0 && mr_admin_commands[i].name[n] == ' ')
            return true;
    }
    return false;
}

static int no_command(const struct words *w, struct mr_error *err)
{
    bool group = is_group(w);
    if (w->help && w->n > 0 && strcmp(w->list[0], "settings") == 0)
        return MR_ADMIN_RUN; /* the settings' parser prints them */
    if (w->help && (w->n == 0 || group)) {
        help_all(stdout, group ? w->list[0] : NULL);
        return MR_ADMIN_OK;
    }
    if (w->n == 0) {
        mr_error_set(err, MR_CLASS_REJECT, 0, "which command? (mr-admin --help lists them)");
        return MR_ADMIN_MISUSE;
    }
    if (group && w->n == 1) {
        mr_error_set(err, MR_CLASS_REJECT, 0, "which of the %s commands? (mr-admin %s --help lists them)",
                     w->list[0], w->list[0]);
        return MR_ADMIN_MISUSE;
    }
    mr_error_set(err, MR_CLASS_REJECT, 0, "there is no command `%s%s%s` (mr-admin --help lists them)",
                 w->list[0], group && w->n > 1 ? " " : "", group && w->n > 1 ? w->list[1] : "");
    return MR_ADMIN_MISUSE;
}

static int check_usage(struct mr_admin *a, const struct words *w, int used, struct mr_error *err)
{
    const struct mr_admin_command *c = a->command;
    for (size_t i = 0; i < OPTIONS; i++) {
        if ((a->opt.given & (unsigned)options[i].bit) && !(c->options & (unsigned)options[i].bit)) {
            mr_error_set(err, MR_CLASS_REJECT, 0, "`%s` has no option %s", c->name, options[i].flag);
            return MR_ADMIN_MISUSE;
        }
    }
    a->n_args = w->n - used;
    memcpy(a->args, w->list + used, (size_t)a->n_args * sizeof(a->args[0]));
    if (a->n_args < c->min_args || a->n_args > c->max_args) {
        mr_error_set(err, MR_CLASS_REJECT, 0, "usage: mr-admin %s %s", c->name, c->arguments);
        return MR_ADMIN_MISUSE;
    }
    return MR_ADMIN_RUN;
}

static int parse(struct mr_admin *a, struct words *w, int argc, char **argv, struct mr_error *err)
{
    if (split(a, w, argc, argv, err) != MR_OK)
        return MR_ADMIN_MISUSE;
    static char help_flag[] = "--help";
    int used = 0;
    a->command = find_command(w, &used);
    bool settings_only = !a->command && w->n == 0 && w->n_settings > 1 && !w->help;
    if (!a->command && !settings_only) {
        int status = no_command(w, err);
        if (status != MR_ADMIN_RUN)
            return status;
        w->settings[w->n_settings++] = help_flag;
    } else if (a->command && w->help) {
        help_command(a->command);
        return MR_ADMIN_OK;
    }
    /* Prints and ends the process for --help, --version and --settings-markdown. */
    if (mr_config_load(&a->cfg, MR_P_ADMIN, "mr-admin", "looks after Millrace; these are its settings",
                       w->n_settings, w->settings, NULL, NULL, err) != MR_OK)
        return MR_ADMIN_MISUSE;
    return a->command ? check_usage(a, w, used, err) : no_command(w, err);
}

int mr_admin_parse(struct mr_admin *a, int argc, char **argv, struct mr_error *err)
{
    memset(a, 0, sizeof(*a));
    if (argc == 2 && strcmp(argv[1], "--metrics-markdown") == 0) {
        mr_metrics_markdown(stdout);
        return MR_ADMIN_OK;
    }
    struct words w = {.settings = calloc((size_t)argc + 2, sizeof(char *)), .n_settings = 1};
    if (!w.settings)
        abort();
    w.settings[0] = argv[0];
    int status = parse(a, &w, argc, argv, err);
    free(w.settings);
    return status;
}

int mr_admin_finish(const struct mr_admin *a, int status, const struct mr_error *err)
{
    if (fflush(stdout) != 0 && status >= 0) {
        fprintf(stderr, "mr-admin: write to standard output: %s\n", strerror(errno));
        return MR_ADMIN_DIFFERS;
    }
    if (status >= 0)
        return status;
    const char *command = a->command && status == MR_ADMIN_FAIL ? a->command->name : NULL;
    fprintf(stderr, "mr-admin%s%s: %s\n", command ? " " : "", command ? command : "", err->text);
    if (status == MR_ADMIN_MISUSE)
        return MR_ADMIN_USAGE;
    return err->class == MR_CLASS_RETRY ? MR_ADMIN_AWAY : MR_ADMIN_DIFFERS;
}

enum mr_status mr_admin_number(const char *text, const char *what, int64_t low, int64_t high, int64_t *out,
                               struct mr_error *err)
{
    char *end;
    errno = 0;
    long long v = strtoll(text, &end, 10);
    if (errno || end == text || *end || v < low || v > high)
        return mr_error_set(err, MR_CLASS_REJECT, 0, "%s is not %s", text, what);
    *out = v;
    return MR_OK;
}
