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
#include "client/upload_job.h"

/* A complete that finds parts missing (the store lost them) sends those again, this often. */
#define ROUNDS_MAX 2

static struct mr_api api_of(const struct mr_upload_job *u, struct mr_worker *w)
{
    return (struct mr_api){w->web, &u->run->account};
}

static void fail(struct mr_upload_job *u, const struct mr_error *err)
{
    pthread_mutex_lock(&u->lock);
    if (!atomic_exchange(&u->failed, true))
        u->error = *err;
    pthread_mutex_unlock(&u->lock);
}

static void upload_free(struct mr_upload_job *u)
{
    mr_upload_state_close(&u->state, u->keep_state);
    if (u->fd >= 0)
        close(u->fd);
    pthread_mutex_destroy(&u->lock);
    free(u->local);
    free(u->remote);
    free(u->arrived);
    free(u);
}

/* A file that changed will not be gone on with. Its last part was held back, so that nothing can come of it
 * even when it cannot be ended now: the next run does that. */
static void end_changed(struct mr_upload_job *u, struct mr_worker *w)
{
    struct mr_error err;
    struct mr_api api = api_of(u, w);
    char text[sizeof(u->error.text)];
    if (mr_session_abort(&api, u->upload_id, &err) == MR_OK) {
        u->keep_state = false;
        return;
    }
    memcpy(text, u->error.text, sizeof(text));
    mr_error_set(&u->error, u->error.class, u->error.code,
                 "%.200s; the server could not be told (%.200s), the next run does that", text, err.text);
}

/* The session is worth keeping unless it is gone, or the file it was for is. */
static void give_up(struct mr_upload_job *u, struct mr_worker *w)
{
    bool gone = u->error.code == 404 || u->error.code == 410;
    bool changed = u->error.code == EIO || u->error.code == ESTALE;
    if (changed && u->has_session)
        end_changed(u, w);
    if (gone && u->has_session) {
        u->keep_state = false;
        mr_error_prefix(&u->error, "the upload session is gone (expired?), run the same command again");
    }
    mr_transfers_failed(u->run, u->local, mr_upload_names(u), &u->error);
    upload_free(u);
}

static enum mr_status open_local(struct mr_upload_job *u, struct mr_error *err)
{
    /* Not blocking: a named pipe that took the file's place must not hold us. */
    u->fd = open(u->local, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    if (u->fd < 0 || fstat(u->fd, &u->st) != 0)
        return mr_error_errno(err, "opening", "it");
    if (!S_ISREG(u->st.st_mode))
        return mr_error_set(err, MR_CLASS_REJECT, ENXIO, "not a file");
    u->parts = mr_part_count(u->st.st_size);
    u->arrived = calloc((size_t)u->parts, sizeof(*u->arrived));
    if (!u->arrived)
        abort();
    mr_progress_expect(u->run->progress, 0, u->st.st_size - u->expected);
    return MR_OK;
}

static enum mr_status begin(struct mr_upload_job *u, const struct mr_api *api, const uint8_t *only_part,
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
    u->keep_state = true;
    return mr_upload_state_save(u->state, u->upload_id, u->local, &u->st, err);
}

static void part_task(void *arg, int number, struct mr_worker *w);
static void send_last(struct mr_upload_job *u, struct mr_worker *w);

/* Sends the parts that have not arrived and looks at those that have. The upload belongs to them then. */
static void queue_parts(struct mr_upload_job *u, struct mr_worker *w)
{
    struct mr_pool *pool = u->run->pool;
    int parts = u->parts, last = parts;
    while (last > 0 && u->arrived[last - 1].is)
        last--;
    int others = parts - (last > 0);
    u->last = last;
    atomic_store(&u->left, others);
    if (others == 0)
        send_last(u, w);
    else
        for (int n = 1; n <= parts; n++)
            if (n != last)
                mr_pool_add_part(pool, part_task, u, n);
}

/* After a complete that was refused: true when parts are missing indeed and were queued again. */
static bool send_missing(struct mr_upload_job *u, struct mr_worker *w)
{
    struct mr_error err;
    enum mr_session_state state;
    struct mr_api api = api_of(u, w);
    char *type = NULL;
    bool whole = true;
    if (++u->rounds > ROUNDS_MAX || mr_session_look(&api, u->upload_id, u->st.st_size, &state, &type,
                                                    u->arrived, u->parts, &err) != MR_OK)
        return false;
    free(type);
    for (int n = 0; n < u->parts; n++)
        whole = whole && u->arrived[n].is;
    if (whole || state != MR_SESSION_OPEN)
        return false;
    queue_parts(u, w);
    return true;
}

static void succeed(struct mr_upload_job *u, json_t *answer, bool readable)
{
    mr_transfers_done(u->run, u->st.st_size);
    mr_upload_report(u, answer, readable);
    json_decref(answer);
    u->keep_state = false;
    upload_free(u);
}

/* All parts were sent, or some could not be. Ends the upload, or has parts queued again. */
static void finish(struct mr_upload_job *u, struct mr_worker *w)
{
    struct mr_error err;
    struct mr_api api = api_of(u, w);
    bool readable = false;
    if (atomic_load(&u->failed)) {
        give_up(u, w);
        return;
    }
    u->sent_us = mr_wall_us();
    json_t *answer = mr_session_complete(&api, u->upload_id, !u->run->options->no_wait, &readable, &err);
    if (answer) {
        succeed(u, answer, readable);
        return;
    }
    bool refused = err.class == MR_CLASS_REJECT && err.code >= 400 && err.code < 500 && err.code != 401;
    if (refused && send_missing(u, w))
        return;
    fail(u, &err);
    give_up(u, w);
}

/* Checked before, so that no time is lost on a file that changed, and after it was read. */
static enum mr_status read_last(struct mr_upload_job *u, int number, struct mr_worker *w,
                                struct mr_session_part *part, struct mr_error *err)
{
    if (mr_transfers_over(u->run))
        return mr_error_interrupted(err);
    if (mr_upload_check_unchanged(u, err) != MR_OK || mr_upload_hash_part(u, number, w, part, err) != MR_OK)
        return MR_FAIL;
    return mr_upload_check_unchanged(u, err);
}

static void send_last(struct mr_upload_job *u, struct mr_worker *w)
{
    struct mr_error err;
    struct mr_session_part part;
    struct mr_api api = api_of(u, w);
    if (read_last(u, u->last, w, &part, &err) != MR_OK ||
        mr_upload_send_part(u, &api, &part, NULL, &err) != MR_OK)
        fail(u, &err);
    finish(u, w);
}

/* What arrived earlier is another content, though size and times are the same. As it is whole, no part of it
 * may be replaced: it would mix both until the last one is. */
static enum mr_status drop_whole(struct mr_upload_job *u, const struct mr_api *api, struct mr_error *err)
{
    mr_ui_note(u->run->ui,
               "%s: what arrived before the interruption is not what the file holds: starting anew",
               u->remote);
    if (mr_session_abort(api, u->upload_id, err) != MR_OK && err->code != 409)
        return mr_error_prefix(err, "ending the upload that was interrupted");
    u->has_session = false;
    u->keep_state = false;
    mr_progress_skipped(u->run->progress, -atomic_exchange(&u->skipped, 0));
    atomic_store(&u->resumed, 0);
    atomic_store(&u->differs, false);
    memset(u->arrived, 0, sizeof(*u->arrived) * (size_t)u->parts);
    return MR_OK;
}

static void begin_anew(struct mr_upload_job *u, struct mr_worker *w)
{
    struct mr_error err;
    struct mr_api api = api_of(u, w);
    json_t *none = NULL;
    if (drop_whole(u, &api, &err) == MR_OK && begin(u, &api, NULL, &none, &err) == MR_OK) {
        json_decref(none);
        queue_parts(u, w);
        return;
    }
    fail(u, &err);
    finish(u, w);
}

static void parts_done(struct mr_upload_job *u, struct mr_worker *w)
{
    if (atomic_load(&u->failed))
        finish(u, w);
    else if (u->last > 0)
        send_last(u, w);
    else if (atomic_load(&u->differs))
        begin_anew(u, w);
    else
        finish(u, w);
}

static enum mr_status do_part(struct mr_upload_job *u, int number, struct mr_worker *w, struct mr_error *err)
{
    struct mr_session_part part;
    struct mr_api api = api_of(u, w);
    if (mr_transfers_over(u->run))
        return mr_error_interrupted(err);
    if (mr_upload_hash_part(u, number, w, &part, err) != MR_OK)
        return MR_FAIL;
    if (mr_upload_is_arrived(u, &part)) {
        mr_upload_count_arrived(u, &part);
        return MR_OK;
    }
    if (u->last > 0)
        return mr_upload_send_part(u, &api, &part, NULL, err);
    atomic_store(&u->differs, true);
    return MR_OK;
}

static void part_task(void *arg, int number, struct mr_worker *w)
{
    struct mr_upload_job *u = arg;
    struct mr_error err;
    if (!atomic_load(&u->failed) && do_part(u, number, w, &err) != MR_OK)
        fail(u, &err);
    if (atomic_fetch_sub(&u->left, 1) == 1)
        parts_done(u, w);
}

/* A file of one part: its hash goes with the first request, which saves one. */
static enum mr_status send_only_part(struct mr_upload_job *u, const struct mr_api *api, struct mr_worker *w,
                                     struct mr_error *err)
{
    struct mr_session_part part;
    json_t *target = NULL;
    if (read_last(u, 1, w, &part, err) != MR_OK)
        return MR_FAIL;
    if (mr_upload_is_arrived(u, &part)) {
        mr_upload_count_arrived(u, &part);
        return MR_OK;
    }
    if (u->arrived[0].is && drop_whole(u, api, err) != MR_OK)
        return MR_FAIL;
    if (!u->has_session && begin(u, api, part.sha256, &target, err) != MR_OK)
        return MR_FAIL;
    return mr_upload_send_part(u, api, &part, target, err);
}

/* FAIL with *err, or OK, and the upload is not the caller's any more. */
static enum mr_status start(struct mr_upload_job *u, struct mr_worker *w, struct mr_error *err)
{
    struct mr_api api = api_of(u, w);
    enum mr_earlier earlier;
    json_t *answer = NULL;
    bool readable = false;
    if (mr_upload_earlier(u, &api, &earlier, &answer, &readable, err) != MR_OK)
        return MR_FAIL;
    if (earlier == MR_EARLIER_DONE) {
        succeed(u, answer, readable);
        return MR_OK;
    }
    if (u->parts == 1) {
        if (send_only_part(u, &api, w, err) != MR_OK)
            return MR_FAIL;
        finish(u, w);
        return MR_OK;
    }
    if (earlier == MR_EARLIER_NONE && begin(u, &api, NULL, &answer, err) != MR_OK)
        return MR_FAIL;
    json_decref(answer);
    queue_parts(u, w);
    return MR_OK;
}

static bool is_there(const struct mr_upload_job *u)
{
    struct mr_error ignored; /* the upload itself will meet it again */
    uint8_t hash[MR_SHA256_SIZE];
    return u->has_there_hash && u->st.st_size == u->expected &&
           mr_hash_file(u->fd, u->st.st_size, hash, &ignored) == MR_OK &&
           memcmp(hash, u->there_hash, sizeof(hash)) == 0;
}

static void leave_alone(struct mr_upload_job *u, struct mr_worker *w)
{
    struct mr_api api = api_of(u, w);
    mr_upload_end_leftover(u, &api);
    mr_progress_skipped(u->run->progress, u->st.st_size);
    mr_transfers_unchanged(u->run);
    mr_upload_report_unchanged(u);
    upload_free(u);
}

static void upload_task(void *arg, int number, struct mr_worker *w)
{
    struct mr_upload_job *u = arg;
    struct mr_error err;
    (void)number;
    if (mr_transfers_over(u->run)) {
        mr_transfers_left_out(u->run);
        upload_free(u);
        return;
    }
    u->started_us = mr_wall_us();
    enum mr_status status = open_local(u, &err);
    if (status == MR_OK && is_there(u)) {
        leave_alone(u, w);
        return;
    }
    if (status == MR_OK)
        status = mr_upload_open_state(u, &err);
    if (status == MR_OK)
        status = start(u, w, &err);
    if (status != MR_OK) {
        fail(u, &err);
        give_up(u, w);
    }
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
    struct mr_upload_job *u = calloc(1, sizeof(*u));
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
