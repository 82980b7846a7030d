#include <stdlib.h>

#include "http/fields.h"
#include "producer/handlers.h"
#include "producer/part_urls.h"

/* An open session, or a problem in the reply. */
static bool open_session(const struct mr_upload *up, struct mr_uuid upload_id,
                         const struct mr_http_request *rq, struct mr_session *s, struct mr_http_reply *rp)
{
    struct mr_error err;
    bool open = false, found = false;
    struct mr_uuid user_id = mr_http_user(rq);
    struct mr_db *db = mr_upload_db(up, rq, "signing URLs", rp);
    if (!db)
        return false;
    enum mr_status status = mr_session_touch(db, upload_id, user_id, &open, s, &err);
    if (status == MR_OK && !open)
        status = mr_session_load(db, upload_id, user_id, &found, s, &err);
    mr_db_release(&db);
    if (status != MR_OK)
        mr_http_problem_of(rp, "signing URLs", &err);
    else if (!open && !found)
        mr_problem_no_session(rp);
    else if (!open)
        mr_problem_not_open(rp, s);
    return status == MR_OK && open;
}

static bool numbers_fit(const struct mr_session *s, const struct mr_wanted_part *parts, size_t n,
                        struct mr_http_reply *rp)
{
    for (size_t i = 0; i < n; i++) {
        if (parts[i].number <= s->part_count)
            continue;
        mr_http_problem(rp, 400, "invalid-request", "parts[%zu]: \"part_number\" must be 1 to %d", i,
                        s->part_count);
        return false;
    }
    return true;
}

void mr_handle_chunk(void *ctx, struct mr_http_request *rq, struct mr_http_reply *rp)
{
    const struct mr_upload *up = ctx;
    struct mr_uuid upload_id;
    json_t *list = NULL;
    const struct mr_field fields[] = {
        {"upload_id", MR_FIELD_JSON_UUID, true, 0, 0, &upload_id, NULL},
        {"parts", MR_FIELD_JSON_ARRAY, true, 1, MR_PARTS_MAX, &list, NULL},
    };
    struct mr_wanted_part *parts = NULL;
    if (!mr_http_fields(rp, mr_http_json(rq), "body", fields, sizeof fields / sizeof fields[0]) ||
        !mr_part_urls_read(rp, list, true, &parts))
        return;
    struct mr_session s;
    struct mr_error err;
    size_t n = json_array_size(list);
    if (open_session(up, upload_id, rq, &s, rp) && numbers_fit(&s, parts, n, rp)) {
        json_t *urls = mr_part_urls(up, &s, parts, n, &err);
        if (urls)
            mr_http_reply_json(rp, 200, json_pack("{s:o}", "parts", urls));
        else
            mr_http_problem_of(rp, "signing URLs", &err);
    }
    free(parts);
}
