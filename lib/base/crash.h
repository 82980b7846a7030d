/* Kill points: `MR_CRASH_AT=<name>[:n]` makes the process _exit(137) the n-th time (default 1st) it passes
 * the named point, as kill -9 would. Tests visit every point of every program; the names a program has are
 * printed by `<program> --kill-points`, one a line. Costs one predictable branch when not in use. */
#ifndef MR_BASE_CRASH_H
#define MR_BASE_CRASH_H

#include <stddef.h>

/* Reads MR_CRASH_AT; `names` is the program's complete list (NULL-terminated, outlives the process). A name
 * in MR_CRASH_AT that is in no list is ignored: one setting may be given to a whole stack. */
void mr_crash_open(const char *const *names);

/* Passing a name that is not in the program's list is a bug and aborts. */
void mr_crash_point(const char *name);

#endif
