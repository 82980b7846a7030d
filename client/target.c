#include "client/target.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "client/exit_code.h"

static enum mr_status make_parents(const char *path, struct mr_error *err)
{
    char *copy = strdup(path);
    enum mr_status status = MR_OK;
    for (char *p = copy + 1; status == MR_OK && *p; p++) {
        if (*p != '/')
            continue;
        *p = '\0';
        if (mkdir(copy, 0777) != 0 && errno != EEXIST)
            status = mr_error_errno(err, "making folder", copy);
        *p = '/';
    }
    free(copy);
    return status;
}

int mr_target_root(const char *path, struct mr_error *err)
{
    if (make_parents(path, err) != MR_OK)
        return -1;
    if (mkdir(path, 0777) != 0 && errno != EEXIST) {
        mr_error_errno(err, "making folder", path);
        return -1;
    }
    int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0)
        mr_error_errno(err, "opening folder", path);
    return fd;
}

static bool is_plain(const char *segment, size_t n)
{
    return n > 0 && n <= NAME_MAX && !(n == 1 && segment[0] == '.') &&
           !(n == 2 && segment[0] == '.' && segment[1] == '.');
}

/* Opens or makes one folder; a link, to wherever, is refused. */
static int step(int from, const char *segment, struct mr_error *err)
{
    if (mkdirat(from, segment, 0777) != 0 && errno != EEXIST) {
        mr_error_errno(err, "making folder", segment);
        return -1;
    }
    int fd = openat(from, segment, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (fd < 0 && (errno == ELOOP || errno == ENOTDIR))
        mr_error_set(err, MR_CLASS_REJECT, EEXIST, "'%s' is there already and is no folder", segment);
    else if (fd < 0)
        mr_error_errno(err, "opening folder", segment);
    return fd;
}

/* All of it is looked at before anything is made. */
static bool is_plain_path(const char *relative)
{
    for (;; relative++) {
        size_t n = strcspn(relative, "/");
        if (!is_plain(relative, n))
            return false;
        relative += n;
        if (*relative == '\0')
            return true;
    }
}

int mr_target_folder(int root, const char *relative, const char **name, struct mr_error *err)
{
    if (!is_plain_path(relative)) {
        mr_error_set(err, MR_CLASS_REJECT, ENAMETOOLONG,
                     "the name on the server is none that a file here can have");
        return -1;
    }
    int fd = fcntl(root, F_DUPFD_CLOEXEC, 0);
    if (fd < 0)
        mr_error_errno(err, "opening", "the target folder");
    for (const char *slash; fd >= 0 && (slash = strchr(relative, '/')); relative = slash + 1) {
        char segment[NAME_MAX + 1];
        size_t n = (size_t)(slash - relative);
        memcpy(segment, relative, n);
        segment[n] = '\0';
        int next = step(fd, segment, err);
        close(fd);
        fd = next;
    }
    *name = relative;
    return fd;
}

/* Where the file system knows no renameat2(): a second name cannot replace a file either. */
static int rename_by_link(int folder, const char *from, const char *to)
{
    if (linkat(folder, from, folder, to, 0) != 0)
        return -1;
    return unlinkat(folder, from, 0);
}

enum mr_status mr_target_rename(int folder, const char *from, const char *to, bool replace,
                                struct mr_error *err)
{
    int done = renameat2(folder, from, folder, to, replace ? 0 : RENAME_NOREPLACE);
    if (done != 0 && !replace && (errno == EINVAL || errno == ENOSYS))
        done = rename_by_link(folder, from, to);
    if (done == 0)
        return MR_OK;
    if (errno == EEXIST || errno == EISDIR || errno == ENOTEMPTY)
        return mr_error_set(err, MR_CLASS_REJECT, EEXIST, "'%s' is there already%s", to,
                            replace ? " and is a folder" : "; -f overwrites it");
    return mr_error_errno(err, "renaming to", to);
}
