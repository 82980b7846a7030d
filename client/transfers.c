#include "client/transfers.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/stop.h"
#include "client/remote.h"
#include "client/visible.h"
#include "client/xdg.h"

/* More would only meet the server's limit of open sessions per user (64 by default). */
#define SMALL_FILES_MAX 32

enum mr_status mr_transfers_start(struct mr_transfers *t, const struct mr_options *o, struct mr_ui *ui,
                                  const char *doing, const char *state, struct mr_error *err)
{
    *t = (struct mr_transfers){.options = o, .ui = ui, .started_ms = mr_mono_ms()};
    pthread_mutex_init(&t->lock, NULL);
    if (mr_account_load(&t->account, err) != MR_OK)
        return MR_FAIL;
    struct mr_web_options web = {o->cacert, o->retry_ms};
    struct mr_api api = {mr_web_open(&web), &t->account};
    t->user_id = mr_remote_user(&api, err);
    mr_web_close(&api.web);
    t->state_folder = t->user_id ? mr_xdg_folder(MR_XDG_STATE, state, err) : NULL;
    if (!t->state_folder) {
        free(t->user_id);
        mr_account_free(&t->account);
        return MR_FAIL;
    }
    int small = 4 * o->parallel < SMALL_FILES_MAX ? 4 * o->parallel : SMALL_FILES_MAX;
    t->pool = mr_pool_start(o->parallel, small, &web);
    t->progress = mr_progress_start(ui, doing);
    return MR_OK;
}

bool mr_transfers_over(const struct mr_transfers *t)
{
    return mr_stop_requested() || atomic_load(&t->given_up);
}

void mr_transfers_done(struct mr_transfers *t, int64_t bytes)
{
    pthread_mutex_lock(&t->lock);
    t->done++;
    t->bytes += bytes;
    pthread_mutex_unlock(&t->lock);
    mr_progress_file_done(t->progress);
}

void mr_transfers_unchanged(struct mr_transfers *t)
{
    pthread_mutex_lock(&t->lock);
    t->unchanged++;
    pthread_mutex_unlock(&t->lock);
    mr_progress_file_done(t->progress);
}

void mr_transfers_left_out(struct mr_transfers *t)
{
    pthread_mutex_lock(&t->lock);
    t->left_out++;
    pthread_mutex_unlock(&t->lock);
}

/* An interruption is said once, at the end; an unreachable server by the first who met it. */
static bool is_everybodys(const struct mr_error *err)
{
    return err->code == 401 || err->code == ECANCELED || err->class == MR_CLASS_RETRY ||
           err->class == MR_CLASS_FATAL;
}

/* Some texts begin with the name themselves: once is enough. */
static void say_failed(const struct mr_transfers *t, const char *name, const char *text)
{
    size_t n = strlen(name);
    if (strncmp(text, name, n) == 0 && text[n] == ':' && text[n + 1] == ' ')
        text += n + 2;
    if (n > 0)
        mr_ui_error(t->ui, "%s: %s", name, text);
    else
        mr_ui_error(t->ui, "'': %s", text);
}

void mr_transfers_failed(struct mr_transfers *t, const char *name, json_t *more, const struct mr_error *err)
{
    bool everybodys = is_everybodys(err);
    bool was_over = everybodys && atomic_exchange(&t->given_up, true);
    pthread_mutex_lock(&t->lock);
    if (err->code != ECANCELED && t->first.class == MR_CLASS_NONE)
        t->first = *err;
    if (err->code == ECANCELED)
        t->left_out++;
    else
        t->failed++;
    pthread_mutex_unlock(&t->lock);
    if (err->code != ECANCELED && !was_over)
        say_failed(t, name, err->text);
    if (mr_ui_is_json(t->ui)) {
        json_object_set_new(more, "error", mr_json_error(err));
        mr_ui_json(t->ui, json_incref(more));
    }
    json_decref(more);
}

void mr_transfers_say(struct mr_transfers *t, const char *fmt, ...)
{
    char *text = NULL;
    va_list args;
    va_start(args, fmt);
    if (vasprintf(&text, fmt, args) < 0)
        abort();
    va_end(args);
    bool bar_tells_enough = t->options->recursive && mr_ui_has_bar(t->ui) && !mr_ui_is_verbose(t->ui);
    if (!bar_tells_enough)
        mr_ui_line(t->ui, "%s", text);
    free(text);
}

static enum mr_exit exit_code(const struct mr_transfers *t)
{
    if (mr_stop_requested())
        return MR_EXIT_INTERRUPTED;
    if (t->failed == 0)
        return MR_EXIT_OK;
    /* One file's reason is the command's; so is what stopped all of them. */
    bool alone = t->failed == 1 && t->done + t->unchanged + t->left_out == 0;
    return alone || is_everybodys(&t->first) ? mr_exit_of(&t->first) : MR_EXIT_FAILED;
}

static void say_sum(const struct mr_transfers *t, const char *did)
{
    char size[MR_SIZE_TEXT], rate[MR_SIZE_TEXT];
    int64_t ms = mr_mono_ms() - t->started_ms;
    double seconds = ms > 0 ? (double)ms / 1000 : 0.001;
    bool many = t->done + t->unchanged + t->failed + t->left_out > 1;
    if ((many && t->done > 0) || t->bytes >= MR_BUFFER_SIZE)
        mr_ui_note(t->ui, "%s %ld file%s, %s in %.1f s (%s/s)", did, t->done, t->done == 1 ? "" : "s",
                   mr_size_text(t->bytes, size), seconds,
                   mr_size_text((int64_t)((double)t->bytes / seconds), rate));
    if (t->unchanged > 0)
        mr_ui_note(t->ui, "%ld already there", t->unchanged);
    if (t->failed > 0 && t->done + t->failed > 1)
        mr_ui_note(t->ui, "%ld failed", t->failed);
    if (t->left_out > 0 && !mr_stop_requested())
        mr_ui_note(t->ui, "%ld not tried", t->left_out);
    if (mr_stop_requested())
        mr_ui_error(t->ui, "interrupted: run the same command again, it goes on where this one stopped");
}

enum mr_exit mr_transfers_finish(struct mr_transfers *t, const char *did)
{
    mr_pool_finish(&t->pool);
    mr_progress_stop(&t->progress);
    say_sum(t, did);
    enum mr_exit code = exit_code(t);
    free(t->user_id);
    free(t->state_folder);
    mr_account_free(&t->account);
    pthread_mutex_destroy(&t->lock);
    return code;
}
