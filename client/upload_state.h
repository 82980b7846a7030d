/* What is remembered about an upload under way, so that the same command goes on after a crash: the session's
 * id and which local file it is for. One file in $XDG_STATE_HOME/millrace/uploads/ per server, user and
 * remote path, locked while in use. */
#ifndef MR_CLIENT_UPLOAD_STATE_H
#define MR_CLIENT_UPLOAD_STATE_H

#include <stdbool.h>
#include <sys/stat.h>

#include "base/error.h"
#include "base/id.h"

struct mr_upload_state;

struct mr_upload_place {
    const char *folder; /* of the state files */
    const char *server, *user_id, *remote;
};

/* NULL with *err filled; 409 when another process uploads to the same path. */
struct mr_upload_state *mr_upload_state_open(const struct mr_upload_place *place, struct mr_error *err);

/* False once a file may have got another content: device, inode, size and both times of change. */
bool mr_same_content_times(const struct stat *a, const struct stat *b);

/* The session of this very local file (as mr_same_content_times() tells), or NULL. */
const char *mr_upload_state_session(const struct mr_upload_state *s, const struct stat *local);
/* The session that was begun with another file or another content; NULL: none. */
const char *mr_upload_state_stale(const struct mr_upload_state *s, const struct stat *local);

enum mr_status mr_upload_state_save(struct mr_upload_state *s, const char *upload_id, const char *path,
                                    const struct stat *local, struct mr_error *err);
/* Ends it; `keep` leaves what was saved for the next run. */
void mr_upload_state_close(struct mr_upload_state **s, bool keep);

/* What `mr status` shows of the sessions in the folder. */
struct mr_upload_saved {
    const char *server, *remote, *local, *upload_id;
};
typedef void (*mr_upload_saved_fn)(void *ctx, const struct mr_upload_saved *saved);
enum mr_status mr_upload_state_each(const char *folder, mr_upload_saved_fn fn, void *ctx,
                                    struct mr_error *err);

#endif
