/* The upload protocol (DESIGN "Upload"): begin, look, ask for a part's URL, send it, complete, abort. */
#ifndef MR_CLIENT_UPLOAD_SESSION_H
#define MR_CLIENT_UPLOAD_SESSION_H

#include <stdbool.h>
#include <stdint.h>

#include "base/digest.h"
#include "base/id.h"
#include "client/api.h"

struct mr_session_file {
    const char *remote;
    const char *content_type;
    int64_t size;
};

/* Begins a session. With the hash of a file's only part, *target is that part's (json_decref()); else it is
 * NULL. */
enum mr_status mr_session_begin(const struct mr_api *api, const struct mr_session_file *file,
                                const uint8_t only_part[MR_SHA256_SIZE], char upload_id[MR_UUID_TEXT_SIZE],
                                json_t **target, struct mr_error *err);

enum mr_session_state { MR_SESSION_OPEN, MR_SESSION_DONE, MR_SESSION_GONE };

/* A part that the store has, under the hash that it arrived with. */
struct mr_session_arrived {
    bool is;
    uint8_t sha256[MR_SHA256_SIZE];
};

/* What the server knows: MR_SESSION_DONE from `completing` on. While open, arrived[n - 1] tells of part n; a
 * session of another size is MR_SESSION_GONE. *type is its content type (to be freed), or NULL. */
enum mr_status mr_session_look(const struct mr_api *api, const char *upload_id, int64_t size,
                               enum mr_session_state *state, char **type, struct mr_session_arrived *arrived,
                               int parts, struct mr_error *err);

/* The bytes of one part: in memory, or read from fd while they are sent. */
struct mr_session_part {
    int number;
    int64_t offset, size;
    uint8_t sha256[MR_SHA256_SIZE];
    const char *bytes; /* NULL: from fd */
    int fd;
    mr_web_moved_fn moved;
    void *moved_ctx;
};

/* Sends a part until the store has it. `target` says where, as the server answered (taken); NULL: it is asked
 * for. 404 when the session is gone. */
enum mr_status mr_session_send(const struct mr_api *api, const char *upload_id,
                               const struct mr_session_part *part, json_t *target, struct mr_error *err);

/* The server's answer ({file_id, version, event_id, state}), or NULL; *published: the metadata can be read.
 * 409 or 422 when parts are missing. */
json_t *mr_session_complete(const struct mr_api *api, const char *upload_id, bool wait, bool *published,
                            struct mr_error *err);

/* OK when nothing is left of it, also when there was nothing; 409 when it has been completed. */
enum mr_status mr_session_abort(const struct mr_api *api, const char *upload_id, struct mr_error *err);

#endif
