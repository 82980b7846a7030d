#include "client/commands.h"

#include <errno.h>
#include <fts.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/stop.h"
#include "client/remote.h"
#include "client/transfers.h"
#include "client/upload.h"
#include "client/visible.h"

/* Where things go: `as` names the one thing that is uploaded; otherwise each goes into `folder` under its own
 * name. */
struct place {
    char *folder;
    char *as;
};

static void place_free(struct place *p)
{
    free(p->folder);
    free(p->as);
}

static bool ends_with_slash(const char *s)
{
    size_t n = strlen(s);
    return n > 0 && s[n - 1] == '/';
}

/* The last of several arguments is the place on the server. */
static enum mr_status find_place(const struct mr_options *o, struct place *place, int *n_locals,
                                 struct mr_error *err)
{
    *place = (struct place){0};
    *n_locals = o->n_args > 1 ? o->n_args - 1 : 1;
    const char *remote = o->n_args > 1 ? o->args[o->n_args - 1] : "/";
    if (remote[0] != '/')
        return mr_error_set(
            err, MR_CLASS_REJECT, EINVAL,
            "%s: the last argument is the place on the server and begins with / (use / for the top)", remote);
    char *path = mr_remote_path(remote, err);
    if (!path)
        return MR_FAIL;
    if (*n_locals > 1 || ends_with_slash(remote))
        place->folder = path;
    else
        place->as = path;
    return MR_OK;
}

static void failed(struct mr_transfers *run, const char *local, const struct mr_error *err)
{
    mr_transfers_failed(run, local, json_pack("{s:o}", "local", mr_json_name(local)), err);
}

/* A name in NFD, as some systems write them, is another name on the server: said with -v. */
static void say_if_renamed(struct mr_transfers *run, const char *local, const char *remote)
{
    if (strcmp(mr_last_segment(local), mr_last_segment(remote)) != 0)
        mr_ui_more(run->ui, "%s: is called %s on the server", local, remote);
}

/* A folder that is uploaded to `root`; `there` has what the server holds there, by path.
 *
 * Everything is walked through twice: first only to note in `claims` which local file goes to which path, as
 * two of them must not go to one. Without `run` it is that first time. */
struct tree {
    struct mr_transfers *run;
    const char *root;
    json_t *there;
    json_t *claims; /* {remote: local} */
    struct mr_error *clash;
};

/* Notes that `local` goes to `remote`; false with *err filled when another one does. */
static bool claim(json_t *claims, const char *local, const char *remote, bool again, struct mr_error *err)
{
    json_t *name = mr_json_name(local), *other = json_object_get(claims, remote);
    bool free_for_it = !other || (again && json_equal(other, name));
    if (!free_for_it)
        mr_error_set(err, MR_CLASS_REJECT, EEXIST, "%.150s and %.150s would both be %.150s on the server",
                     json_string_value(other), json_string_value(name), remote);
    if (!other)
        json_object_set(claims, remote, name);
    json_decref(name);
    return free_for_it;
}

/* The first time. What else is wrong with a name is said the second time. */
static void look_at_file(const struct tree *t, const char *local, const char *remote)
{
    struct mr_error err;
    if (remote && !claim(t->claims, local, remote, false, &err) && t->clash->class == MR_CLASS_NONE)
        *t->clash = err;
}

static void add_file(const struct tree *t, const char *local, const char *below, int64_t size)
{
    struct mr_error err;
    char *remote = below[0] ? mr_remote_join(t->root, below, &err) : strdup(t->root);
    if (!t->run) {
        look_at_file(t, local, remote);
        free(remote);
        return;
    }
    if (!remote || !claim(t->claims, local, remote, true, &err)) {
        failed(t->run, local, &err);
        free(remote);
        return;
    }
    say_if_renamed(t->run, local, remote);
    const json_t *file = json_object_get(t->there, remote);
    bool same_size = file && json_integer_value(json_object_get(file, "size")) == size;
    const char *hash = json_string_value(json_object_get(file, "content_hash"));
    mr_upload_add(t->run, &(struct mr_upload_source){local, remote, size, same_size ? hash : NULL});
    free(remote);
}

static int by_name(const FTSENT **a, const FTSENT **b)
{
    return strcmp((*a)->fts_name, (*b)->fts_name);
}

static void add_entry(const struct tree *t, const FTSENT *e, size_t prefix)
{
    struct mr_error err;
    if (!t->run && e->fts_info != FTS_F)
        return;
    switch (e->fts_info) {
    case FTS_F:
        add_file(t, e->fts_path, e->fts_path + prefix, e->fts_statp->st_size);
        break;
    case FTS_DNR:
    case FTS_ERR:
    case FTS_NS:
        errno = e->fts_errno;
        mr_error_errno(&err, "reading", e->fts_path);
        failed(t->run, e->fts_path, &err);
        break;
    case FTS_SL:
    case FTS_SLNONE:
    case FTS_DEFAULT:
        mr_ui_note(t->run->ui, "%s: left out, it is a link or a special file", e->fts_path);
        break;
    default: /* folders, before and after their content */
        break;
    }
}

static bool note_file(void *ctx, const char *path, const json_t *file)
{
    return json_object_set_new(ctx, path,
                               json_pack("{s:O*, s:O*}", "size", json_object_get(file, "size"),
                                         "content_hash", json_object_get(file, "content_hash"))) == 0;
}

/* What the server has below the root: after an interruption most of it need not go there again. */
static enum mr_status look_there(struct tree *t, struct mr_error *err)
{
    if (!t->run || t->run->options->force)
        return MR_OK;
    struct mr_web_options web = {t->run->options->cacert, t->run->options->retry_ms};
    struct mr_api api = {mr_web_open(&web), &t->run->account};
    t->there = json_object();
    enum mr_status status = mr_remote_walk(&api, t->root, note_file, t->there, err);
    mr_web_close(&api.web);
    return status;
}

/* Links below are not followed: a tree could lead anywhere through them. */
static enum mr_status add_folder(struct tree t, const char *local, struct mr_error *err)
{
    char *const paths[] = {(char *)local, NULL};
    size_t prefix = strlen(local);
    while (prefix > 1 && local[prefix - 1] == '/')
        prefix--; /* fts drops trailing slashes */
    if (look_there(&t, err) != MR_OK) {
        json_decref(t.there);
        return MR_FAIL;
    }
    FTS *tree = fts_open(paths, FTS_PHYSICAL | FTS_COMFOLLOW | FTS_NOCHDIR, by_name);
    if (!tree)
        abort();
    for (FTSENT *e; !mr_stop_requested() && !(t.run && mr_transfers_over(t.run)) && (e = fts_read(tree));) {
        size_t skip = prefix;
        while (e->fts_path[skip] == '/')
            skip++;
        add_entry(&t, e, skip);
    }
    fts_close(tree);
    json_decref(t.there);
    return MR_OK;
}

/* The name under which a local argument goes into a folder: of "." and ".." and "/", the real one. */
static char *name_of(const char *local, struct mr_error *err)
{
    char *real = realpath(local, NULL);
    char *trimmed = strdup(local);
    for (size_t n = strlen(trimmed); n > 1 && trimmed[n - 1] == '/'; n--)
        trimmed[n - 1] = '\0';
    const char *last = mr_last_segment(trimmed);
    bool plain = last[0] && strcmp(last, ".") != 0 && strcmp(last, "..") != 0;
    char *out = plain ? strdup(last) : real ? strdup(mr_last_segment(real)) : NULL;
    if (!out || !out[0]) {
        mr_error_set(err, MR_CLASS_REJECT, EINVAL, "%s: has no name of its own, name one on the server",
                     local);
        free(out);
        out = NULL;
    }
    free(real);
    free(trimmed);
    return out;
}

static enum mr_status add_local(struct tree t, const struct mr_options *o, const char *local,
                                const struct place *place, struct mr_error *err)
{
    struct stat st;
    if (stat(local, &st) != 0)
        return mr_error_errno(err, "opening", "it");
    if (S_ISDIR(st.st_mode) && !o->recursive)
        return mr_error_set(err, MR_CLASS_REJECT, EISDIR,
                            "it is a folder: -r uploads folders with everything in them");
    char *name = place->as ? NULL : name_of(local, err);
    char *root = place->as ? strdup(place->as) : name ? mr_remote_join(place->folder, name, err) : NULL;
    free(name);
    if (!root)
        return MR_FAIL;
    enum mr_status status = MR_OK;
    t.root = root;
    if (S_ISDIR(st.st_mode))
        status = add_folder(t, local, err);
    else
        add_file(&t, local, "", st.st_size);
    free(root);
    return status;
}

static enum mr_status check_args(const struct mr_options *o, int n, const struct place *place, json_t *claims,
                                 struct mr_error *err)
{
    struct mr_error ignored;
    struct tree t = {.claims = claims, .clash = err};
    mr_error_clear(err);
    for (int i = 0; i < n; i++)
        if (strcmp(o->args[i], "-") == 0)
            return mr_error_set(err, MR_CLASS_REJECT, EINVAL,
                                "upload reads files, not stdin: a file that is called - is named ./-");
    for (int i = 0; i < n; i++)
        add_local(t, o, o->args[i], place, &ignored);
    return err->class == MR_CLASS_NONE ? MR_OK : MR_FAIL;
}

static enum mr_exit upload(const struct mr_options *o, struct mr_ui *ui, const struct place *place, int n,
                           json_t *claims)
{
    struct mr_transfers run;
    struct mr_error err;
    if (check_args(o, n, place, claims, &err) != MR_OK ||
        mr_transfers_start(&run, o, ui, "uploading", "uploads", &err) != MR_OK)
        return (enum mr_exit)mr_ui_fail(ui, &err);
    struct tree t = {.run = &run, .claims = claims};
    for (int i = 0; i < n && !mr_transfers_over(&run); i++)
        if (add_local(t, o, o->args[i], place, &err) != MR_OK)
            failed(&run, o->args[i], &err);
    return mr_transfers_finish(&run, "uploaded");
}

enum mr_exit mr_command_upload(const struct mr_options *o, struct mr_ui *ui)
{
    struct place place;
    struct mr_error err;
    int n;
    if (find_place(o, &place, &n, &err) != MR_OK)
        return (enum mr_exit)mr_ui_fail(ui, &err);
    json_t *claims = json_object();
    enum mr_exit code = upload(o, ui, &place, n, claims);
    json_decref(claims);
    place_free(&place);
    return code;
}
