/* --help and docs/configuration.md, made from the settings table. */
#include <string.h>

#include "base/config_table.h"

static const struct {
    unsigned bit;
    const char *name;
} programs[] = {
    {MR_P_UPLOAD, "mr-upload"},
    {MR_P_API, "mr-api"},
    {MR_P_METADATA, "mr-metadata"},
    {MR_P_ADMIN, "mr-admin"},
    {MR_P_BENCH, "mr-bench"}}; /* those that are built: the others have bits, and no program yet */

static const char *shown_default(const struct mr_setting *s)
{
    return *s->fallback ? s->fallback : "empty";
}

static void help_setting(FILE *out, const struct mr_setting *s)
{
    char flag[MR_SETTING_NAME_SIZE], env[MR_SETTING_NAME_SIZE], range[80];
    mr_setting_flag(s, flag);
    mr_setting_env(s, env);
    mr_setting_range(s, range, sizeof(range));
    fprintf(out, "  %s VALUE\n      %s\n      default %s", flag, s->prose, shown_default(s));
    if (*range && s->type != MR_SETTING_CHOICE)
        fprintf(out, "; %s", range);
    fprintf(out, "; %s", env);
    if (s->type == MR_SETTING_SECRET)
        fprintf(out, "; or a file that holds it: %s-file, %s_FILE", flag, env);
    fputc('\n', out);
}

void mr_config_help(FILE *out, enum mr_program program, const char *program_name, const char *summary,
                    bool takes_arguments)
{
    fprintf(out, "%s: %s\n\nUsage: %s [--config FILE] [--NAME VALUE]...%s\n\n", program_name, summary,
            program_name, takes_arguments ? " [ARGUMENT]..." : "");
    fputs("  --config FILE          settings as `name = value`, in [sections] or with dots (or MR_CONFIG)\n"
          "  --help                 this text\n"
          "  --version              the version\n"
          "  --settings-markdown    every setting of every program, as docs/configuration.md\n",
          out);
    if ((unsigned)program & (MR_P_HTTP | MR_P_WORKER))
        fputs("  --kill-points          the names that MR_CRASH_AT takes\n", out);
    fputs("\nA flag beats the environment, which beats the file.\n", out);
    const char *group = "";
    for (size_t i = 0; i < mr_settings_count; i++) {
        const struct mr_setting *s = &mr_settings[i];
        if (!(s->programs & (unsigned)program))
            continue;
        if (strcmp(group, mr_setting_group(s)) != 0) {
            group = mr_setting_group(s);
            fprintf(out, "\n%s:\n", group);
        }
        help_setting(out, s);
    }
}

/* A bar in a cell would end it. */
static void markdown_text(FILE *out, const char *text)
{
    for (; *text; text++) {
        if (*text == '|' || *text == '<' || *text == '*')
            fputc('\\', out);
        fputc(*text, out);
    }
}

static void markdown_readers(FILE *out, unsigned readers)
{
    if (readers == MR_P_ALL) {
        fputs("all", out);
        return;
    }
    const char *separator = "";
    for (size_t i = 0; i < sizeof(programs) / sizeof(programs[0]); i++) {
        if (!(readers & programs[i].bit))
            continue;
        fprintf(out, "%s%s", separator, programs[i].name);
        separator = ", ";
    }
}

static void markdown_setting(FILE *out, const struct mr_setting *s)
{
    char env[MR_SETTING_NAME_SIZE], range[80];
    fprintf(out, "| `%s` | `%s`%s | ", s->name, mr_setting_env(s, env),
            s->type == MR_SETTING_SECRET ? " (secret)" : "");
    fprintf(out, *s->fallback ? "`%s` | " : "%s | ", shown_default(s));
    markdown_text(out, mr_setting_range(s, range, sizeof(range)));
    fputs(" | ", out);
    markdown_readers(out, s->programs);
    fputs(" | ", out);
    markdown_text(out, s->prose);
    fputs(" |\n", out);
}

void mr_config_markdown(FILE *out)
{
    fputs("# Configuration\n\n"
          "Made from `lib/base/settings.def` by `./dev docs`; edit it there.\n\n"
          "A setting `s3.endpoint` is `MR_S3_ENDPOINT` in the environment, `--s3-endpoint` as a flag, and\n"
          "`endpoint = …` under `[s3]` (or `s3.endpoint = …` before any section) in the file that `--config` "
          "or\n"
          "`MR_CONFIG` names. A flag beats the environment, which beats the file. A secret can also be read "
          "from a\n"
          "file: `MR_S3_SECRET_KEY_FILE`, `--s3-secret-key-file` or `secret_key_file = …` name it. Unknown "
          "names and\n"
          "values out of range are refused by name, and the program exits with status 2.\n\n"
          "Sizes take `KiB`, `MiB`, `GiB`, `TiB` (a bare number is bytes); times take `ms`, `s`, `min`, `h`, "
          "`d` (a\n"
          "bare number is milliseconds).\n",
          out);
    const char *group = NULL;
    for (size_t i = 0; i < mr_settings_count; i++) {
        const char *title = mr_setting_group(&mr_settings[i]);
        if (!group || strcmp(group, title) != 0)
            fprintf(out,
                    "\n## %c%s\n\n| setting | environment | default | range | read by | meaning |\n"
                    "|---|---|---|---|---|---|\n",
                    *title >= 'a' && *title <= 'z' ? *title - 'a' + 'A' : *title, *title ? title + 1 : "");
        group = title;
        markdown_setting(out, &mr_settings[i]);
    }
}
