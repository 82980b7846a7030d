#include "client/upload_state.h"

#include <dirent.h>
#include <errno.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "client/exit_code.h"
#include "client/locked_file.h"
#include "client/visible.h"
#include "client/xdg.h"

#define STATE_MAX (32 << 10)

struct mr_upload_state {
    int fd;
    char *path;
    struct mr_upload_place place;
    json_t *saved; /* NULL: nothing */
    struct mr_uuid id;
    char id_text[MR_UUID_TEXT_SIZE];
};

/* Kill -9 cannot tear a write this small; whatever else is found there counts as nothing saved. */
static void read_saved(struct mr_upload_state *s)
{
    char text[STATE_MAX];
    ssize_t n = pread(s->fd, text, sizeof(text), 0);
    s->saved = n > 0 ? json_loadb(text, (size_t)n, 0, NULL) : NULL;
    const char *id = json_string_value(json_object_get(s->saved, "upload_id"));
    if (!id || !mr_uuid_parse(mr_span_of(id), &s->id)) {
        json_decref(s->saved);
        s->saved = NULL;
        return;
    }
    mr_uuid_format(s->id, s->id_text);
}

struct mr_upload_state *mr_upload_state_open(const struct mr_upload_place *place, struct mr_error *err)
{
    const char *key[] = {place->server, place->user_id, place->remote};
    char *path = mr_keyed_path(place->folder, key, 3);
    int fd = mr_locked_open(path, "another mr is uploading to this path", err);
    if (fd < 0) {
        free(path);
        return NULL;
    }
    struct mr_upload_state *s = calloc(1, sizeof(*s));
    if (!s)
        abort();
    *s = (struct mr_upload_state){.fd = fd, .path = path, .place = *place};
    read_saved(s);
    return s;
}

static json_int_t number(const struct mr_upload_state *s, const char *name)
{
    const json_t *value = json_object_get(s->saved, name);
    return json_is_integer(value) ? json_integer_value(value) : -1;
}

static json_int_t mtime_ns(const struct stat *st)
{
    return (json_int_t)st->st_mtim.tv_sec * 1000000000 + st->st_mtim.tv_nsec;
}

/* Nobody can set it: what restores the modification time after a change is seen by this one. */
static json_int_t ctime_ns(const struct stat *st)
{
    return (json_int_t)st->st_ctim.tv_sec * 1000000000 + st->st_ctim.tv_nsec;
}

static bool is_same_file(const struct mr_upload_state *s, const struct stat *st)
{
    return number(s, "dev") == (json_int_t)st->st_dev && number(s, "ino") == (json_int_t)st->st_ino &&
           number(s, "size") == st->st_size && number(s, "mtime_ns") == mtime_ns(st) &&
           number(s, "ctime_ns") == ctime_ns(st);
}

bool mr_same_content_times(const struct stat *a, const struct stat *b)
{
    return a->st_dev == b->st_dev && a->st_ino == b->st_ino && a->st_size == b->st_size &&
           mtime_ns(a) == mtime_ns(b) && ctime_ns(a) == ctime_ns(b);
}

const char *mr_upload_state_session(const struct mr_upload_state *s, const struct stat *local)
{
    return s->saved && is_same_file(s, local) ? s->id_text : NULL;
}

const char *mr_upload_state_stale(const struct mr_upload_state *s, const struct stat *local)
{
    return s->saved && !is_same_file(s, local) ? s->id_text : NULL;
}

enum mr_status mr_upload_state_save(struct mr_upload_state *s, const char *upload_id, const char *path,
                                    const struct stat *local, struct mr_error *err)
{
    json_t *json = json_pack("{s:s, s:s, s:s, s:s, s:o, s:I, s:I, s:I, s:I, s:I}", "upload_id", upload_id,
                             "server", s->place.server, "user_id", s->place.user_id, "remote",
                             s->place.remote, "local", mr_json_name(path), "dev", (json_int_t)local->st_dev,
                             "ino", (json_int_t)local->st_ino, "size", (json_int_t)local->st_size, "mtime_ns",
                             mtime_ns(local), "ctime_ns", ctime_ns(local));
    char *text = json ? json_dumps(json, JSON_COMPACT) : NULL;
    size_t len = text ? strlen(text) : 0;
    enum mr_status status = MR_OK;
    if (len == 0 || len > STATE_MAX || ftruncate(s->fd, 0) != 0 ||
        pwrite(s->fd, text, len, 0) != (ssize_t)len)
        status = mr_error_errno(err, "writing", s->path);
    free(text);
    json_decref(json);
    return status;
}

void mr_upload_state_close(struct mr_upload_state **state, bool keep)
{
    struct mr_upload_state *s = *state;
    if (!s)
        return;
    if (!keep)
        unlink(s->path);
    close(s->fd);
    json_decref(s->saved);
    free(s->path);
    free(s);
    *state = NULL;
}

static void tell_saved(const char *path, mr_upload_saved_fn fn, void *ctx)
{
    struct mr_error ignored; /* removed meanwhile */
    char *text = mr_file_read(path, STATE_MAX, &ignored);
    json_t *json = text ? json_loads(text, 0, NULL) : NULL;
    struct mr_upload_saved saved;
    if (json_unpack(json, "{s:s, s:s, s:s, s:s}", "server", &saved.server, "remote", &saved.remote, "local",
                    &saved.local, "upload_id", &saved.upload_id) == 0)
        fn(ctx, &saved);
    json_decref(json);
    free(text);
}

enum mr_status mr_upload_state_each(const char *folder, mr_upload_saved_fn fn, void *ctx,
                                    struct mr_error *err)
{
    DIR *dir = opendir(folder);
    if (!dir)
        return mr_error_errno(err, "opening", folder);
    for (struct dirent *e; (e = readdir(dir));) {
        char *path = NULL;
        if (e->d_name[0] == '.')
            continue;
        if (asprintf(&path, "%s/%s", folder, e->d_name) < 0)
            abort();
        tell_saved(path, fn, ctx);
        free(path);
    }
    closedir(dir);
    return MR_OK;
}
