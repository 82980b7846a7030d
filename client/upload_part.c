#include <errno.h>
#include <string.h>

#include "base/parts.h"
#include "client/exit_code.h"
#include "client/part_hash.h"
#include "client/upload_job.h"

static void moved(void *ctx, int64_t bytes)
{
    mr_progress_moved(((struct mr_upload_job *)ctx)->run->progress, bytes);
}

enum mr_status mr_upload_check_unchanged(const struct mr_upload_job *u, struct mr_error *err)
{
    struct stat now;
    if (fstat(u->fd, &now) != 0)
        return mr_error_errno(err, "looking at", "it");
    if (mr_same_content_times(&now, &u->st))
        return MR_OK;
    return mr_error_set(err, MR_CLASS_REJECT, ESTALE,
                        "the file changed while it was uploaded; nothing was stored");
}

enum mr_status mr_upload_hash_part(struct mr_upload_job *u, int number, struct mr_worker *w,
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

/* An over-written file makes the store refuse a part, as what is sent is not what was hashed. */
enum mr_status mr_upload_send_part(struct mr_upload_job *u, const struct mr_api *api,
                                   const struct mr_session_part *part, json_t *target, struct mr_error *err)
{
    struct mr_error changed;
    if (mr_session_send(api, u->upload_id, part, target, err) == MR_OK)
        return MR_OK;
    if (err->class == MR_CLASS_REJECT && err->code == 400 && mr_upload_check_unchanged(u, &changed) != MR_OK)
        *err = changed;
    return MR_FAIL;
}

bool mr_upload_is_arrived(const struct mr_upload_job *u, const struct mr_session_part *part)
{
    const struct mr_session_arrived *there = &u->arrived[part->number - 1];
    return there->is && memcmp(there->sha256, part->sha256, sizeof(there->sha256)) == 0;
}

void mr_upload_count_arrived(struct mr_upload_job *u, const struct mr_session_part *part)
{
    if (u->rounds > 0)
        return;
    atomic_fetch_add(&u->resumed, 1);
    atomic_fetch_add(&u->skipped, part->size);
    mr_progress_skipped(u->run->progress, part->size);
}
