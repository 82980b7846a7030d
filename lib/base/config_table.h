/* The settings table as data, and what one value looks like; shared by the files of the configuration only.
 */
#ifndef MR_BASE_CONFIG_TABLE_H
#define MR_BASE_CONFIG_TABLE_H

#include <stddef.h>

#include "base/config.h"

enum mr_setting_type {
    MR_SETTING_STRING,
    MR_SETTING_INT,
    MR_SETTING_BYTES,
    MR_SETTING_MS,
    MR_SETTING_BOOL,
    MR_SETTING_CHOICE,
    MR_SETTING_SECRET,
};

struct mr_setting {
    enum mr_setting_type type;
    size_t offset;    /* of the field in struct mr_config */
    const char *name; /* "s3.secret_key" */
    const char *fallback;
    int64_t low, high;
    unsigned programs;
    const char *prose;
    int line; /* in settings.def: says which group it belongs to */
};

#define MR_SETTING_NAME_SIZE 64

extern const struct mr_setting mr_settings[];
extern const size_t mr_settings_count;

/* "MR_S3_SECRET_KEY" and "--s3-secret-key"; `out` has MR_SETTING_NAME_SIZE bytes. Return out. */
const char *mr_setting_env(const struct mr_setting *s, char *out);
const char *mr_setting_flag(const struct mr_setting *s, char *out);

/* The heading the setting stands under in settings.def. */
const char *mr_setting_group(const struct mr_setting *s);

/* Checks the text and stores it; `origin` is named in the error. Strings are borrowed. */
enum mr_status mr_setting_store(const struct mr_setting *s, const char *text, const char *origin,
                                struct mr_config *cfg, struct mr_error *err);

/* "1 to 256", "1KiB to 64MiB", "true|false"; "" when there is nothing to say. Returns out. */
const char *mr_setting_range(const struct mr_setting *s, char *out, size_t size);

/* The candidate nearest to `name` by edit distance, or NULL when none is near enough to be a slip. */
const char *mr_setting_nearest(const char *name, const char *const *candidates, size_t n);

void mr_config_help(FILE *out, enum mr_program program, const char *program_name, const char *summary,
                    bool takes_arguments);

#endif
