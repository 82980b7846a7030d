#include "base/crash.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/log.h"

#define KILLED 137 /* what a shell reports for kill -9 */

static const char *const *points;
static const char *armed; /* the point to die at; NULL: none */
static size_t armed_len;
static atomic_long passes_left;
static bool in_use;

static bool listed(const char *name, size_t len)
{
    for (const char *const *p = points; p && *p; p++) {
        if (strlen(*p) == len && memcmp(*p, name, len) == 0)
            return true;
    }
    return false;
}

void mr_crash_open(const char *const *names)
{
    points = names;
    armed = NULL;
    in_use = false;
    const char *setting = getenv("MR_CRASH_AT");
    if (!setting || !*setting)
        return;
    in_use = true;
    const char *colon = strrchr(setting, ':');
    long pass = 1;
    if (colon) {
        char *end;
        pass = strtol(colon + 1, &end, 10);
        if (end == colon + 1 || *end || pass < 1) {
            mr_log(MR_LOG_ERROR, "MR_CRASH_AT is not <name>[:n] with n from 1", mr_log_str("value", setting));
            exit(2);
        }
    }
    size_t len = colon ? (size_t)(colon - setting) : strlen(setting);
    if (!listed(setting, len))
        return;
    armed = setting;
    armed_len = len;
    atomic_store(&passes_left, pass);
}

void mr_crash_point(const char *name)
{
    if (!in_use)
        return;
    if (!listed(name, strlen(name))) {
        mr_log(MR_LOG_ERROR, "kill point is not in the program's list", mr_log_str("point", name));
        abort();
    }
    if (!armed || strlen(name) != armed_len || memcmp(name, armed, armed_len) != 0)
        return;
    if (atomic_fetch_sub(&passes_left, 1) == 1) {
        mr_log(MR_LOG_WARN, "kill point reached", mr_log_str("point", name));
        _exit(KILLED);
    }
}
