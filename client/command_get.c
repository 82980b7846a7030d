#include "client/commands.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/digest.h"
#include "client/download.h"
#include "client/remote.h"
#include "client/target.h"

/* Where files land: those below `prefix` on the server below `root` here, `into` before their relative names.
 */
struct landing {
    struct mr_transfers *run;
    const char *prefix; /* "/photos" */
    const char *root_name;
    const char *into; /* "photos", or "" */
    int root;
};

static bool is_folder_name(const char *local)
{
    size_t n = strlen(local);
    return n == 0 || local[n - 1] == '/' || strcmp(local, ".") == 0 || strcmp(local, "..") == 0 ||
           (n > 2 && (strcmp(local + n - 2, "/.") == 0)) || (n > 3 && strcmp(local + n - 3, "/..") == 0);
}

static bool is_folder(const char *local)
{
    struct stat st;
    return stat(local, &st) == 0 && S_ISDIR(st.st_mode);
}

static void failed(struct mr_transfers *run, const char *path, const struct mr_error *err)
{
    mr_transfers_failed(run, path, json_pack("{s:o}", "path", mr_json_name(path)), err);
}

static bool add_listed(void *ctx, const char *path, const json_t *file)
{
    const struct landing *l = ctx;
    struct mr_download_source source;
    struct mr_error err;
    size_t n = strlen(l->prefix);
    if (mr_download_source_of(file, &source, &err) != MR_OK) {
        failed(l->run, path, &err);
    } else if (strncmp(path, l->prefix, n) != 0 || path[n] != '/') {
        mr_error_set(&err, MR_CLASS_REJECT, EPROTO, "the server lists it below %s, where it is not",
                     l->prefix);
        failed(l->run, path, &err);
    } else {
        struct mr_buf relative;
        mr_buf_init(&relative, 64 << 10);
        mr_buf_printf(&relative, "%s%s%s", l->into, l->into[0] ? "/" : "", path + n + 1);
        mr_download_add(l->run, &source, l->root, l->root_name, relative.data);
        mr_buf_free(&relative);
    }
    return !mr_transfers_over(l->run);
}

static enum mr_status get_folder(struct mr_transfers *run, const struct mr_api *api, const char *path,
                                 const char *local, int *root, struct mr_error *err)
{
    if (!run->options->recursive)
        return mr_error_set(err, MR_CLASS_REJECT, EISDIR,
                            "it is a folder: -r downloads folders with everything in them");
    if (run->options->version > 0)
        return mr_error_set(err, MR_CLASS_REJECT, EINVAL, "--at is for a file, and this is a folder");
    bool into = !local || is_folder_name(local);
    const char *root_name = local && local[0] ? local : ".";
    *root = mr_target_root(root_name, err);
    if (*root < 0)
        return MR_FAIL;
    bool top = strcmp(path, "/") == 0;
    struct landing l = {run, top ? "" : path, root_name, into && !top ? mr_last_segment(path) : "", *root};
    return mr_remote_walk(api, path, add_listed, &l, err);
}

/* Size and hash of an older version; `versions` holds the strings. */
static enum mr_status choose_version(const struct mr_api *api, int64_t wanted,
                                     struct mr_download_source *source, json_t **versions,
                                     struct mr_error *err)
{
    size_t i;
    json_t *v;
    *versions = mr_remote_versions(api, source->file_id, err);
    if (!*versions)
        return MR_FAIL;
    json_array_foreach(*versions, i, v)
    {
        uint8_t hash[32];
        if (json_integer_value(json_object_get(v, "version")) != wanted)
            continue;
        source->version = wanted;
        if (mr_json_int(v, "size", &source->size, err) != MR_OK ||
            mr_json_text(v, "content_hash", &source->content_hash, err) != MR_OK)
            return MR_FAIL;
        if (source->size < 0 || !mr_unhex(mr_span_of(source->content_hash), hash, sizeof(hash)))
            return mr_error_set(err, MR_CLASS_REJECT, EPROTO,
                                "the server's description of version %lld makes no sense", (long long)wanted);
        return MR_OK;
    }
    return mr_error_set(err, MR_CLASS_REJECT, 404, "there is no version %lld of it", (long long)wanted);
}

static enum mr_status get_file(struct mr_transfers *run, const struct mr_api *api, const json_t *file,
                               const char *local, int *root, struct mr_error *err)
{
    struct mr_download_source source;
    json_t *versions = NULL;
    enum mr_status status = mr_download_source_of(file, &source, err);
    if (status == MR_OK && run->options->version > 0)
        status = choose_version(api, run->options->version, &source, &versions, err);
    if (status == MR_OK) {
        bool into = !local || is_folder_name(local) || is_folder(local);
        const char *last = local && !into ? mr_last_segment(local) : mr_last_segment(source.path);
        size_t n = local && !into ? (size_t)(last - local) : local ? strlen(local) : 0;
        char *root_name = n > 0 ? strndup(local, n) : strdup(".");
        *root = mr_target_root(root_name, err);
        status = *root >= 0 ? MR_OK : MR_FAIL;
        if (status == MR_OK)
            mr_download_add(run, &source, *root, root_name, last);
        free(root_name);
    }
    json_decref(versions);
    return status;
}

static enum mr_status get(struct mr_transfers *run, const char *remote, const char *local, int *root,
                          struct mr_error *err)
{
    struct mr_web_options web = {run->options->cacert, run->options->retry_ms};
    struct mr_api api = {mr_web_open(&web), &run->account};
    json_t *file = NULL;
    char *path = mr_remote_path(remote, err);
    enum mr_status status = path ? mr_remote_find(&api, path, &file, err) : MR_FAIL;
    if (status == MR_OK && !file)
        status = get_folder(run, &api, path, local, root, err);
    else if (status == MR_OK)
        status = get_file(run, &api, file, local, root, err);
    json_decref(file);
    free(path);
    mr_web_close(&api.web);
    return status;
}

enum mr_exit mr_command_get(const struct mr_options *o, struct mr_ui *ui)
{
    struct mr_transfers run;
    struct mr_error err;
    int root = -1;
    if (o->n_args > 1 && strcmp(o->args[1], "-") == 0) {
        mr_error_set(&err, MR_CLASS_REJECT, EINVAL,
                     "get writes files, not to stdout: a file that is called - is named ./-");
        return (enum mr_exit)mr_ui_fail(ui, &err);
    }
    if (mr_transfers_start(&run, o, ui, "downloading", "downloads", &err) != MR_OK)
        return (enum mr_exit)mr_ui_fail(ui, &err);
    if (get(&run, o->args[0], o->n_args > 1 ? o->args[1] : NULL, &root, &err) != MR_OK)
        failed(&run, o->args[0], &err);
    enum mr_exit code = mr_transfers_finish(&run, "downloaded");
    if (root >= 0)
        close(root);
    return code;
}
