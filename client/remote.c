#include "client/remote.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <utf8proc.h>

#define PAGE 1000

static char *nfc(const char *text, struct mr_error *err)
{
    char *out = (char *)utf8proc_NFC((const utf8proc_uint8_t *)text);
    if (!out)
        mr_error_set(err, MR_CLASS_REJECT, EILSEQ, "%s: the name is not UTF-8, which names on the server are",
                     text);
    return out;
}

char *mr_remote_path(const char *path, struct mr_error *err)
{
    if (path[0] != '/') {
        mr_error_set(err, MR_CLASS_REJECT, EINVAL, "%s: paths on the server begin with /", path);
        return NULL;
    }
    char *out = nfc(path, err);
    for (size_t n = out ? strlen(out) : 0; n > 1 && out[n - 1] == '/'; n--)
        out[n - 1] = '\0';
    return out;
}

char *mr_remote_join(const char *folder, const char *name, struct mr_error *err)
{
    char *joined = NULL;
    size_t n = strlen(folder);
    if (asprintf(&joined, "%s%s%s", folder, n > 0 && folder[n - 1] == '/' ? "" : "/", name) < 0)
        abort();
    char *out = nfc(joined, err);
    free(joined);
    return out;
}

const char *mr_last_segment(const char *path)
{
    const char *slash = strrchr(path, '/');
    return slash ? slash + 1 : path;
}

static json_t *page(const struct mr_api *api, const char *folder, const char *cursor, struct mr_error *err)
{
    struct mr_buf path;
    mr_buf_init(&path, 64 << 10);
    mr_buf_printf(&path, "/files?limit=%d&folder=", PAGE);
    mr_url_add(&path, folder);
    if (cursor) {
        mr_buf_puts(&path, "&cursor=");
        mr_url_add(&path, cursor);
    }
    json_t *out = mr_api_get(api, err, "%s", path.data);
    mr_buf_free(&path);
    return out;
}

/* False when fn ended the listing. */
static bool tell(const json_t *answer, mr_listed_fn fn, void *ctx)
{
    size_t i;
    json_t *entry;
    const char *members[] = {"folders", "files"};
    for (size_t m = 0; m < 2; m++) {
        json_array_foreach(json_object_get(answer, members[m]), i, entry)
        {
            const char *path = json_string_value(json_object_get(entry, "path"));
            if (path && !fn(ctx, path, m == 0 ? NULL : entry))
                return false;
        }
    }
    return true;
}

enum mr_status mr_remote_list(const struct mr_api *api, const char *folder, mr_listed_fn fn, void *ctx,
                              struct mr_error *err)
{
    char *cursor = NULL;
    for (bool more = true; more;) {
        json_t *answer = page(api, folder, cursor, err);
        free(cursor);
        cursor = NULL;
        if (!answer)
            return MR_FAIL;
        const char *next = json_string_value(json_object_get(answer, "next_cursor"));
        more = tell(answer, fn, ctx) && next;
        if (more)
            cursor = strdup(next);
        json_decref(answer);
    }
    return MR_OK;
}

/* Folders still to list, a stack of strings. */
struct walk {
    json_t *folders;
    mr_listed_fn fn;
    void *ctx;
    bool ended;
};

static bool walk_entry(void *ctx, const char *path, const json_t *file)
{
    struct walk *w = ctx;
    if (!file)
        return json_array_append_new(w->folders, json_string(path)) == 0;
    w->ended = !w->fn(w->ctx, path, file);
    return !w->ended;
}

enum mr_status mr_remote_walk(const struct mr_api *api, const char *folder, mr_listed_fn fn, void *ctx,
                              struct mr_error *err)
{
    struct walk w = {json_array(), fn, ctx, false};
    json_array_append_new(w.folders, json_string(folder));
    enum mr_status status = MR_OK;
    while (status == MR_OK && !w.ended && json_array_size(w.folders) > 0) {
        size_t last = json_array_size(w.folders) - 1;
        json_t *next = json_incref(json_array_get(w.folders, last));
        json_array_remove(w.folders, last);
        status = mr_remote_list(api, json_string_value(next), walk_entry, &w, err);
        json_decref(next);
    }
    json_decref(w.folders);
    return status;
}

struct search {
    const char *path;
    enum mr_kind kind;
    json_t *file;
};

static bool compare(void *ctx, const char *path, const json_t *file)
{
    struct search *s = ctx;
    if (strcmp(path, s->path) != 0)
        return true;
    s->kind = file ? MR_KIND_FILE : MR_KIND_FOLDER;
    s->file = file ? json_deep_copy(file) : NULL;
    return false;
}

static char *parent_of(const char *path)
{
    size_t n = (size_t)(mr_last_segment(path) - path);
    return strndup(path, n > 1 ? n - 1 : 1);
}

enum mr_status mr_remote_find(const struct mr_api *api, const char *path, enum mr_kind *kind, json_t **file,
                              struct mr_error *err)
{
    struct search s = {path, MR_KIND_NONE, NULL};
    *file = NULL;
    *kind = MR_KIND_FOLDER;
    if (strcmp(path, "/") == 0)
        return MR_OK;
    char *folder = parent_of(path);
    enum mr_status status = mr_remote_list(api, folder, compare, &s, err);
    free(folder);
    if (status != MR_OK && err->code != 404)
        return status;
    if (s.kind == MR_KIND_NONE)
        return mr_error_set(err, MR_CLASS_REJECT, 404, "%s: there is no such file or folder on the server",
                            path);
    *kind = s.kind;
    *file = s.file;
    return MR_OK;
}

json_t *mr_remote_file(const struct mr_api *api, const char *path, struct mr_error *err)
{
    enum mr_kind kind;
    json_t *file;
    if (mr_remote_find(api, path, &kind, &file, err) != MR_OK)
        return NULL;
    if (kind == MR_KIND_FOLDER)
        mr_error_set(err, MR_CLASS_REJECT, 404, "%s is a folder", path);
    return file;
}

char *mr_remote_user(const struct mr_api *api, struct mr_error *err)
{
    if (api->account->user_id[0])
        return strdup(api->account->user_id);
    json_t *me = mr_api_get(api, err, "/me");
    const char *id = NULL;
    char *out = NULL;
    if (me && mr_json_text(me, "user_id", &id, err) == MR_OK)
        out = strdup(id);
    json_decref(me);
    return out;
}
