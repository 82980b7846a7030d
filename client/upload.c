#include "client/upload.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/parts.h"
#include "client/content_type.h"
#include "client/exit_code.h"
#include "client/part_hash.h"
#include "client/upload_session.h"
#include "client/upload_state.h"
#include "client/visible.h"

/* A complete that finds parts missing (the store lost them) sends those again, this often. */
#define ROUNDS_MAX 2

struct upload {
    struct mr_transfers *run;
    char *local, *remote;
    int64_t expected;                   /* bytes announced to the progress */
    uint8_t there_hash[MR_SHA256_SIZE]; /* of what the server has at this path */
    bool has_there_hash;
    int64_t started_us, begun_us, sent_us; /* wall time; of the session and the last part */
    int fd;
    struct stat st;
    struct mr_upload_state *state;
    char upload_id[MR_UUID_TEXT_SIZE];
    bool has_session;
    int parts;
    int resumed; /* parts that were there already */
    int rounds;
    atomic_int left; /* parts queued or under way */
    atomic_bool failed;
    pthread_mutex_t lock;
    struct mr_error error; /* the first one */
};

static struct mr_api api_of(const struct upload *u, struct mr_worker *w)
{
    return (struct mr_api){w->web, &u->run->account};
}

static void moved(void *ctx, int64_t bytes)
{
    mr_progress_moved(((struct upload *)ctx)->run->progress, bytes);
}

static void fail(struct upload *u, const struct mr_error *err)
{
    pthread_mutex_lock(&u->lock);
    if (!atomic_exchange(&u->failed, true))
        u->error = *err;
    pthread_mutex_unlock(&u->lock);
}

static void upload_free(struct upload *u, bool keep_state)
{
    mr_upload_state_close(&u->state, keep_state);
    if (u->fd >= 0)
        close(u->fd);
    pthread_mutex_destroy(&u->lock);
    free(u->local);
    free(u->remote);
    free(u);
}

static json_t *names_json(const struct upload *u)
{
    return json_pack("{s:o, s:s}", "local", mr_json_name(u->local), "path", u->remote);
}

/* The session is worth keeping unless it is gone, or the file it was for is. */
static void give_up(struct upload *u, struct mr_worker *w)
{
    bool gone = u->error.code == 404 || u->error.code == 410;
    bool changed = u->error.code == EIO || u->error.code == ESTALE;
    if (changed && u->has_session) {
        struct mr_api api = api_of(u, w);
        mr_session_abort(&api, u->upload_id);
    }
    if (gone && u->has_session)
        mr_error_prefix(&u->error, "the upload session is gone (expired?), run the same command again");
    mr_transfers_failed(u->run, u->local, names_json(u), &u->error);
    upload_free(u, u->has_session && !gone && !changed);
}

static json_t *time_json(int64_t us)
{
    char text[MR_RFC3339_SIZE];
    return us > 0 ? json_string(mr_rfc3339(us, text)) : json_null();
}

static void report_json(struct upload *u, const json_t *answer, bool readable, int64_t done_us)
{
    json_t *line = names_json(u);
    json_object_update_missing(line, (json_t *)answer);
    json_object_set_new(line, "size", json_integer(u->st.st_size));
    json_object_set_new(line, "readable", json_boolean(readable));
    json_object_set_new(line, "unchanged", json_false());
    json_object_set_new(line, "parts", json_integer(u->parts));
    json_object_set_new(line, "parts_resumed", json_integer(u->resumed));
    json_object_set_new(line, "seconds", json_real((double)(done_us - u->started_us) / 1e6));
    json_object_set_new(line, "times",
                        json_pack("{s:o, s:o, s:o, s:o}", "started", time_json(u->started_us), "begun",
                                  time_json(u->begun_us), "sent", time_json(u->sent_us), "completed",
                                  time_json(done_us)));
    mr_ui_json(u->run->ui, line);
}

static void report(struct upload *u, const json_t *answer, bool readable)
{
    char size[MR_SIZE_TEXT];
    json_int_t version = json_integer_value(json_object_get(answer, "version"));
    const char *state = json_string_value(json_object_get(answer, "state"));
    if (mr_ui_is_json(u->run->ui)) {
        report_json(u, answer, readable, mr_wall_us());
        return;
    }
    mr_transfers_say(u->run, "%s  %s  version %lld%s%s", u->remote, mr_size_text(u->st.st_size, size),
                     (long long)version, readable ? "" : "  ",
                     readable ? ""
                     : state  ? state
                              : "stored");
    if (u->resumed > 0)
        mr_ui_note(u->run->ui, "%s: %d of %d parts were there already", u->remote, u->resumed, u->parts);
}

static enum mr_status check_unchanged(const struct upload *u, struct mr_error *err)
{
    struct stat now;
    if (fstat(u->fd, &now) != 0)
        return mr_error_errno(err, "looking at", "it");
    if (now.st_size == u->st.st_size && now.st_mtim.tv_sec == u->st.st_mtim.tv_sec &&
        now.st_mtim.tv_nsec == u->st.st_mtim.tv_nsec)
        return MR_OK;
    return mr_error_set(err, MR_CLASS_REJECT, ESTALE,
                        "the file changed while it was uploaded; nothing was stored");
}

static void send_part_task(void *arg, int number, struct mr_worker *w);

/* Queues the parts that have not arrived; how many. The last one may end the upload before this returns. */
static int queue_parts(struct upload *u, const bool *arrived)
{
    struct mr_pool *pool = u->run->pool;
    int parts = u->parts, missing = 0;
    for (int n = 1; n <= parts; n++)
        missing += !arrived[n - 1];
    atomic_store(&u->left, missing);
    for (int n = 1; n <= parts; n++)
        if (!arrived[n - 1])
            mr_pool_add_part(pool, send_part_task, u, n);
    return missing;
}

/* After a complete that was refused: true when parts are missing indeed and were queued again. */
static bool send_missing(struct upload *u, const struct mr_api *api)
{
    struct mr_error err;
    enum mr_session_state state;
    if (++u->rounds > ROUNDS_MAX)
        return false;
    bool *arrived = calloc((size_t)u->parts, sizeof(*arrived));
    if (!arrived)
        abort();
    bool again =
        mr_session_look(api, u->upload_id, u->st.st_size, &state, arrived, u->parts, &err) == MR_OK &&
        state == MR_SESSION_OPEN && queue_parts(u, arrived) > 0;
    free(arrived);
    return again;
}

/* All parts were sent, or some could not be. Ends the upload, or has parts queued again. */
static void finish(struct upload *u, struct mr_worker *w)
{
    struct mr_error err;
    struct mr_api api = api_of(u, w);
    bool readable = false;
    if (atomic_load(&u->failed)) {
        give_up(u, w);
        return;
    }
    json_t *answer = NULL;
    u->sent_us = mr_wall_us();
    if (check_unchanged(u, &err) == MR_OK)
        answer = mr_session_complete(&api, u->upload_id, !u->run->options->no_wait, &readable, &err);
    if (answer) {
        mr_transfers_done(u->run, u->st.st_size);
        report(u, answer, readable);
        json_decref(answer);
        upload_free(u, false);
        return;
    }
    bool refused = err.class == MR_CLASS_REJECT && err.code >= 400 && err.code < 500 && err.code != 401;
    if (refused && send_missing(u, &api))
        return;
    fail(u, &err);
    give_up(u, w);
}

static enum mr_status hash_part(struct upload *u, int number, struct mr_worker *w,
                                struct mr_session_part *part, struct mr_error *err)
{
    int64_t size = mr_part_length(u->st.st_size, number);
    char *keep = size <= MR_BUFFER_SIZE ? mr_worker_buffer(w, (size_t)size) : NULL;
    *part = (struct mr_session_part){.number = number,
                                     .offset = mr_part_offset(u->st.st_size, number),
                                     .size = size,
                                     .bytes = keep,
                                     .fd = u->fd,
                                     .moved = moved,
                                     .moved_ctx = u};
    return mr_hash_range(u->fd, part->offset, size, keep, part->sha256, err);
}

static void send_part_task(void *arg, int number, struct mr_worker *w)
{
    struct upload *u = arg;
    struct mr_error err;
    struct mr_session_part part;
    struct mr_api api = api_of(u, w);
    if (!atomic_load(&u->failed)) {
        enum mr_status status = mr_transfers_over(u->run) ? mr_error_interrupted(&err) : MR_OK;
        if (status == MR_OK)
            status = hash_part(u, number, w, &part, &err);
        if (status == MR_OK)
            status = mr_session_send(&api, u->upload_id, &part, NULL, &err);
        if (status != MR_OK)
            fail(u, &err);
    }
    if (atomic_fetch_sub(&u->left, 1) == 1)
        finish(u, w);
}

static enum mr_status open_local(struct upload *u, struct mr_error *err)
{
    /* Not blocking: a named pipe that took the file's place must not hold us. */
    u->fd = open(u->local, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    if (u->fd < 0 || fstat(u->fd, &u->st) != 0)
        return mr_error_errno(err, "opening", "it");
    if (!S_ISREG(u->st.st_mode))
        return mr_error_set(err, MR_CLASS_REJECT, ENXIO, "not a file");
    u->parts = mr_part_count(u->st.st_size);
    mr_progress_expect(u->run->progress, 0, u->st.st_size - u->expected);
    return MR_OK;
}

/* Uploads of one path from two processes at once are fine, but only one of them can be gone on with later. */
static enum mr_status open_state(struct upload *u, struct mr_error *err)
{
    struct mr_upload_place place = {u->run->state_folder, u->run->account.url, u->run->user_id, u->remote};
    u->state = mr_upload_state_open(&place, err);
    if (u->state || err->code != 409)
        return u->state ? MR_OK : MR_FAIL;
    mr_ui_more(u->run->ui, "%s: %s; this upload cannot be gone on with after an interruption", u->remote,
               err->text);
    return MR_OK;
}

static enum mr_status begin(struct upload *u, const struct mr_api *api, const uint8_t *only_part,
                            json_t **target, struct mr_error *err)
{
    const char *type =
        u->run->options->content_type ? u->run->options->content_type : mr_content_type(u->local);
    struct mr_session_file file = {u->remote, type, u->st.st_size};
    if (mr_session_begin(api, &file, only_part, u->upload_id, target, err) != MR_OK)
        return MR_FAIL;
    u->has_session = true;
    u->begun_us = mr_wall_us();
    if (!u->state)
        return MR_OK;
    return mr_upload_state_save(u->state, u->upload_id, u->local, &u->st, err);
}

/* What an earlier run left. *state is MR_SESSION_GONE when there is nothing to go on with. */
static enum mr_status find_session(struct upload *u, const struct mr_api *api, enum mr_session_state *state,
                                   bool *arrived, struct mr_error *err)
{
    *state = MR_SESSION_GONE;
    const char *stale = u->state ? mr_upload_state_stale(u->state, &u->st) : NULL;
    if (stale) {
        mr_ui_note(u->run->ui, "%s: the local file has changed since it was interrupted: starting anew",
                   u->remote);
        mr_session_abort(api, stale);
    }
    const char *saved = u->state ? mr_upload_state_session(u->state, &u->st) : NULL;
    if (!saved)
        return MR_OK;
    memcpy(u->upload_id, saved, sizeof(u->upload_id));
    if (mr_session_look(api, saved, u->st.st_size, state, arrived, u->parts, err) != MR_OK)
        return MR_FAIL;
    u->has_session = *state != MR_SESSION_GONE;
    for (int n = 0; u->has_session && n < u->parts; n++)
        if (arrived[n]) {
            u->resumed++;
            mr_progress_skipped(u->run->progress, mr_part_length(u->st.st_size, n + 1));
        }
    return MR_OK;
}

/* A file of one part: its hash goes with the first request, which saves one. */
static enum mr_status send_only_part(struct upload *u, const struct mr_api *api, struct mr_worker *w,
                                     struct mr_error *err)
{
    struct mr_session_part part;
    json_t *target = NULL;
    if (hash_part(u, 1, w, &part, err) != MR_OK)
        return MR_FAIL;
    if (!u->has_session && begin(u, api, part.sha256, &target, err) != MR_OK)
        return MR_FAIL;
    return mr_session_send(api, u->upload_id, &part, target, err);
}

/* FAIL with *err, or OK: *queued tells whether parts were queued, whose last one finishes. */
static enum mr_status start(struct upload *u, struct mr_worker *w, bool *arrived, bool *queued,
                            struct mr_error *err)
{
    struct mr_api api = api_of(u, w);
    enum mr_session_state state;
    json_t *none = NULL;
    if (find_session(u, &api, &state, arrived, err) != MR_OK)
        return MR_FAIL;
    if (state == MR_SESSION_DONE || (u->has_session && u->resumed == u->parts))
        return MR_OK;
    if (u->parts == 1)
        return send_only_part(u, &api, w, err);
    if (!u->has_session && begin(u, &api, NULL, &none, err) != MR_OK)
        return MR_FAIL;
    json_decref(none);
    *queued = true;
    queue_parts(u, arrived);
    return MR_OK;
}

static bool is_there(const struct upload *u)
{
    struct mr_error ignored; /* the upload itself will meet it again */
    uint8_t hash[MR_SHA256_SIZE];
    return u->has_there_hash && u->st.st_size == u->expected &&
           mr_hash_file(u->fd, u->st.st_size, hash, &ignored) == MR_OK &&
           memcmp(hash, u->there_hash, sizeof(hash)) == 0;
}

/* A session that an earlier run left open, though the file got there, is of no use any more. */
static void end_leftover(struct upload *u, struct mr_worker *w)
{
    struct mr_error ignored;
    struct mr_api api = api_of(u, w);
    if (open_state(u, &ignored) != MR_OK || !u->state)
        return;
    const char *session = mr_upload_state_session(u->state, &u->st);
    if (!session)
        session = mr_upload_state_stale(u->state, &u->st);
    if (session)
        mr_session_abort(&api, session);
}

static void leave_alone(struct upload *u, struct mr_worker *w)
{
    end_leftover(u, w);
    mr_progress_skipped(u->run->progress, u->st.st_size);
    mr_transfers_unchanged(u->run);
    if (mr_ui_is_json(u->run->ui)) {
        json_t *line = names_json(u);
        json_object_set_new(line, "size", json_integer(u->st.st_size));
        json_object_set_new(line, "unchanged", json_true());
        mr_ui_json(u->run->ui, line);
    }
    mr_ui_more(u->run->ui, "%s: already there", u->remote);
    upload_free(u, false);
}

static void upload_task(void *arg, int number, struct mr_worker *w)
{
    struct upload *u = arg;
    struct mr_error err;
    (void)number;
    if (mr_transfers_over(u->run)) {
        mr_transfers_left_out(u->run);
        upload_free(u, true);
        return;
    }
    u->started_us = mr_wall_us();
    enum mr_status opened = open_local(u, &err);
    if (opened == MR_OK && is_there(u)) {
        leave_alone(u, w);
        return;
    }
    if (opened != MR_OK || open_state(u, &err) != MR_OK) {
        fail(u, &err);
        give_up(u, w);
        return;
    }
    bool *arrived = calloc((size_t)u->parts, sizeof(*arrived));
    if (!arrived)
        abort();
    bool queued = false;
    if (start(u, w, arrived, &queued, &err) != MR_OK)
        fail(u, &err);
    free(arrived);
    if (!queued) /* else the upload belongs to its parts */
        finish(u, w);
}

static char *copy(const char *s)
{
    char *out = strdup(s);
    if (!out)
        abort();
    return out;
}

void mr_upload_add(struct mr_transfers *run, const struct mr_upload_source *source)
{
    struct upload *u = calloc(1, sizeof(*u));
    if (!u)
        abort();
    u->run = run;
    u->local = copy(source->local);
    u->remote = copy(source->remote);
    u->expected = source->size;
    u->has_there_hash =
        source->there_hash && mr_unhex(mr_span_of(source->there_hash), u->there_hash, sizeof(u->there_hash));
    u->fd = -1;
    pthread_mutex_init(&u->lock, NULL);
    mr_progress_expect(run->progress, 1, source->size);
    mr_pool_add(run->pool, source->size <= MR_SMALL_FILE_MAX ? MR_LANE_SMALL : MR_LANE_LARGE, upload_task, u);
}
