/* Paths of the namespace. */
#include "path/path.h"
#include "target.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct mr_span path = {(const char *)data, size};
    struct mr_error err = {0};
    if (mr_path_check(path, &err) != MR_OK) {
        must(err.class == MR_CLASS_REJECT && err.text[0], "a refusal says why");
        must(mr_folder_check(path, &err) != MR_OK || mr_span_is(path, "/"), "only / is a folder and no path");
        return 0;
    }
    must(path.p[0] == '/' && path.len <= MR_PATH_MAX && path.p[path.len - 1] != '/', "a path has its shape");
    must(!memmem(path.p, path.len, "//", 2) && !memmem(path.p, path.len, "/../", 4) &&
             !memchr(path.p, '\0', path.len),
         "a path has no segment that means another");
    must(mr_folder_check(path, &err) == MR_OK, "a path may be listed");
    for (size_t i = 1; i < path.len; i++) {
        if (path.p[i] == '/')
            must(mr_path_check((struct mr_span){path.p, i}, &err) == MR_OK, "a path's folders are paths");
    }
    return 0;
}
