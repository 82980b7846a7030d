#include "admin/schemas.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/buf.h"
#include "event/registry.h"

#define LEVEL            "FULL_TRANSITIVE" /* old and new programs read each other's events, at any distance */
#define SCHEMA_MAX_BYTES (1 << 20)

/* retry.* and dlq.* have no subject: they carry the source's bytes with the source's schema id. */
static const struct subject {
    const char *topic, *schema;
} subjects[] = {
    {"file.uploaded", "FileUploaded"},
    {"file.backfill", "FileUploaded"},
    {"file.processed", "FileProcessed"},
};
#define SUBJECTS (sizeof(subjects) / sizeof(subjects[0]))

static enum mr_status read_file(const char *path, struct mr_buf *out, struct mr_error *err)
{
    char chunk[8192];
    size_t n;
    FILE *f = fopen(path, "re");
    if (!f)
        return mr_error_set(err, MR_CLASS_FATAL, errno, "read %s: %s", path, strerror(errno));
    enum mr_status status = MR_OK;
    while (status == MR_OK && (n = fread(chunk, 1, sizeof(chunk), f)) > 0)
        status = mr_buf_add(out, chunk, n);
    if (status != MR_OK || ferror(f))
        status = mr_error_set(err, MR_CLASS_FATAL, 0, "read %s: %s", path,
                              ferror(f) ? "input error" : "too large");
    fclose(f);
    return status;
}

/* What is done for each subject: `json` is the schema as our file has it. 1: differs (said why). */
typedef int (*subject_fn)(struct mr_registry *r, const char *subject, const char *json, struct mr_error *err);

static int each_subject(struct mr_admin *a, subject_fn fn, struct mr_error *err)
{
    struct mr_registry *registry = NULL;
    struct mr_buf json;
    int worst = MR_ADMIN_OK;
    if (mr_registry_open(a->cfg.registry_url, &registry, err) != MR_OK)
        return MR_ADMIN_FAIL;
    mr_buf_init(&json, SCHEMA_MAX_BYTES);
    for (size_t i = 0; i < SUBJECTS && worst != MR_ADMIN_FAIL; i++) {
        char path[4096], subject[128];
        snprintf(path, sizeof(path), "%s/%s.avsc", a->cfg.schemas_dir, subjects[i].schema);
        snprintf(subject, sizeof(subject), "%s-value", subjects[i].topic);
        mr_buf_reset(&json);
        int status =
            read_file(path, &json, err) == MR_OK ? fn(registry, subject, json.data, err) : MR_ADMIN_FAIL;
        worst = status == MR_ADMIN_OK ? worst : status;
    }
    mr_buf_free(&json);
    mr_registry_close(&registry);
    return worst;
}

static int tell_compatible(struct mr_registry *r, const char *subject, const char *json, struct mr_error *err)
{
    int compatible = 0;
    struct mr_buf reason;
    mr_buf_init(&reason, 16384);
    enum mr_status status = mr_registry_compatible(r, subject, json, &compatible, &reason, err);
    if (status == MR_OK && !compatible)
        printf("%s: the schema is not compatible with those registered (%s): %s\n", subject, LEVEL,
               reason.len ? reason.data : "the registry says no more");
    mr_buf_free(&reason);
    if (status != MR_OK)
        return MR_ADMIN_FAIL;
    return compatible ? MR_ADMIN_OK : MR_ADMIN_DIFFERS;
}

static int apply_one(struct mr_registry *r, const char *subject, const char *json, struct mr_error *err)
{
    uint32_t id = 0;
    if (mr_registry_set_compatibility(r, subject, LEVEL, err) != MR_OK)
        return MR_ADMIN_FAIL;
    int status = tell_compatible(r, subject, json, err);
    if (status != MR_ADMIN_OK)
        return status;
    if (mr_registry_register(r, subject, json, &id, err) != MR_OK) {
        if (err->code != 409)
            return MR_ADMIN_FAIL;
        printf("%s: %s\n", subject, err->text);
        return MR_ADMIN_DIFFERS;
    }
    printf("%s: id %u, %s\n", subject, id, LEVEL);
    return MR_ADMIN_OK;
}

int mr_schemas_apply(struct mr_admin *a, struct mr_error *err)
{
    return each_subject(a, apply_one, err);
}

static int check_one(struct mr_registry *r, const char *subject, const char *json, struct mr_error *err)
{
    uint32_t id = 0;
    int differs = MR_ADMIN_OK;
    char level[64];
    if (mr_registry_compatibility(r, subject, level, sizeof(level), err) != MR_OK)
        return MR_ADMIN_FAIL;
    if (strcmp(level, LEVEL) != 0) {
        printf("%s: compatibility is %s, not %s\n", subject, *level ? level : "not set", LEVEL);
        differs = MR_ADMIN_DIFFERS;
    }
    if (mr_registry_lookup(r, subject, json, &id, err) == MR_OK) {
        printf("%s: id %u\n", subject, id);
        return differs;
    }
    if (err->code != 404)
        return MR_ADMIN_FAIL;
    printf("%s: this schema is not registered\n", subject);
    return tell_compatible(r, subject, json, err) == MR_ADMIN_FAIL ? MR_ADMIN_FAIL : MR_ADMIN_DIFFERS;
}

int mr_schemas_check(struct mr_admin *a, struct mr_error *err)
{
    return each_subject(a, check_one, err);
}
