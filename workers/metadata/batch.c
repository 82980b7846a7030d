#include "workers/metadata/batch.h"

#include <stdlib.h>
#include <string.h>

/* PostgreSQL orders uuid by its bytes (uuid_internal_cmp), so both sides sort alike. */
int mr_metadata_uuid_order(const void *a, const void *b)
{
    return memcmp(a, b, sizeof(struct mr_uuid));
}

/* An item and where it stood, as qsort() does not keep the order of equals. */
struct place {
    const struct mr_metadata_item *item;
    int64_t version;
    size_t at;
};

static int by_file_version(const void *a, const void *b)
{
    const struct place *x = a, *y = b;
    int order = mr_metadata_uuid_order(&x->item->file_id, &y->item->file_id);
    if (order != 0)
        return order;
    if (x->version != y->version)
        return x->version < y->version ? -1 : 1;
    return x->at < y->at ? -1 : 1;
}

static const struct mr_metadata_item **sorted(struct mr_metadata_item *const *items, size_t n,
                                              enum mr_metadata_kind kind, size_t *count)
{
    struct place *places = malloc((n + 1) * sizeof(*places));
    const struct mr_metadata_item **out = malloc((n + 1) * sizeof(*out));
    *count = 0;
    for (size_t i = 0; places && i < n; i++) {
        if (items[i]->kind != kind)
            continue;
        int64_t version =
            kind == MR_METADATA_UPLOADED ? items[i]->uploaded.version : items[i]->processed.version;
        places[(*count)++] = (struct place){items[i], version, i};
    }
    if (!places || !out) {
        free(places);
        free(out);
        return NULL;
    }
    qsort(places, *count, sizeof(*places), by_file_version);
    for (size_t i = 0; i < *count; i++)
        out[i] = places[i].item;
    free(places);
    return out;
}

static void collapse_files(struct mr_metadata_batch *b)
{
    for (size_t i = 0; i < b->n_uploads; i++) {
        const struct mr_file_uploaded *e = &b->uploads[i]->uploaded;
        struct mr_metadata_file *last = b->n_files ? &b->files[b->n_files - 1] : NULL;
        /* NOLINTNEXTLINE(clang-analyzer-core.*): files[0] to files[n_files - 1] were set below */
        if (!last || !mr_uuid_eq(last->newest->file_id, e->file_id)) {
            b->files[b->n_files++] = (struct mr_metadata_file){e, e->occurred_at_us, false};
            continue;
        }
        if (e->version > last->newest->version)
            last->newest = e;
        if (e->occurred_at_us < last->created_at_us)
            last->created_at_us = e->occurred_at_us;
    }
}

/* Stages other than SCAN do not touch `files`. */
static void collect_locked(struct mr_metadata_batch *b)
{
    for (size_t i = 0; i < b->n_files; i++) /* NOLINTNEXTLINE(clang-analyzer-core.*): as above */
        b->locked[b->n_locked++] = b->files[i].newest->file_id;
    for (size_t i = 0; i < b->n_stages; i++) {
        const struct mr_file_processed *p = &b->stages[i]->processed;
        b->has_verdict |= p->verdict.p != NULL;
        if (!mr_span_is(p->stage, "SCAN"))
            continue;
        b->has_scan = true;
        b->locked[b->n_locked++] = p->file_id;
    }
    if (!b->has_scan)
        return;
    qsort(b->locked, b->n_locked, sizeof(*b->locked), mr_metadata_uuid_order);
    size_t kept = 0;
    for (size_t i = 0; i < b->n_locked; i++) {
        if (kept == 0 || !mr_uuid_eq(b->locked[kept - 1], b->locked[i]))
            b->locked[kept++] = b->locked[i];
    }
    b->n_locked = kept;
}

enum mr_status mr_metadata_batch_make(struct mr_metadata_batch *b, struct mr_metadata_item *const *items,
                                      size_t n, struct mr_error *err)
{
    *b = (struct mr_metadata_batch){0};
    b->uploads = sorted(items, n, MR_METADATA_UPLOADED, &b->n_uploads);
    b->stages = sorted(items, n, MR_METADATA_PROCESSED, &b->n_stages);
    b->files = malloc((n + 1) * sizeof(*b->files));
    b->locked = malloc((n + 1) * sizeof(*b->locked));
    b->purged = malloc((n + 1) * sizeof(*b->purged));
    if (!b->uploads || !b->stages || !b->files || !b->locked || !b->purged) {
        mr_metadata_batch_free(b);
        return mr_error_set(err, MR_CLASS_RETRY, 0, "sort a batch of %zu records: out of memory", n);
    }
    collapse_files(b);
    collect_locked(b);
    return MR_OK;
}

void mr_metadata_batch_free(struct mr_metadata_batch *b)
{
    free(b->uploads);
    free(b->stages);
    free(b->files);
    free(b->locked);
    free(b->purged);
    *b = (struct mr_metadata_batch){0};
}

static int file_order(const void *key, const void *file)
{
    return mr_metadata_uuid_order(key, &((const struct mr_metadata_file *)file)->newest->file_id);
}

struct mr_metadata_file *mr_metadata_batch_file(struct mr_metadata_batch *b, struct mr_uuid file_id)
{
    return bsearch(&file_id, b->files, b->n_files, sizeof(*b->files), file_order);
}

bool mr_metadata_batch_purged(const struct mr_metadata_batch *b, struct mr_uuid file_id)
{
    return b->n_purged &&
           bsearch(&file_id, b->purged, b->n_purged, sizeof(*b->purged), mr_metadata_uuid_order);
}
