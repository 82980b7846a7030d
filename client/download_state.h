/* What is remembered about a download under way: the name of its unfinished file and the hash of each part
 * that is in it. One file in $XDG_STATE_HOME/millrace/downloads/ per server, version of a file, and place
 * here, locked while in use and only appended to. */
#ifndef MR_CLIENT_DOWNLOAD_STATE_H
#define MR_CLIENT_DOWNLOAD_STATE_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/stat.h>

#include "base/digest.h"
#include "base/error.h"

struct mr_download_state;

struct mr_download_place {
    const char *state_folder;
    const char *server, *file_id;
    int64_t version;
    int parts;
    int folder; /* descriptor of the folder the file goes to */
    const char *name;
    bool among_others; /* other files come to the folder too, one of which could be called "<name>.part" */
};

/* Opens the state and the unfinished file. *fd is the latter's, read and write, and the caller's to close. */
struct mr_download_state *mr_download_state_open(const struct mr_download_place *place, int *fd,
                                                 struct mr_error *err);

/* Name of the unfinished file in the folder. */
const char *mr_download_state_file(const struct mr_download_state *s);

/* True when part `number` was written by an earlier run; its hash then. What is on the disk has to be
 * checked. */
bool mr_download_state_has(const struct mr_download_state *s, int number, uint8_t sha256[MR_SHA256_SIZE]);

/* Part `number` is written. Any thread. */
enum mr_status mr_download_state_add(struct mr_download_state *s, int number,
                                     const uint8_t sha256[MR_SHA256_SIZE], struct mr_error *err);

enum mr_download_end {
    MR_DOWNLOAD_KEEP,     /* to be gone on with */
    MR_DOWNLOAD_FINISHED, /* the unfinished file has got its name */
    MR_DOWNLOAD_DROP,     /* nothing of it is of use: the unfinished file is removed */
};
void mr_download_state_close(struct mr_download_state **s, enum mr_download_end end);

#endif
