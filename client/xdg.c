#include "client/xdg.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "client/exit_code.h"

static char *join(const char *a, const char *b)
{
    char *out = NULL;
    if (asprintf(&out, "%s/%s", a, b) < 0)
        abort();
    return out;
}

static char *base_folder(enum mr_xdg which, struct mr_error *err)
{
    const char *set = getenv(which == MR_XDG_CONFIG ? "XDG_CONFIG_HOME" : "XDG_STATE_HOME");
    if (set && set[0] == '/') /* the specification: a relative one is ignored */
        return join(set, "millrace");
    const char *home = getenv("HOME");
    if (!home || home[0] != '/') {
        mr_error_set(err, MR_CLASS_REJECT, ENOENT, "there is no home folder: set HOME or XDG_%s_HOME",
                     which == MR_XDG_CONFIG ? "CONFIG" : "STATE");
        return NULL;
    }
    return join(home, which == MR_XDG_CONFIG ? ".config/millrace" : ".local/state/millrace");
}

static enum mr_status make_folders(char *path, struct mr_error *err)
{
    for (char *p = path + 1;; p++) {
        if (*p != '/' && *p != '\0')
            continue;
        char end = *p;
        *p = '\0';
        if (mkdir(path, 0700) != 0 && errno != EEXIST)
            return mr_error_errno(err, "making folder", path);
        *p = end;
        if (end == '\0')
            return MR_OK;
    }
}

char *mr_xdg_folder(enum mr_xdg which, const char *below, struct mr_error *err)
{
    char *path = base_folder(which, err);
    if (!path)
        return NULL;
    if (below) {
        char *longer = join(path, below);
        free(path);
        path = longer;
    }
    if (make_folders(path, err) == MR_OK)
        return path;
    free(path);
    return NULL;
}

static enum mr_status write_all(int fd, struct mr_span content, const char *path, struct mr_error *err)
{
    while (content.len > 0) {
        ssize_t n = write(fd, content.p, content.len);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return mr_error_errno(err, "writing", path);
        content.p += n;
        content.len -= (size_t)n;
    }
    return MR_OK;
}

enum mr_status mr_file_replace(const char *path, struct mr_span content, struct mr_error *err)
{
    char *beside = NULL;
    if (asprintf(&beside, "%s.XXXXXX", path) < 0)
        abort();
    int fd = mkostemp(beside, O_CLOEXEC); /* mode 0600 */
    enum mr_status status = MR_FAIL;
    if (fd < 0) {
        mr_error_errno(err, "making", beside);
        goto done;
    }
    status = write_all(fd, content, beside, err);
    if (close(fd) != 0 && status == MR_OK)
        status = mr_error_errno(err, "writing", beside);
    if (status == MR_OK && rename(beside, path) != 0)
        status = mr_error_errno(err, "renaming to", path);
    if (status != MR_OK)
        unlink(beside);
done:
    free(beside);
    return status;
}

char *mr_file_read(const char *path, size_t max_bytes, struct mr_error *err)
{
    FILE *f = fopen(path, "re");
    if (!f) {
        mr_error_errno(err, "opening", path);
        return NULL;
    }
    char *text = malloc(max_bytes + 1);
    if (!text)
        abort();
    size_t n = fread(text, 1, max_bytes, f);
    bool whole = feof(f) || fgetc(f) == EOF;
    if (ferror(f) || !whole) {
        mr_error_set(err, MR_CLASS_REJECT, EFBIG, "%s cannot be read, or is too large", path);
        free(text);
        text = NULL;
    } else {
        text[n] = '\0';
    }
    fclose(f);
    return text;
}
