#include "client/exit_code.h"

#include <errno.h>
#include <string.h>

enum mr_exit mr_exit_of(const struct mr_error *err)
{
    switch (err->code) {
    case ECANCELED:
        return MR_EXIT_INTERRUPTED;
    case 401:
    case 403:
    case EACCES:
    case EPERM:
        return MR_EXIT_DENIED;
    case 404:
    case 410:
    case ENOENT:
        return MR_EXIT_NOT_FOUND;
    case 409:
    case 412:
    case EEXIST:
        return MR_EXIT_CONFLICT;
    case EINVAL:
        return MR_EXIT_USAGE;
    case 429:
        return MR_EXIT_UNAVAILABLE;
    default:
        return err->class == MR_CLASS_RETRY || err->class == MR_CLASS_FATAL ? MR_EXIT_UNAVAILABLE
                                                                            : MR_EXIT_FAILED;
    }
}

enum mr_status mr_error_interrupted(struct mr_error *err)
{
    return mr_error_set(err, MR_CLASS_REJECT, ECANCELED, "interrupted");
}

enum mr_status mr_error_errno(struct mr_error *err, const char *doing, const char *what)
{
    int code = errno;
    return mr_error_set(err, MR_CLASS_REJECT, code, "%s %s: %s", doing, what, strerror(code));
}
