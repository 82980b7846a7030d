#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "client/part_hash.h"
#include "client/remote.h"
#include "client/upload_job.h"

enum mr_status mr_upload_open_state(struct mr_upload_job *u, struct mr_error *err)
{
    struct mr_upload_place place = {u->run->state_folder, u->run->account.url, u->run->user_id, u->remote};
    u->state = mr_upload_state_open(&place, err);
    if (!u->state && err->code != 409)
        return MR_FAIL;
    if (!u->state)
        mr_ui_more(u->run->ui, "%s: %s; this upload cannot be gone on with after an interruption", u->remote,
                   err->text);
    else
        u->keep_state = mr_upload_state_session(u->state, &u->st) || mr_upload_state_stale(u->state, &u->st);
    return MR_OK;
}

/* The session must not go on by itself: what it was for would come after what is uploaded now. */
static enum mr_status drop(struct mr_upload_job *u, const struct mr_api *api, const char *session,
                           const char *why, struct mr_error *err)
{
    mr_ui_note(u->run->ui, "%s: %s: starting anew", u->remote, why);
    if (mr_session_abort(api, session, err) != MR_OK && err->code != 409)
        return mr_error_prefix(err, "ending the upload that was interrupted");
    u->keep_state = false;
    return MR_OK;
}

void mr_upload_end_leftover(struct mr_upload_job *u, const struct mr_api *api)
{
    struct mr_error ignored; /* the state stays, and the next run tries again */
    if (mr_upload_open_state(u, &ignored) != MR_OK || !u->state)
        return;
    const char *session = mr_upload_state_session(u->state, &u->st);
    if (!session)
        session = mr_upload_state_stale(u->state, &u->st);
    if (session && (mr_session_abort(api, session, &ignored) == MR_OK || ignored.code == 409))
        u->keep_state = false;
}

static bool is_content(const struct mr_upload_job *u, const json_t *file)
{
    struct mr_error ignored; /* what cannot be read now is met again by the upload */
    uint8_t hash[MR_SHA256_SIZE];
    char hex[MR_SHA256_HEX_SIZE];
    const char *its = json_string_value(json_object_get(file, "content_hash"));
    return its && mr_hash_file(u->fd, u->st.st_size, hash, &ignored) == MR_OK &&
           strcmp(mr_hex(hash, sizeof(hash), hex), its) == 0;
}

/* Whether the path holds what the session stored; *why when it does not. */
static enum mr_status still_holds(const struct mr_upload_job *u, const struct mr_api *api,
                                  const json_t *stored, const char **why, struct mr_error *err)
{
    const char *wanted = u->run->options->content_type;
    json_t *file = mr_remote_file(api, u->remote, err);
    *why = NULL;
    if (!file && err->code != 404)
        return MR_FAIL;
    json_int_t version = json_integer_value(json_object_get(stored, "version"));
    json_int_t current = json_integer_value(json_object_get(file, "version"));
    const char *type = json_string_value(json_object_get(file, "content_type"));
    if (!file || !json_equal(json_object_get(file, "file_id"), json_object_get(stored, "file_id")))
        *why = "it is not there any more";
    else if (current != version)
        *why = "there is a newer version by now";
    else if (wanted && type && strcasecmp(wanted, type) != 0)
        *why = "it has another type than -t says";
    else if (!is_content(u, file))
        *why = "the local file holds something else by now";
    json_decref(file);
    return MR_OK;
}

/* Done, though the run that began it did not live to see it: said again, unless another upload is wanted. */
static enum mr_status look_at_done(struct mr_upload_job *u, const struct mr_api *api,
                                   enum mr_earlier *earlier, json_t **answer, bool *readable,
                                   struct mr_error *err)
{
    const char *why = NULL;
    *answer = mr_session_complete(api, u->upload_id, !u->run->options->no_wait, readable, err);
    if (!*answer)
        return MR_FAIL;
    if (u->run->options->force)
        why = "-f uploads it again";
    else if (*readable && still_holds(u, api, *answer, &why, err) != MR_OK) {
        json_decref(*answer);
        *answer = NULL;
        return MR_FAIL;
    }
    json_int_t version = json_integer_value(json_object_get(*answer, "version"));
    u->keep_state = false;
    if (!why) {
        mr_ui_note(u->run->ui, "%s: the upload that was interrupted has been stored as version %lld",
                   u->remote, (long long)version);
        *earlier = MR_EARLIER_DONE;
        return MR_OK;
    }
    mr_ui_note(u->run->ui,
               "%s: the upload that was interrupted has been stored as version %lld, but %s: "
               "starting anew",
               u->remote, (long long)version, why);
    json_decref(*answer);
    *answer = NULL;
    return MR_OK;
}

enum mr_status mr_upload_earlier(struct mr_upload_job *u, const struct mr_api *api, enum mr_earlier *earlier,
                                 json_t **answer, bool *readable, struct mr_error *err)
{
    enum mr_session_state state;
    char *type = NULL;
    *earlier = MR_EARLIER_NONE;
    *answer = NULL;
    const char *stale = u->state ? mr_upload_state_stale(u->state, &u->st) : NULL;
    if (stale)
        return drop(u, api, stale, "the local file has changed since it was interrupted", err);
    const char *saved = u->state ? mr_upload_state_session(u->state, &u->st) : NULL;
    if (!saved)
        return MR_OK;
    memcpy(u->upload_id, saved, sizeof(u->upload_id));
    if (mr_session_look(api, saved, u->st.st_size, &state, &type, u->arrived, u->parts, err) != MR_OK)
        return MR_FAIL;
    const char *wanted = u->run->options->content_type;
    bool other_type = wanted && type && strcasecmp(wanted, type) != 0;
    free(type);
    if (state == MR_SESSION_DONE)
        return look_at_done(u, api, earlier, answer, readable, err);
    if (state == MR_SESSION_OPEN && !other_type) {
        u->has_session = true;
        *earlier = MR_EARLIER_OPEN;
        return MR_OK;
    }
    memset(u->arrived, 0, sizeof(*u->arrived) * (size_t)u->parts);
    u->keep_state = state == MR_SESSION_OPEN;
    return state == MR_SESSION_OPEN
               ? drop(u, api, saved, "-t says another type than when it was interrupted", err)
               : MR_OK;
}
