#include "client/commands.h"

#include <stdlib.h>
#include <string.h>

#include "base/id.h"
#include "client/remote.h"
#include "client/upload_state.h"
#include "client/xdg.h"

/* What versions and status have in common: an account, a connection, an answer. */
struct question {
    struct mr_ui *ui;
    struct mr_account account;
    struct mr_api api;
};

typedef enum mr_status (*ask_fn)(struct question *q, const char *argument, struct mr_error *err);

static enum mr_exit with_account(const struct mr_options *o, struct mr_ui *ui, ask_fn ask)
{
    struct mr_web_options web = {o->cacert, o->retry_ms};
    struct question q = {.ui = ui};
    struct mr_error err;
    enum mr_exit code = MR_EXIT_OK;
    q.api = (struct mr_api){mr_web_open(&web), &q.account};
    if (mr_account_load(&q.account, &err) != MR_OK || ask(&q, o->n_args ? o->args[0] : NULL, &err) != MR_OK)
        code = (enum mr_exit)mr_ui_fail(ui, &err);
    mr_web_close(&q.api.web);
    mr_account_free(&q.account);
    return code;
}

static const char *text(const json_t *o, const char *name)
{
    const char *s = json_string_value(json_object_get(o, name));
    return s ? s : "-";
}

static long long number(const json_t *o, const char *name)
{
    return json_integer_value(json_object_get(o, name));
}

/* The file at a path; its id is in it. */
static json_t *find_file(struct question *q, const char *argument, const char **file_id, struct mr_error *err)
{
    char *path = mr_remote_path(argument, err);
    json_t *file = path ? mr_remote_file(&q->api, path, err) : NULL;
    free(path);
    if (file && mr_json_text(file, "file_id", file_id, err) == MR_OK)
        return file;
    json_decref(file);
    return NULL;
}

static enum mr_status ask_versions(struct question *q, const char *argument, struct mr_error *err)
{
    const char *id = NULL;
    size_t i;
    json_t *v, *answer = NULL, *file = find_file(q, argument, &id, err);
    char size[MR_SIZE_TEXT];
    if (file)
        answer = mr_remote_versions(&q->api, id, err);
    if (answer && mr_ui_is_json(q->ui)) {
        mr_ui_json(q->ui, json_pack("{s:O}", "versions", answer));
    } else if (answer) {
        json_array_foreach(answer, i, v)
            mr_ui_line(q->ui, "%6lld  %10s  %.19sZ  %.16s", number(v, "version"),
                       mr_size_text(number(v, "size"), size), text(v, "created_at"), text(v, "content_hash"));
    }
    enum mr_status status = answer ? MR_OK : MR_FAIL;
    json_decref(answer);
    json_decref(file);
    return status;
}

static void show_file(struct question *q, const json_t *file, const json_t *stages)
{
    size_t i;
    json_t *s;
    char size[MR_SIZE_TEXT];
    mr_ui_line(q->ui, "%s", text(file, "path"));
    mr_ui_line(q->ui, "  version %lld, %s, %s", number(file, "version"),
               mr_size_text(number(file, "size"), size), text(file, "content_type"));
    mr_ui_line(q->ui, "  status %s, verdict %s", text(file, "status"), text(file, "verdict"));
    mr_ui_line(q->ui, "  created %s, changed %s", text(file, "created_at"), text(file, "updated_at"));
    mr_ui_line(q->ui, "  file id %s", text(file, "file_id"));
    mr_ui_line(q->ui, "  content hash %s", text(file, "content_hash"));
    json_array_foreach(json_object_get(stages, "stages"), i, s)
        mr_ui_line(q->ui, "  stage %-10s version %lld  %-8s attempt %lld  %s", text(s, "stage"),
                   number(s, "version"), text(s, "outcome"), number(s, "attempt"),
                   json_is_string(json_object_get(s, "reason")) ? text(s, "reason") : "");
}

static enum mr_status ask_file(struct question *q, const char *argument, struct mr_error *err)
{
    const char *id = NULL;
    json_t *stages = NULL, *file = find_file(q, argument, &id, err);
    if (file)
        stages = mr_api_get(&q->api, err, "/files/%s/stages", id);
    if (stages && mr_ui_is_json(q->ui))
        mr_ui_json(q->ui, json_pack("{s:O, s:O}", "file", file, "stages", json_object_get(stages, "stages")));
    else if (stages)
        show_file(q, file, stages);
    enum mr_status status = stages ? MR_OK : MR_FAIL;
    json_decref(stages);
    json_decref(file);
    return status;
}

static enum mr_status ask_upload(struct question *q, const char *upload_id, struct mr_error *err)
{
    char size[MR_SIZE_TEXT];
    json_t *answer = mr_api_get(&q->api, err, "/upload/%s", upload_id);
    if (!answer)
        return MR_FAIL;
    if (mr_ui_is_json(q->ui)) {
        mr_ui_json(q->ui, answer);
        return MR_OK;
    }
    mr_ui_line(q->ui, "%s", text(answer, "path"));
    mr_ui_line(q->ui, "  %s, %s, %zu of %lld parts arrived", text(answer, "state"),
               mr_size_text(number(answer, "size"), size), json_array_size(json_object_get(answer, "parts")),
               number(answer, "part_count"));
    mr_ui_line(q->ui, "  expires %s", text(answer, "expires_at"));
    json_decref(answer);
    return MR_OK;
}

struct sessions {
    struct question *q;
    json_t *list;
};

/* Only of the server that is logged in to: another one's token is not at hand. */
static void add_session(void *ctx, const struct mr_upload_saved *saved)
{
    struct sessions *s = ctx;
    struct mr_error err;
    if (strcmp(saved->server, s->q->account.url) != 0)
        return;
    json_t *answer = mr_api_get(&s->q->api, &err, "/upload/%s", saved->upload_id);
    json_t *entry = json_pack("{s:s, s:s, s:s}", "local", saved->local, "path", saved->remote, "upload_id",
                              saved->upload_id);
    json_object_set_new(entry, "state", json_string(answer ? text(answer, "state") : "gone"));
    json_object_set_new(entry, "parts_arrived",
                        json_integer((json_int_t)json_array_size(json_object_get(answer, "parts"))));
    json_object_set_new(entry, "part_count", json_integer(number(answer, "part_count")));
    json_array_append_new(s->list, entry);
    json_decref(answer);
}

static enum mr_status ask_sessions(struct question *q, struct mr_error *err)
{
    struct sessions s = {q, json_array()};
    size_t i;
    json_t *e;
    char *folder = mr_xdg_folder(MR_XDG_STATE, "uploads", err);
    enum mr_status status = folder ? mr_upload_state_each(folder, add_session, &s, err) : MR_FAIL;
    free(folder);
    if (status == MR_OK && mr_ui_is_json(q->ui)) {
        mr_ui_json(q->ui, json_pack("{s:O}", "uploads", s.list));
    } else if (status == MR_OK) {
        json_array_foreach(s.list, i, e) mr_ui_line(
            q->ui, "%s  %s  %lld of %lld parts  %s -> %s", text(e, "upload_id"), text(e, "state"),
            number(e, "parts_arrived"), number(e, "part_count"), text(e, "local"), text(e, "path"));
        if (json_array_size(s.list) == 0)
            mr_ui_line(q->ui, "no upload from this machine was interrupted");
    }
    json_decref(s.list);
    return status;
}

static enum mr_status ask_status(struct question *q, const char *argument, struct mr_error *err)
{
    struct mr_uuid id;
    if (!argument)
        return ask_sessions(q, err);
    if (mr_uuid_parse(mr_span_of(argument), &id))
        return ask_upload(q, argument, err);
    return ask_file(q, argument, err);
}

enum mr_exit mr_command_versions(const struct mr_options *o, struct mr_ui *ui)
{
    return with_account(o, ui, ask_versions);
}

enum mr_exit mr_command_status(const struct mr_options *o, struct mr_ui *ui)
{
    return with_account(o, ui, ask_status);
}
