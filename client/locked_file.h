/* A small file that one process at a time works with. */
#ifndef MR_CLIENT_LOCKED_FILE_H
#define MR_CLIENT_LOCKED_FILE_H

#include <stddef.h>

#include "base/error.h"

/* Opens or makes the file (mode 0600) and locks it. The descriptor, or -1 with *err filled: 409 with `busy`
 * as text when another process holds it. */
int mr_locked_open(const char *path, const char *busy, struct mr_error *err);

/* "<folder>/<SHA-256 over the parts, each ended by a NUL>"; free(). */
char *mr_keyed_path(const char *folder, const char *const *parts, size_t n);

#endif
