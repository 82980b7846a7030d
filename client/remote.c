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

static json_t *page(const struct mr_api *api, const char *folder, const char *cursor, int limit,
                    struct mr_error *err)
{
    struct mr_buf path;
    mr_buf_init(&path, 64 << 10);
    mr_buf_printf(&path, "/files?limit=%d&folder=", limit);
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
        json_t *answer = page(api, folder, cursor, PAGE, err);
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

/* A folder is there when something is in it. */
static enum mr_status is_folder(const struct mr_api *api, const char *path, bool *is, struct mr_error *err)
{
    *is = strcmp(path, "/") == 0;
    json_t *answer = *is ? NULL : page(api, path, NULL, 1, err);
    if (!*is && !answer)
        return MR_FAIL;
    *is = *is || json_array_size(json_object_get(answer, "folders")) > 0 ||
          json_array_size(json_object_get(answer, "files")) > 0;
    json_decref(answer);
    return MR_OK;
}

struct search {
    const char *path;
    json_t *file;
};

static bool compare(void *ctx, const char *path, const json_t *file)
{
    struct search *s = ctx;
    if (!file || strcmp(path, s->path) != 0)
        return true;
    s->file = json_deep_copy(file);
    return false;
}

static json_t *no_such(const char *path, struct mr_error *err)
{
    mr_error_set(err, MR_CLASS_REJECT, 404, "%s: there is no such file on the server", path);
    return NULL;
}

json_t *mr_remote_file(const struct mr_api *api, const char *path, struct mr_error *err)
{
    struct search s = {path, NULL};
    if (strcmp(path, "/") == 0)
        return no_such(path, err);
    size_t n = (size_t)(mr_last_segment(path) - path);
    char *folder = strndup(path, n > 1 ? n - 1 : 1);
    enum mr_status status = mr_remote_list(api, folder, compare, &s, err);
    free(folder);
    if (status == MR_OK && !s.file)
        return no_such(path, err);
    return s.file;
}

enum mr_status mr_remote_find(const struct mr_api *api, const char *path, json_t **file, struct mr_error *err)
{
    bool folder;
    *file = NULL;
    if (is_folder(api, path, &folder, err) != MR_OK)
        return MR_FAIL;
    if (folder)
        return MR_OK;
    *file = mr_remote_file(api, path, err);
    if (!*file && err->code == 404)
        mr_error_set(err, MR_CLASS_REJECT, 404, "%s: there is no such file or folder on the server", path);
    return *file ? MR_OK : MR_FAIL;
}

json_t *mr_remote_versions(const struct mr_api *api, const char *file_id, struct mr_error *err)
{
    json_t *versions = json_array();
    json_t *answer = mr_api_get(api, err, "/files/%s/versions?limit=%d", file_id, PAGE);
    while (answer) {
        struct mr_buf path;
        const char *next = json_string_value(json_object_get(answer, "next_cursor"));
        json_array_extend(versions, json_object_get(answer, "versions"));
        if (!next) {
            json_decref(answer);
            return versions;
        }
        mr_buf_init(&path, 64 << 10);
        mr_url_add(&path, next);
        json_decref(answer);
        answer = mr_api_get(api, err, "/files/%s/versions?limit=%d&cursor=%s", file_id, PAGE, path.data);
        mr_buf_free(&path);
    }
    json_decref(versions);
    return NULL;
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
