#include "client/download_state.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/id.h"
#include "base/parts.h"
#include "client/exit_code.h"
#include "client/locked_file.h"

/* A header and a line for each part. */
#define LINE_SIZE 80
#define STATE_MAX ((size_t)(MR_PARTS_MAX + 8) * LINE_SIZE)

struct mr_download_state {
    int fd;
    char *path;
    int folder;
    char file[NAME_MAX + 1];
    int parts;
    uint8_t (*hashes)[MR_SHA256_SIZE];
    bool *has;
};

static char *state_path(const struct mr_download_place *p)
{
    struct stat st = {0};
    char where[64], version[32];
    fstat(p->folder, &st);
    snprintf(where, sizeof(where), "%ju:%ju", (uintmax_t)st.st_dev, (uintmax_t)st.st_ino);
    snprintf(version, sizeof(version), "%" PRId64, p->version);
    const char *key[] = {p->server, p->file_id, version, where, p->name};
    return mr_keyed_path(p->state_folder, key, 5);
}

static void read_part_line(struct mr_download_state *s, const char *line)
{
    char hex[MR_SHA256_HEX_SIZE];
    int number;
    if (sscanf(line, "part %d %64s", &number, hex) == 2 && number >= 1 && number <= s->parts)
        s->has[number - 1] = mr_unhex(mr_span_of(hex), s->hashes[number - 1], MR_SHA256_SIZE);
}

/* "file <dev> <ino> <name>", then "part <n> <hash>" lines; a last line that kill -9 cut does not count. */
static bool read_state(struct mr_download_state *s, struct stat *unfinished)
{
    char *text = malloc(STATE_MAX + 1);
    if (!text)
        abort();
    ssize_t n = pread(s->fd, text, STATE_MAX, 0);
    text[n > 0 ? n : 0] = '\0';
    uintmax_t dev = 0, ino = 0;
    int at = 0;
    /* One blank, as the name may begin with others, which sscanf() would skip. */
    bool known = sscanf(text, "file %ju %ju%n", &dev, &ino, &at) == 2 && text[at] == ' ';
    char *line = known ? text + at + 1 : text, *end;
    if (known && (end = strchr(line, '\n')) && end - line <= NAME_MAX &&
        !memchr(line, '/', (size_t)(end - line))) {
        *end = '\0';
        memcpy(s->file, line, (size_t)(end - line) + 1);
        unfinished->st_dev = (dev_t)dev;
        unfinished->st_ino = (ino_t)ino;
        for (line = end + 1; (end = strchr(line, '\n')); line = end + 1) {
            *end = '\0';
            read_part_line(s, line);
        }
    } else {
        known = false;
    }
    free(text);
    return known;
}

/* The unfinished file of an earlier run, if it is still that very file; -1 otherwise. */
static int reopen_unfinished(struct mr_download_state *s)
{
    struct stat was = {0}, is;
    if (!read_state(s, &was))
        return -1;
    int fd = openat(s->folder, s->file, O_RDWR | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK);
    if (fd >= 0 && fstat(fd, &is) == 0 && S_ISREG(is.st_mode) && is.st_dev == was.st_dev &&
        is.st_ino == was.st_ino)
        return fd;
    if (fd >= 0)
        close(fd);
    return -1;
}

static int make_file(struct mr_download_state *s)
{
    return openat(s->folder, s->file, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
}

/* "<name>.part", or, where that is too long, taken, more than a line, or may be wanted for another file, a
 * name made of an id. */
static int make_unfinished(struct mr_download_state *s, const struct mr_download_place *place,
                           struct mr_error *err)
{
    char id[MR_UUID_TEXT_SIZE];
    int n = snprintf(s->file, sizeof(s->file), "%s.part", place->name);
    int fd = -1;
    errno = EEXIST;
    if (!place->among_others && n > 0 && n <= NAME_MAX && !strchr(place->name, '\n'))
        fd = make_file(s);
    if (fd < 0 && errno == EEXIST) {
        snprintf(s->file, sizeof(s->file), ".%s.part", mr_uuid_format(mr_uuid_v7(), id));
        fd = make_file(s);
    }
    if (fd < 0)
        mr_error_errno(err, "making", s->file);
    return fd;
}

static enum mr_status append(struct mr_download_state *s, const char *line, size_t n, struct mr_error *err)
{
    if (write(s->fd, line, n) == (ssize_t)n)
        return MR_OK;
    return mr_error_errno(err, "writing", s->path);
}

static enum mr_status write_header(struct mr_download_state *s, int fd, struct mr_error *err)
{
    struct stat st;
    char line[NAME_MAX + 64];
    if (fstat(fd, &st) != 0 || ftruncate(s->fd, 0) != 0)
        return mr_error_errno(err, "writing", s->path);
    int n = snprintf(line, sizeof(line), "file %ju %ju %s\n", (uintmax_t)st.st_dev, (uintmax_t)st.st_ino,
                     s->file);
    return append(s, line, (size_t)n, err);
}

static enum mr_status open_unfinished(struct mr_download_state *s, const struct mr_download_place *place,
                                      int *fd, struct mr_error *err)
{
    *fd = reopen_unfinished(s);
    if (*fd >= 0)
        return MR_OK;
    memset(s->has, 0, sizeof(*s->has) * (size_t)s->parts);
    *fd = make_unfinished(s, place, err);
    if (*fd < 0)
        return MR_FAIL;
    if (write_header(s, *fd, err) == MR_OK)
        return MR_OK;
    unlinkat(s->folder, s->file, 0);
    close(*fd);
    return MR_FAIL;
}

struct mr_download_state *mr_download_state_open(const struct mr_download_place *place, int *fd,
                                                 struct mr_error *err)
{
    struct mr_download_state *s = calloc(1, sizeof(*s));
    if (!s)
        abort();
    s->path = state_path(place);
    s->folder = place->folder;
    s->parts = place->parts;
    s->hashes = calloc((size_t)place->parts, sizeof(*s->hashes));
    s->has = calloc((size_t)place->parts, sizeof(*s->has));
    if (!s->hashes || !s->has)
        abort();
    s->fd = mr_locked_open(s->path, "another mr is downloading this file to this place", err);
    if (s->fd >= 0 && fcntl(s->fd, F_SETFL, O_APPEND) == 0 && open_unfinished(s, place, fd, err) == MR_OK)
        return s;
    if (s->fd >= 0) {
        unlink(s->path);
        close(s->fd);
    }
    free(s->hashes);
    free(s->has);
    free(s->path);
    free(s);
    return NULL;
}

const char *mr_download_state_file(const struct mr_download_state *s)
{
    return s->file;
}

bool mr_download_state_has(const struct mr_download_state *s, int number, uint8_t sha256[MR_SHA256_SIZE])
{
    memcpy(sha256, s->hashes[number - 1], MR_SHA256_SIZE);
    return s->has[number - 1];
}

enum mr_status mr_download_state_add(struct mr_download_state *s, int number,
                                     const uint8_t sha256[MR_SHA256_SIZE], struct mr_error *err)
{
    char hex[MR_SHA256_HEX_SIZE];
    char line[LINE_SIZE];
    int n = snprintf(line, sizeof(line), "part %d %s\n", number, mr_hex(sha256, MR_SHA256_SIZE, hex));
    return append(s, line, (size_t)n, err);
}

void mr_download_state_close(struct mr_download_state **state, enum mr_download_end end)
{
    struct mr_download_state *s = *state;
    if (!s)
        return;
    /* Once finished, whatever has the unfinished file's name is somebody else's. */
    if (end == MR_DOWNLOAD_DROP)
        unlinkat(s->folder, s->file, 0);
    if (end != MR_DOWNLOAD_KEEP)
        unlink(s->path);
    close(s->fd);
    free(s->hashes);
    free(s->has);
    free(s->path);
    free(s);
    *state = NULL;
}
