/* Configuration: one table (settings.def) gives name, type, unit, default, range, prose and who reads it;
 * this struct, --help, docs/configuration.md and the checks all come from it (varnish's params.h is the
 * model). Precedence: file < environment < flag. `s3.secret_key` is MR_S3_SECRET_KEY in the environment,
 * --s3-secret-key as a flag, and for secrets MR_S3_SECRET_KEY_FILE / --s3-secret-key-file names a file to
 * read.
 *
 * Unknown names are refused: a flag or file entry that this program does not read, and an environment
 * variable MR_… that no program of Millrace knows (one that another program reads is fine). */
#ifndef MR_BASE_CONFIG_H
#define MR_BASE_CONFIG_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "base/error.h"

/* Programs as bits, for the `programs` column. */
enum mr_program {
    MR_P_UPLOAD = 1 << 0,
    MR_P_API = 1 << 1,
    MR_P_METADATA = 1 << 2,
    MR_P_ADMIN = 1 << 3,
    MR_P_BENCH = 1 << 4,
    MR_P_THUMBNAIL = 1 << 5,
    MR_P_SCAN = 1 << 6,
    MR_P_HTTP = MR_P_UPLOAD | MR_P_API,
    MR_P_WORKER = MR_P_METADATA | MR_P_THUMBNAIL | MR_P_SCAN | MR_P_BENCH,
    MR_P_ALL = 0x7fffffff,
};

#define MR_FIELD_STRING const char * /* never NULL; "" when unset */
#define MR_FIELD_INT    int64_t
#define MR_FIELD_BYTES  int64_t /* bytes; takes suffixes KiB, MiB, GiB, TiB */
#define MR_FIELD_MS     int64_t /* milliseconds; takes suffixes ms, s, min, h, d; a bare number is ms */
#define MR_FIELD_BOOL   bool    /* true|false */
#define MR_FIELD_CHOICE const char *
#define MR_FIELD_SECRET const char *

struct mr_config {
#define MR_SETTING(type, field, name, fallback, low, high, programs, prose) MR_FIELD_##type field;
#include "base/settings.def"
#undef MR_SETTING
};

/* Reads everything into *cfg (strings live as long as the process). Handles --help, --version and
 * --settings-markdown by printing and exit(0). Arguments that are not flags end up in *rest / *n_rest
 * (pointers into argv) or are refused when rest is NULL. Errors are MR_CLASS_FATAL and name the setting. */
enum mr_status mr_config_load(struct mr_config *cfg, enum mr_program program, const char *program_name,
                              const char *summary, int argc, char **argv, char ***rest, int *n_rest,
                              struct mr_error *err);

/* docs/configuration.md, whole. */
void mr_config_markdown(FILE *out);

#endif
