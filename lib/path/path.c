#include "path/path.h"

#include <stdbool.h>
#include <stdlib.h>
#include <utf8proc.h>

static enum mr_status check_characters(struct mr_span path, struct mr_error *err)
{
    for (size_t i = 0; i < path.len;) {
        utf8proc_int32_t point;
        utf8proc_ssize_t n =
            utf8proc_iterate((const utf8proc_uint8_t *)path.p + i, (utf8proc_ssize_t)(path.len - i), &point);
        if (n <= 0)
            return mr_error_set(err, MR_CLASS_REJECT, 0, "the path is not UTF-8 at byte %zu", i);
        if (point < 0x20 || (point >= 0x7f && point < 0xa0))
            return mr_error_set(err, MR_CLASS_REJECT, 0,
                                "the path has the control character U+%04X at byte %zu", (unsigned)point, i);
        i += (size_t)n;
    }
    return MR_OK;
}

static enum mr_status check_segments(struct mr_span path, struct mr_error *err)
{
    for (size_t start = 1; start <= path.len;) {
        const char *p = path.p + start;
        const char *slash = start < path.len ? memchr(p, '/', path.len - start) : NULL;
        size_t len = slash ? (size_t)(slash - p) : path.len - start;
        struct mr_span segment = {p, len};
        if (len == 0)
            return mr_error_set(err, MR_CLASS_REJECT, 0, "the path has an empty segment at byte %zu", start);
        if (len > MR_SEGMENT_MAX)
            return mr_error_set(err, MR_CLASS_REJECT, 0,
                                "the path has a segment of more than %d bytes at byte %zu", MR_SEGMENT_MAX,
                                start);
        if (mr_span_is(segment, ".") || mr_span_is(segment, ".."))
            return mr_error_set(err, MR_CLASS_REJECT, 0, "the path has a segment \"%.*s\" at byte %zu",
                                (int)len, p, start);
        start += len + 1;
    }
    return MR_OK;
}

static bool is_ascii(struct mr_span s)
{
    for (size_t i = 0; i < s.len; i++) {
        if ((unsigned char)s.p[i] >= 0x80)
            return false;
    }
    return true;
}

static enum mr_status check_nfc(struct mr_span path, struct mr_error *err)
{
    if (is_ascii(path))
        return MR_OK;
    utf8proc_uint8_t *composed = NULL;
    utf8proc_ssize_t len = utf8proc_map((const utf8proc_uint8_t *)path.p, (utf8proc_ssize_t)path.len,
                                        &composed, UTF8PROC_STABLE | UTF8PROC_COMPOSE);
    if (len < 0)
        return mr_error_set(err, MR_CLASS_REJECT, 0, "the path cannot be normalised: %s",
                            utf8proc_errmsg(len));
    bool same = mr_span_eq(path, (struct mr_span){(const char *)composed, (size_t)len});
    free(composed);
    if (!same)
        return mr_error_set(err, MR_CLASS_REJECT, 0, "the path is not in Unicode normalization form C");
    return MR_OK;
}

enum mr_status mr_path_check(struct mr_span path, struct mr_error *err)
{
    if (path.len == 0 || path.p[0] != '/')
        return mr_error_set(err, MR_CLASS_REJECT, 0, "the path must start with \"/\"");
    if (path.len > MR_PATH_MAX)
        return mr_error_set(err, MR_CLASS_REJECT, 0, "the path has more than %d bytes", MR_PATH_MAX);
    if (check_characters(path, err) != MR_OK || check_segments(path, err) != MR_OK)
        return MR_FAIL;
    return check_nfc(path, err);
}

enum mr_status mr_folder_check(struct mr_span path, struct mr_error *err)
{
    return mr_span_is(path, "/") ? MR_OK : mr_path_check(path, err);
}
