#include "client/download.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/parts.h"
#include "client/download_part.h"
#include "client/download_state.h"
#include "client/exit_code.h"
#include "client/part_hash.h"
#include "client/target.h"
#include "client/visible.h"

struct download {
    struct mr_transfers *run;
    struct mr_download_source source; /* its strings are ours */
    uint8_t content_hash[MR_SHA256_SIZE];
    int root, folder, fd;
    char *relative, *shown;
    const char *name; /* in relative */
    struct mr_download_state *state;
    struct mr_download_url *url;
    int parts;
    uint8_t (*hashes)[MR_SHA256_SIZE];
    atomic_int resumed, left;
    atomic_bool failed;
    pthread_mutex_t lock;
    struct mr_error error; /* the first one */
    int64_t started_ms;
};

static void moved(void *ctx, int64_t bytes)
{
    mr_progress_moved(((struct download *)ctx)->run->progress, bytes);
}

static void fail(struct download *d, const struct mr_error *err)
{
    pthread_mutex_lock(&d->lock);
    if (!atomic_exchange(&d->failed, true))
        d->error = *err;
    pthread_mutex_unlock(&d->lock);
}

static void download_free(struct download *d, enum mr_download_end end)
{
    mr_download_state_close(&d->state, end);
    mr_download_url_free(&d->url);
    if (d->fd >= 0)
        close(d->fd);
    if (d->folder >= 0)
        close(d->folder);
    pthread_mutex_destroy(&d->lock);
    free((char *)d->source.path);
    free((char *)d->source.file_id);
    free((char *)d->source.content_hash);
    free(d->relative);
    free(d->shown);
    free(d->hashes);
    free(d);
}

static json_t *names_json(const struct download *d)
{
    return json_pack("{s:s, s:o}", "path", d->source.path, "local", mr_json_name(d->shown));
}

static void report(struct download *d, bool unchanged)
{
    char size[MR_SIZE_TEXT];
    if (mr_ui_is_json(d->run->ui)) {
        json_t *line = names_json(d);
        json_object_set_new(line, "file_id", json_string(d->source.file_id));
        json_object_set_new(line, "version", json_integer(d->source.version));
        json_object_set_new(line, "size", json_integer(d->source.size));
        json_object_set_new(line, "content_hash", json_string(d->source.content_hash));
        json_object_set_new(line, "unchanged", json_boolean(unchanged));
        json_object_set_new(line, "parts", json_integer(d->parts));
        json_object_set_new(line, "parts_resumed", json_integer(atomic_load(&d->resumed)));
        json_object_set_new(line, "seconds", json_real((double)(mr_mono_ms() - d->started_ms) / 1000));
        mr_ui_json(d->run->ui, line);
        return;
    }
    if (unchanged)
        mr_ui_more(d->run->ui, "%s: already there", d->shown);
    else
        mr_transfers_say(d->run, "%s  %s  version %lld", d->shown, mr_size_text(d->source.size, size),
                         (long long)d->source.version);
    if (atomic_load(&d->resumed) > 0)
        mr_ui_note(d->run->ui, "%s: %d of %d parts were there already", d->shown, atomic_load(&d->resumed),
                   d->parts);
}

/* True when an earlier run has written the part and it is still what it was. */
static bool part_is_there(struct download *d, int number)
{
    uint8_t is[MR_SHA256_SIZE];
    struct mr_error ignored;
    int64_t size = mr_part_length(d->source.size, number);
    if (!mr_download_state_has(d->state, number, d->hashes[number - 1]))
        return false;
    if (mr_hash_range(d->fd, mr_part_offset(d->source.size, number), size, NULL, is, &ignored) != MR_OK ||
        memcmp(is, d->hashes[number - 1], sizeof(is)) != 0)
        return false;
    mr_progress_skipped(d->run->progress, size);
    atomic_fetch_add(&d->resumed, 1);
    return true;
}

static enum mr_status get_part(struct download *d, int number, struct mr_worker *w, struct mr_error *err)
{
    if (mr_transfers_over(d->run))
        return mr_error_interrupted(err);
    if (part_is_there(d, number))
        return MR_OK;
    struct mr_api api = {w->web, &d->run->account};
    struct mr_download_part part = {.url = d->url,
                                    .fd = d->fd,
                                    .offset = mr_part_offset(d->source.size, number),
                                    .size = mr_part_length(d->source.size, number),
                                    .ranged = d->parts > 1,
                                    .moved = moved,
                                    .moved_ctx = d};
    if (mr_download_part(&api, &part, d->hashes[number - 1], err) != MR_OK)
        return MR_FAIL;
    return mr_download_state_add(d->state, number, d->hashes[number - 1], err);
}

/* --- the file --- */

static enum mr_status settle(struct download *d, struct mr_error *err)
{
    uint8_t hash[MR_SHA256_SIZE];
    mr_content_hash((const uint8_t(*)[MR_SHA256_SIZE])d->hashes, d->parts, hash);
    if (memcmp(hash, d->content_hash, sizeof(hash)) != 0)
        return mr_error_set(err, MR_CLASS_REJECT, EBADMSG,
                            "what arrived has not the content hash that the server told; it was removed");
    if (ftruncate(d->fd, d->source.size) != 0 || fsync(d->fd) != 0)
        return mr_error_errno(err, "writing", d->shown);
    if (mr_target_rename(d->folder, mr_download_state_file(d->state), d->name, d->run->options->force, err) !=
        MR_OK)
        return MR_FAIL;
    if (fsync(d->folder) != 0)
        return mr_error_errno(err, "writing the folder of", d->shown);
    return MR_OK;
}

static void finish(struct download *d)
{
    struct mr_error err;
    if (!atomic_load(&d->failed) && settle(d, &err) != MR_OK)
        fail(d, &err);
    if (!atomic_load(&d->failed)) {
        mr_transfers_done(d->run, d->source.size);
        report(d, false);
        download_free(d, MR_DOWNLOAD_FINISHED);
        return;
    }
    bool of_use = d->error.class == MR_CLASS_RETRY || d->error.code == ECANCELED || d->error.code == ENOSPC ||
                  d->error.code == 401 || d->error.code == EEXIST;
    mr_transfers_failed(d->run, d->shown, names_json(d), &d->error);
    download_free(d, of_use ? MR_DOWNLOAD_KEEP : MR_DOWNLOAD_DROP);
}

static void part_task(void *arg, int number, struct mr_worker *w)
{
    struct download *d = arg;
    struct mr_error err;
    if (!atomic_load(&d->failed) && get_part(d, number, w, &err) != MR_OK)
        fail(d, &err);
    if (atomic_fetch_sub(&d->left, 1) == 1)
        finish(d);
}

static bool has_same_content(const struct download *d)
{
    struct mr_error ignored;
    uint8_t hash[MR_SHA256_SIZE];
    int fd = openat(d->folder, d->name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK);
    if (fd < 0)
        return false;
    bool same = mr_hash_file(fd, d->source.size, hash, &ignored) == MR_OK &&
                memcmp(hash, d->content_hash, sizeof(hash)) == 0;
    close(fd);
    return same;
}

/* What has the file's name here: nothing in the way (OK), the same content (*unchanged), or a conflict. */
static enum mr_status look_at_existing(const struct download *d, bool *unchanged, struct mr_error *err)
{
    struct stat st;
    *unchanged = false;
    if (fstatat(d->folder, d->name, &st, AT_SYMLINK_NOFOLLOW) != 0)
        return errno == ENOENT ? MR_OK : mr_error_errno(err, "looking at", d->shown);
    if (S_ISREG(st.st_mode) && st.st_size == d->source.size && has_same_content(d)) {
        *unchanged = true;
        return MR_OK;
    }
    if (S_ISDIR(st.st_mode))
        return mr_error_set(err, MR_CLASS_REJECT, EEXIST, "a folder of this name is there already");
    if (!d->run->options->force)
        return mr_error_set(err, MR_CLASS_REJECT, EEXIST,
                            "is there already with another content; -f overwrites it");
    return MR_OK;
}

static enum mr_status open_target(struct download *d, bool *unchanged, struct mr_error *err)
{
    d->folder = mr_target_folder(d->root, d->relative, &d->name, err);
    if (d->folder < 0 || look_at_existing(d, unchanged, err) != MR_OK)
        return MR_FAIL;
    if (*unchanged)
        return MR_OK;
    struct mr_download_place place = {.state_folder = d->run->state_folder,
                                      .server = d->run->account.url,
                                      .file_id = d->source.file_id,
                                      .version = d->source.version,
                                      .parts = d->parts,
                                      .folder = d->folder,
                                      .name = d->name,
                                      .among_others = d->run->options->recursive};
    d->state = mr_download_state_open(&place, &d->fd, err);
    return d->state ? MR_OK : MR_FAIL;
}

static void queue_parts(struct download *d)
{
    struct mr_pool *pool = d->run->pool;
    int parts = d->parts;
    atomic_store(&d->left, parts);
    for (int n = 1; n <= parts; n++) /* d may be gone once the last one is queued */
        mr_pool_add_part(pool, part_task, d, n);
}

static void download_task(void *arg, int number, struct mr_worker *w)
{
    struct download *d = arg;
    struct mr_error err;
    bool unchanged = false;
    (void)number;
    if (mr_transfers_over(d->run)) {
        mr_transfers_left_out(d->run);
        download_free(d, MR_DOWNLOAD_KEEP);
        return;
    }
    d->started_ms = mr_mono_ms();
    if (open_target(d, &unchanged, &err) != MR_OK) {
        fail(d, &err);
        finish(d);
    } else if (unchanged) {
        mr_progress_skipped(d->run->progress, d->source.size);
        mr_transfers_unchanged(d->run);
        report(d, true);
        download_free(d, MR_DOWNLOAD_KEEP);
    } else if (d->parts > 1) {
        queue_parts(d);
    } else {
        if (get_part(d, 1, w, &err) != MR_OK)
            fail(d, &err);
        finish(d);
    }
}

static char *copy(const char *s)
{
    char *out = strdup(s);
    if (!out)
        abort();
    return out;
}

void mr_download_add(struct mr_transfers *run, const struct mr_download_source *source, int root,
                     const char *root_name, const char *relative)
{
    struct download *d = calloc(1, sizeof(*d));
    if (!d)
        abort();
    d->run = run;
    d->source = (struct mr_download_source){copy(source->path), copy(source->file_id), source->version,
                                            source->size, copy(source->content_hash)};
    mr_unhex(mr_span_of(source->content_hash), d->content_hash, MR_SHA256_SIZE); /* checked before */
    d->root = root;
    d->folder = d->fd = -1;
    d->relative = copy(relative);
    if (asprintf(&d->shown, "%s%s%s", strcmp(root_name, ".") == 0 ? "" : root_name,
                 strcmp(root_name, ".") == 0 || root_name[strlen(root_name) - 1] == '/' ? "" : "/",
                 relative) < 0)
        abort();
    d->parts = mr_part_count(source->size);
    d->hashes = calloc((size_t)d->parts, sizeof(*d->hashes));
    if (!d->hashes)
        abort();
    d->url = mr_download_url_new(d->source.file_id, d->source.version);
    pthread_mutex_init(&d->lock, NULL);
    mr_progress_expect(run->progress, 1, source->size);
    mr_pool_add(run->pool, source->size <= MR_SMALL_FILE_MAX ? MR_LANE_SMALL : MR_LANE_LARGE, download_task,
                d);
}

enum mr_status mr_download_source_of(const json_t *file, struct mr_download_source *out, struct mr_error *err)
{
    uint8_t hash[MR_SHA256_SIZE];
    *out = (struct mr_download_source){0};
    if (mr_json_text(file, "path", &out->path, err) != MR_OK ||
        mr_json_text(file, "file_id", &out->file_id, err) != MR_OK ||
        mr_json_int(file, "version", &out->version, err) != MR_OK ||
        mr_json_int(file, "size", &out->size, err) != MR_OK ||
        mr_json_text(file, "content_hash", &out->content_hash, err) != MR_OK)
        return MR_FAIL;
    if (out->size < 0 || out->version < 1 || !mr_unhex(mr_span_of(out->content_hash), hash, sizeof(hash)))
        return mr_error_set(err, MR_CLASS_REJECT, EPROTO, "the server's description of %s makes no sense",
                            out->path);
    return MR_OK;
}
