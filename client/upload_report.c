#include "base/clock.h"
#include "client/upload_job.h"
#include "client/visible.h"

json_t *mr_upload_names(const struct mr_upload_job *u)
{
    return json_pack("{s:o, s:s}", "local", mr_json_name(u->local), "path", u->remote);
}

static json_t *time_json(int64_t us)
{
    char text[MR_RFC3339_SIZE];
    return us > 0 ? json_string(mr_rfc3339(us, text)) : json_null();
}

static void report_json(struct mr_upload_job *u, const json_t *answer, bool readable, int64_t done_us)
{
    json_t *line = mr_upload_names(u);
    json_object_update_missing(line, (json_t *)answer);
    json_object_set_new(line, "size", json_integer(u->st.st_size));
    json_object_set_new(line, "readable", json_boolean(readable));
    json_object_set_new(line, "unchanged", json_false());
    json_object_set_new(line, "parts", json_integer(u->parts));
    json_object_set_new(line, "parts_resumed", json_integer(atomic_load(&u->resumed)));
    json_object_set_new(line, "seconds", json_real((double)(done_us - u->started_us) / 1e6));
    json_object_set_new(line, "times",
                        json_pack("{s:o, s:o, s:o, s:o}", "started", time_json(u->started_us), "begun",
                                  time_json(u->begun_us), "sent", time_json(u->sent_us), "completed",
                                  time_json(done_us)));
    mr_ui_json(u->run->ui, line);
}

void mr_upload_report(struct mr_upload_job *u, const json_t *answer, bool readable)
{
    char size[MR_SIZE_TEXT];
    json_int_t version = json_integer_value(json_object_get(answer, "version"));
    const char *state = json_string_value(json_object_get(answer, "state"));
    if (!readable && !u->run->options->no_wait)
        mr_ui_note(u->run->ui, "%s: stored safely, but `mr ls` and `mr get` will see it only later",
                   u->remote);
    if (mr_ui_is_json(u->run->ui)) {
        report_json(u, answer, readable, mr_wall_us());
        return;
    }
    mr_transfers_say(u->run, "%s  %s  version %lld%s%s", u->remote, mr_size_text(u->st.st_size, size),
                     (long long)version, readable ? "" : "  ",
                     readable ? ""
                     : state  ? state
                              : "stored");
    if (atomic_load(&u->resumed) > 0)
        mr_ui_note(u->run->ui, "%s: %d of %d parts were there already", u->remote, atomic_load(&u->resumed),
                   u->parts);
}

void mr_upload_report_unchanged(struct mr_upload_job *u)
{
    if (mr_ui_is_json(u->run->ui)) {
        json_t *line = mr_upload_names(u);
        json_object_set_new(line, "size", json_integer(u->st.st_size));
        json_object_set_new(line, "unchanged", json_true());
        mr_ui_json(u->run->ui, line);
    }
    mr_ui_more(u->run->ui, "%s: already there", u->remote);
}
