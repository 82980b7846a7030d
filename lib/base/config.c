#include "base/config.h"

#include <errno.h>
#include <fcntl.h>
#include <ini.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/config_table.h"

#define SECRET_MAX_BYTES 65536
#define CONFIG_LINE_MAX  8192

extern char **environ;

/* Names of the environment that begin with MR_ and are no settings: .run/env (DESIGN section 3) and tooling.
 * The one list; a name that ends in '*' is a prefix. */
static const char *const other_variables[] = {
    "MR_API_URL",   /* the edge, for clients */
    "MR_RUN_DIR",   /* where ./dev keeps logs and pid files */
    "MR_CRASH_AT",  /* base/crash.h */
    "MR_CONFIG",    /* the configuration file */
    "MR_DEPS_DIR",  /* the build */
    "MR_METRICS_*", /* host:port of each program's metrics */
    "MR_TEST_*",
};
#define OTHER_VARIABLES (sizeof(other_variables) / sizeof(other_variables[0]))

/* Where a setting's text came from; the last one given wins. */
struct given {
    const char *text;
    bool is_file; /* text names a file that holds the secret */
    char origin[MR_SETTING_NAME_SIZE + 40];
    int level; /* 0: default, 1: file, 2: environment, 3: flag */
};

struct loader {
    enum mr_program program;
    const char *config_file;
    struct given *given; /* one per setting */
    struct mr_error *err;
};

/* Strings a configuration points into live as long as the process; kept on a list so that they are reachable.
 */
struct kept {
    struct kept *next;
    char bytes[];
};
static struct kept *all_kept;

static void *keep_room(size_t n)
{
    struct kept *k = calloc(1, sizeof(*k) + n);
    if (!k)
        abort(); /* a few bytes at program start */
    k->next = all_kept;
    all_kept = k;
    return k->bytes;
}

static char *keep(const char *p, size_t n)
{
    return memcpy(keep_room(n + 1), p, n);
}

static enum mr_status give(struct loader *l, size_t index, const char *text, bool is_file, int level,
                           const char *origin)
{
    struct given *g = &l->given[index];
    if (g->level == level)
        return mr_error_set(l->err, MR_CLASS_FATAL, 0, "%s is given twice: by %s and by %s",
                            mr_settings[index].name, g->origin, origin);
    if (g->level > level)
        return MR_OK; /* flags come first, as one of them names the file */
    *g = (struct given){.text = text, .is_file = is_file, .level = level};
    snprintf(g->origin, sizeof(g->origin), "%s", origin);
    return MR_OK;
}

/* Finds the setting whose name, as `form` writes it, is `name`; *is_file when it is a secret's _FILE form. */
static const struct mr_setting *find(const char *name, const char *(*form)(const struct mr_setting *, char *),
                                     const char *file_suffix, bool *is_file)
{
    char formed[MR_SETTING_NAME_SIZE];
    for (size_t i = 0; i < mr_settings_count; i++) {
        const struct mr_setting *s = &mr_settings[i];
        size_t n = strlen(form(s, formed));
        if (strncmp(name, formed, n) != 0)
            continue;
        *is_file = s->type == MR_SETTING_SECRET && strcmp(name + n, file_suffix) == 0;
        if (name[n] == '\0' || *is_file)
            return s;
    }
    return NULL;
}

static const char *own_form(const struct mr_setting *s, char *out)
{
    return strcpy(out, s->name);
}

/* Refuses a name, with the nearest one that would have been taken. */
static enum mr_status refuse(struct loader *l, const char *what, const char *name, const char *where,
                             const char *(*form)(const struct mr_setting *, char *), unsigned programs)
{
    size_t n = 0;
    char(*names)[MR_SETTING_NAME_SIZE] = calloc(mr_settings_count, sizeof(*names));
    const char **candidates = calloc(mr_settings_count + OTHER_VARIABLES, sizeof(*candidates));
    if (!names || !candidates)
        abort();
    for (size_t i = 0; i < mr_settings_count; i++) {
        if (mr_settings[i].programs & programs) {
            candidates[n] = form(&mr_settings[i], names[n]);
            n++;
        }
    }
    for (size_t i = 0; form == mr_setting_env && i < OTHER_VARIABLES; i++)
        candidates[n++] = other_variables[i];
    const char *nearest = mr_setting_nearest(name, candidates, n);
    mr_error_set(l->err, MR_CLASS_FATAL, 0, "unknown %s %s%s%s%s%s", what, name, where,
                 nearest ? "; did you mean " : "", nearest ? nearest : "", nearest ? "?" : "");
    free(candidates);
    free(names);
    return MR_FAIL;
}

static bool is_read(const struct loader *l, const struct mr_setting *s)
{
    return s->programs & (unsigned)l->program;
}

static enum mr_status refuse_unread(struct loader *l, const char *origin)
{
    return mr_error_set(l->err, MR_CLASS_FATAL, 0, "%s is a setting that this program does not read", origin);
}

/* --- the file --- */

static int on_entry(void *user, const char *section, const char *key, const char *value)
{
    struct loader *l = user;
    char name[128], origin[200];
    bool is_file = false;
    snprintf(name, sizeof(name), "%s%s%s", section, *section ? "." : "", key);
    snprintf(origin, sizeof(origin), "%s in %s", name, l->config_file);
    const struct mr_setting *s = find(name, own_form, "_file", &is_file);
    if (!s)
        refuse(l, "setting", name, origin + strlen(name), own_form, (unsigned)l->program);
    else if (!is_read(l, s))
        refuse_unread(l, origin);
    else if (give(l, (size_t)(s - mr_settings), keep(value, strlen(value)), is_file, 1, origin) == MR_OK)
        return 1;
    return 0;
}

static enum mr_status read_config_file(struct loader *l)
{
    if (!l->config_file)
        return MR_OK;
    /* One line is one setting; inih would cut lines at 200 bytes and join indented ones. */
    ini_use_stack = false;
    ini_max_line = CONFIG_LINE_MAX;
    ini_initial_alloc = CONFIG_LINE_MAX;
    ini_allow_multiline = false;
    ini_stop_on_first_error = true;
    FILE *f = fopen(l->config_file, "re");
    if (!f)
        return mr_error_set(l->err, MR_CLASS_FATAL, errno, "open configuration file %s: %s", l->config_file,
                            strerror(errno));
    mr_error_clear(l->err);
    int line = ini_parse_file(f, on_entry, l);
    fclose(f);
    if (line == 0)
        return MR_OK;
    if (l->err && l->err->class == MR_CLASS_NONE)
        mr_error_set(l->err, MR_CLASS_FATAL, 0, "%s, line %d: not `name = value` or [section]",
                     l->config_file, line);
    return MR_FAIL;
}

/* --- the environment --- */

static bool is_other_variable(const char *name)
{
    for (size_t i = 0; i < OTHER_VARIABLES; i++) {
        size_t n = strcspn(other_variables[i], "*");
        bool prefix = other_variables[i][n] == '*';
        if (strncmp(name, other_variables[i], n) == 0 && (prefix || name[n] == '\0'))
            return true;
    }
    return false;
}

static enum mr_status read_variable(struct loader *l, const char *name, const char *value)
{
    bool is_file = false;
    const struct mr_setting *s = find(name, mr_setting_env, "_FILE", &is_file);
    if (!s)
        return is_other_variable(name)
                   ? MR_OK
                   : refuse(l, "environment variable", name, "", mr_setting_env, MR_P_ALL);
    if (!is_read(l, s))
        return MR_OK; /* one environment may be given to a whole stack */
    return give(l, (size_t)(s - mr_settings), value, is_file, 2, name);
}

static enum mr_status read_environment(struct loader *l)
{
    for (char **e = environ; e && *e; e++) {
        const char *equals = strchr(*e, '=');
        if (strncmp(*e, "MR_", 3) != 0 || !equals)
            continue;
        const char *name = keep(*e, (size_t)(equals - *e));
        if (read_variable(l, name, keep(equals + 1, strlen(equals + 1))) != MR_OK)
            return MR_FAIL;
    }
    return MR_OK;
}

/* --- the command line --- */

/* The value of the flag at argv[*i]: after '=', or the next argument. NULL when there is none. */
static const char *flag_value(int argc, char **argv, int *i, const char *equals)
{
    if (equals)
        return equals + 1;
    return *i + 1 < argc ? argv[++*i] : NULL;
}

static enum mr_status read_flag(struct loader *l, int argc, char **argv, int *i)
{
    const char *equals = strchr(argv[*i], '=');
    const char *name = keep(argv[*i], equals ? (size_t)(equals - argv[*i]) : strlen(argv[*i]));
    bool is_file = false;
    bool is_config = strcmp(name, "--config") == 0;
    const struct mr_setting *s = is_config ? NULL : find(name, mr_setting_flag, "-file", &is_file);
    if (!s && !is_config)
        return refuse(l, "flag", name, "", mr_setting_flag, (unsigned)l->program);
    if (s && !is_read(l, s))
        return refuse_unread(l, name);
    const char *value = flag_value(argc, argv, i, equals);
    if (!value)
        return mr_error_set(l->err, MR_CLASS_FATAL, 0, "%s needs a value", name);
    if (is_config) {
        l->config_file = value;
        return MR_OK;
    }
    return give(l, (size_t)(s - mr_settings), value, is_file, 3, name);
}

/* Handles what prints and exits, gives the flags, and moves the other arguments to *rest. */
static enum mr_status read_arguments(struct loader *l, int argc, char **argv, char **rest, int *n_rest)
{
    bool flags_over = false;
    for (int i = 1; i < argc; i++) {
        if (!flags_over && strcmp(argv[i], "--") == 0) {
            flags_over = true;
        } else if (!flags_over && argv[i][0] == '-' && argv[i][1] != '\0') {
            if (read_flag(l, argc, argv, &i) != MR_OK)
                return MR_FAIL;
        } else if (rest) {
            rest[(*n_rest)++] = argv[i];
        } else {
            return mr_error_set(l->err, MR_CLASS_FATAL, 0, "unexpected argument %s", argv[i]);
        }
    }
    return MR_OK;
}

static void print_and_exit(enum mr_program program, const char *program_name, const char *summary, int argc,
                           char **argv, bool takes_arguments)
{
    for (int i = 1; i < argc && strcmp(argv[i], "--") != 0; i++) {
        if (strcmp(argv[i], "--help") == 0 || strcmp(argv[i], "-h") == 0)
            mr_config_help(stdout, program, program_name, summary, takes_arguments);
        else if (strcmp(argv[i], "--version") == 0)
            printf("%s %s\n", program_name, MR_VERSION);
        else if (strcmp(argv[i], "--settings-markdown") == 0)
            mr_config_markdown(stdout);
        else
            continue;
        exit(fflush(stdout) == 0 ? 0 : 1);
    }
}

/* --- values --- */

static enum mr_status secret_fail(struct loader *l, const struct given *g, const char *what)
{
    return mr_error_set(l->err, MR_CLASS_FATAL, 0, "%s: secret file %s: %s", g->origin, g->text, what);
}

static enum mr_status read_secret_file(struct loader *l, struct given *g)
{
    static char content[SECRET_MAX_BYTES + 1];
    enum mr_status status = MR_FAIL;
    struct stat st;
    int fd = open(g->text, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (fd < 0)
        return secret_fail(l, g, strerror(errno));
    if (fstat(fd, &st) != 0 || !S_ISREG(st.st_mode)) {
        secret_fail(l, g, "not a regular file");
        goto cleanup;
    }
    size_t n = 0;
    ssize_t got;
    while (n < sizeof(content) && (got = read(fd, content + n, sizeof(content) - n)) > 0)
        n += (size_t)got;
    if (n > SECRET_MAX_BYTES) {
        secret_fail(l, g, "larger than 64 KiB");
        goto cleanup;
    }
    if (n > 0 && content[n - 1] == '\n')
        n--;
    if (n > 0 && content[n - 1] == '\r')
        n--;
    if (memchr(content, '\0', n)) {
        secret_fail(l, g, "contains a NUL byte");
        goto cleanup;
    }
    g->text = keep(content, n);
    status = MR_OK;
cleanup:
    explicit_bzero(content, sizeof(content));
    close(fd);
    return status;
}

static enum mr_status store_all(struct loader *l, struct mr_config *cfg)
{
    for (size_t i = 0; i < mr_settings_count; i++) {
        struct given *g = &l->given[i];
        const struct mr_setting *s = &mr_settings[i];
        if (g->is_file && read_secret_file(l, g) != MR_OK)
            return MR_FAIL;
        const char *text = g->level ? g->text : s->fallback;
        if (mr_setting_store(s, text, g->level ? g->origin : "default", cfg, l->err) != MR_OK)
            return MR_FAIL;
    }
    return MR_OK;
}

enum mr_status mr_config_load(struct mr_config *cfg, enum mr_program program, const char *program_name,
                              const char *summary, int argc, char **argv, char ***rest, int *n_rest,
                              struct mr_error *err)
{
    print_and_exit(program, program_name, summary, argc, argv, rest != NULL);
    struct mr_error ignored;
    struct loader l = {.program = program, .config_file = getenv("MR_CONFIG"), .err = err ? err : &ignored};
    l.given = calloc(mr_settings_count, sizeof(*l.given));
    if (!l.given)
        abort();
    if (l.config_file && !*l.config_file)
        l.config_file = NULL;
    int n = 0;
    char **others = rest ? keep_room(((size_t)argc + 1) * sizeof(char *)) : NULL;
    enum mr_status status = read_arguments(&l, argc, argv, others, &n);
    if (status == MR_OK)
        status = read_config_file(&l);
    if (status == MR_OK)
        status = read_environment(&l);
    if (status == MR_OK)
        status = store_all(&l, cfg);
    free(l.given);
    if (rest) {
        *rest = others;
        *n_rest = n;
    }
    return status;
}
