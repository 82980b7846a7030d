#include "workers/metadata/item.h"

#include <stdlib.h>
#include <string.h>

#include "metrics/metrics.h"
#include "path/path.h"

#define VERSION_MAX INT64_C(999999999999999999) /* the API's limit; next_version always has room above it */
#define LAST_US     INT64_C(253402300799999999) /* the end of year 9999: every client can print it */

static const char *const known_outcomes[] = {"RUNNING", "RETRYING", "OK", "SKIPPED", "FAILED", "DEAD"};

static enum mr_status check_text(const char *field, struct mr_span s, struct mr_error *err)
{
    if (s.p && memchr(s.p, '\0', s.len))
        return mr_error_set(err, MR_CLASS_REJECT, 0, "%s contains a NUL byte", field);
    return MR_OK;
}

static enum mr_status check_time(const char *field, int64_t us, struct mr_error *err)
{
    if (us < 0 || us > LAST_US)
        return mr_error_set(err, MR_CLASS_REJECT, 0, "%s is outside the years 1970 to 9999", field);
    return MR_OK;
}

static enum mr_status check_version(int64_t version, struct mr_error *err)
{
    if (version < 1 || version > VERSION_MAX)
        return mr_error_set(err, MR_CLASS_REJECT, 0, "version %lld is not possible", (long long)version);
    return MR_OK;
}

/* The namespace may have no row yet, and then this is the path that lists and downloads will meet. */
static enum mr_status check_path(struct mr_span path, struct mr_error *err)
{
    return mr_path_check(path, err) == MR_OK ? MR_OK : mr_error_prefix(err, "path");
}

static enum mr_status check_uploaded(const struct mr_file_uploaded *e, struct mr_error *err)
{
    if (check_version(e->version, err) != MR_OK ||
        check_time("occurred_at", e->occurred_at_us, err) != MR_OK || check_path(e->path, err) != MR_OK ||
        check_text("content_type", e->content_type, err) != MR_OK ||
        check_text("s3_key", e->s3_key, err) != MR_OK || check_text("s3_etag", e->s3_etag, err) != MR_OK)
        return MR_FAIL;
    return MR_OK;
}

static enum mr_status check_processed(const struct mr_file_processed *e, struct mr_error *err)
{
    if (check_version(e->version, err) != MR_OK || check_time("started_at", e->started_at_us, err) != MR_OK ||
        check_time("finished_at", e->finished_at_us, err) != MR_OK ||
        check_time("next_retry_at", e->next_retry_at_us, err) != MR_OK ||
        check_text("stage", e->stage, err) != MR_OK || check_text("verdict", e->verdict, err) != MR_OK ||
        check_text("reason", e->reason, err) != MR_OK || check_text("engine", e->engine, err) != MR_OK)
        return MR_FAIL;
    for (int i = 0; i < e->n_attributes; i++) {
        if (check_text("attributes", e->attributes[i].name, err) != MR_OK ||
            check_text("attributes", e->attributes[i].value, err) != MR_OK)
            return MR_FAIL;
    }
    return MR_OK;
}

static bool outcome_is_known(struct mr_span outcome)
{
    for (size_t i = 0; i < sizeof(known_outcomes) / sizeof(known_outcomes[0]); i++) {
        if (mr_span_is(outcome, known_outcomes[i]))
            return true;
    }
    return false;
}

static enum mr_status decode_uploaded(struct mr_codec *codec, const struct mr_record *r,
                                      struct mr_metadata_item *item, struct mr_error *err)
{
    if (!r->value.p) {
        item->kind = MR_METADATA_PURGED;
        return mr_uuid_parse(r->key, &item->file_id)
                   ? MR_OK
                   : mr_error_set(err, MR_CLASS_REJECT, 0, "purge: the key is not a file_id");
    }
    item->kind = MR_METADATA_UPLOADED;
    if (mr_decode_file_uploaded(codec, r->value, &item->uploaded, err) != MR_OK)
        return MR_FAIL;
    item->file_id = item->uploaded.file_id;
    return check_uploaded(&item->uploaded, err);
}

static enum mr_status decode_processed(struct mr_codec *codec, const struct mr_record *r,
                                       struct mr_metadata_item *item, struct mr_error *err)
{
    if (!r->value.p)
        return mr_error_set(err, MR_CLASS_REJECT, 0, "a null value means nothing on this topic");
    item->kind = MR_METADATA_PROCESSED;
    if (mr_decode_file_processed(codec, r->value, &item->processed, err) != MR_OK)
        return MR_FAIL;
    item->file_id = item->processed.file_id;
    if (!outcome_is_known(item->processed.outcome))
        item->kind = MR_METADATA_IGNORED;
    return check_processed(&item->processed, err);
}

/* Lanes, partitions and row locks all go by the key: an event about another file would not be in order. */
static enum mr_status check_key(const struct mr_record *r, const struct mr_metadata_item *item,
                                struct mr_error *err)
{
    struct mr_uuid key;
    char id[MR_UUID_TEXT_SIZE];
    if (mr_uuid_parse(r->key, &key) && mr_uuid_eq(key, item->file_id))
        return MR_OK;
    return mr_error_set(err, MR_CLASS_REJECT, 0, "the record's key is not the event's file_id %s",
                        mr_uuid_format(item->file_id, id));
}

enum mr_status mr_metadata_decode(struct mr_codec *codec, const struct mr_record *r,
                                  struct mr_metadata_item **out, struct mr_error *err)
{
    struct mr_metadata_item *item = malloc(sizeof(*item));
    if (!item)
        return mr_error_set(err, MR_CLASS_RETRY, 0, "decode: out of memory");
    enum mr_status status;
    if (strcmp(r->origin_topic, "file.processed") == 0)
        status = decode_processed(codec, r, item, err);
    else if (strcmp(r->origin_topic, "file.uploaded") == 0 || strcmp(r->origin_topic, "file.backfill") == 0)
        status = decode_uploaded(codec, r, item, err);
    else
        status = mr_error_set(err, MR_CLASS_REJECT, 0,
                              "a record that was first read from %s is not for this worker", r->origin_topic);
    if (status == MR_OK)
        status = check_key(r, item, err);
    if (status != MR_OK) {
        free(item);
        item = NULL;
    }
    *out = item;
    return status;
}

int64_t mr_metadata_reported_us(const struct mr_file_processed *p)
{
    return p->finished_at_us ? p->finished_at_us : p->started_at_us;
}
