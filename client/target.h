/* Where downloads land. Names come from the server and are hostile: below the folder that the user named,
 * nothing is reached but by opening one segment after the other, never through a link, never "..". */
#ifndef MR_CLIENT_TARGET_H
#define MR_CLIENT_TARGET_H

#include <stdbool.h>
#include <sys/stat.h>

#include "base/error.h"

/* Opens (makes, with its parents) the folder that the user named; -1 with *err filled. */
int mr_target_root(const char *path, struct mr_error *err);

/* Opens the folder of a file below root, making the folders on the way. `relative` is "a/b/name"; *name
 * points to its last segment. -1 with *err filled: EINVAL for a name that no file here may have. */
int mr_target_folder(int root, const char *relative, const char **name, struct mr_error *err);

/* Gives `from` the name `to` in the folder. Without `replace` a file that is there stays: EEXIST. */
enum mr_status mr_target_rename(int folder, const char *from, const char *to, bool replace,
                                struct mr_error *err);

#endif
