/* A folder of a test's own; removed with everything in it. */
#ifndef MR_TEST_TEMPORARY_FOLDER_H
#define MR_TEST_TEMPORARY_FOLDER_H

#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static int temporary_remove(const char *path, const struct stat *st, int flag, struct FTW *ftw)
{
    (void)st;
    (void)flag;
    (void)ftw;
    return remove(path);
}

static int temporary_folder_make(void **state)
{
    char *path = NULL;
    const char *base = getenv("TMPDIR");
    if (asprintf(&path, "%s/mr-unit-XXXXXX", base ? base : "/tmp") < 0 || !mkdtemp(path))
        return -1;
    *state = path;
    return chdir(path);
}

static int temporary_folder_remove(void **state)
{
    int failed = chdir("/") || nftw(*state, temporary_remove, 16, FTW_DEPTH | FTW_PHYS);
    free(*state);
    return failed;
}

#endif
