#include "client/locked_file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/digest.h"
#include "client/exit_code.h"

/* The one before us may have removed the file after we had opened it: then it is another file by now. */
static bool still_there(int fd, const char *path)
{
    struct stat mine, named;
    return fstat(fd, &mine) == 0 && stat(path, &named) == 0 && mine.st_ino == named.st_ino &&
           mine.st_dev == named.st_dev;
}

int mr_locked_open(const char *path, const char *busy, struct mr_error *err)
{
    for (;;) {
        int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
        if (fd < 0) {
            mr_error_errno(err, "opening", path);
            return -1;
        }
        if (flock(fd, LOCK_EX | LOCK_NB) != 0) {
            mr_error_set(err, MR_CLASS_REJECT, 409, "%s", busy);
            close(fd);
            return -1;
        }
        if (still_there(fd, path))
            return fd;
        close(fd);
    }
}

char *mr_keyed_path(const char *folder, const char *const *parts, size_t n)
{
    uint8_t digest[MR_SHA256_SIZE];
    char hex[MR_SHA256_HEX_SIZE];
    struct mr_sha256 *sha = mr_sha256_start();
    for (size_t i = 0; i < n; i++)
        mr_sha256_update(sha, parts[i], strlen(parts[i]) + 1);
    mr_sha256_finish(&sha, digest);
    char *path = NULL;
    if (asprintf(&path, "%s/%s", folder, mr_hex(digest, sizeof(digest), hex)) < 0)
        abort();
    return path;
}
