#include "client/commands.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "client/remote.h"

struct listing {
    struct mr_ui *ui;
    const struct mr_options *options;
    size_t prefix;           /* of paths, not shown */
    json_t *folders, *files; /* for --json */
};

static void show_file(const struct listing *l, const char *path, const json_t *file)
{
    const char *status = json_string_value(json_object_get(file, "status"));
    const char *changed = json_string_value(json_object_get(file, "updated_at"));
    if (!l->options->details) {
        mr_ui_line(l->ui, "%s", path + l->prefix);
        return;
    }
    mr_ui_line(l->ui, "%12lld  %4s%-4lld  %-11s  %.16s  %s",
               json_integer_value(json_object_get(file, "size")), "v",
               json_integer_value(json_object_get(file, "version")), status ? status : "",
               changed ? changed : "", path + l->prefix);
}

static bool list_entry(void *ctx, const char *path, const json_t *file)
{
    struct listing *l = ctx;
    if (mr_ui_is_json(l->ui)) {
        json_t *entry = file ? json_incref((json_t *)file) : json_pack("{s:s}", "path", path);
        json_array_append_new(file ? l->files : l->folders, entry);
    } else if (file) {
        show_file(l, path, file);
    } else if (l->options->details) {
        mr_ui_line(l->ui, "%12s  %8s  %-11s  %16s  %s/", "-", "", "folder", "", path + l->prefix);
    } else {
        mr_ui_line(l->ui, "%s/", path + l->prefix);
    }
    return true;
}

static enum mr_status list(const struct mr_api *api, const char *path, struct listing *l,
                           struct mr_error *err)
{
    json_t *file;
    if (mr_remote_find(api, path, &file, err) != MR_OK)
        return MR_FAIL;
    if (file) {
        l->prefix = (size_t)(mr_last_segment(path) - path);
        list_entry(l, path, file);
        json_decref(file);
        return MR_OK;
    }
    l->prefix = strcmp(path, "/") == 0 ? 1 : strlen(path) + 1;
    return l->options->recursive ? mr_remote_walk(api, path, list_entry, l, err)
                                 : mr_remote_list(api, path, list_entry, l, err);
}

enum mr_exit mr_command_ls(const struct mr_options *o, struct mr_ui *ui)
{
    struct mr_account account = {0};
    struct mr_web_options web = {o->cacert, o->retry_ms};
    struct mr_api api = {mr_web_open(&web), &account};
    struct listing l = {ui, o, 0, json_array(), json_array()};
    struct mr_error err;
    char *path = NULL;
    enum mr_exit code = MR_EXIT_OK;
    bool ok = mr_account_load(&account, &err) == MR_OK &&
              (path = mr_remote_path(o->n_args ? o->args[0] : "/", &err)) &&
              list(&api, path, &l, &err) == MR_OK;
    if (!ok)
        code = (enum mr_exit)mr_ui_fail(ui, &err);
    else if (mr_ui_is_json(ui))
        mr_ui_json(ui, json_pack("{s:O, s:O}", "folders", l.folders, "files", l.files));
    json_decref(l.folders);
    json_decref(l.files);
    free(path);
    mr_account_free(&account);
    mr_web_close(&api.web);
    return code;
}
