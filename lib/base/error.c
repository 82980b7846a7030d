#include "base/error.h"

#include <stdio.h>
#include <string.h>

/* Formats aside first: callers wrap a text in itself, and vsnprintf() must not read what it writes. */
enum mr_status mr_error_set(struct mr_error *err, enum mr_error_class class, int code, const char *fmt, ...)
{
    if (!err)
        return MR_FAIL;
    char text[sizeof(err->text)];
    va_list args;
    va_start(args, fmt);
    vsnprintf(text, sizeof(text), fmt, args);
    va_end(args);
    err->class = class;
    err->code = code;
    memcpy(err->text, text, strlen(text) + 1);
    return MR_FAIL;
}

enum mr_status mr_error_prefix(struct mr_error *err, const char *fmt, ...)
{
    if (!err)
        return MR_FAIL;
    char text[sizeof(err->text)];
    va_list args;
    va_start(args, fmt);
    vsnprintf(text, sizeof(text), fmt, args);
    va_end(args);
    size_t used = strlen(text);
    size_t room = sizeof(text) - used;
    size_t tail = (size_t)snprintf(text + used, room, ": %.*s", (int)sizeof(err->text) - 1, err->text);
    size_t len = used + (tail < room ? tail : room - 1);
    memcpy(err->text, text, len + 1);
    return MR_FAIL;
}

void mr_error_clear(struct mr_error *err)
{
    if (!err)
        return;
    err->class = MR_CLASS_NONE;
    err->code = 0;
    err->text[0] = '\0';
}

const char *mr_error_class_name(enum mr_error_class class)
{
    switch (class) {
    case MR_CLASS_RETRY:
        return "retry";
    case MR_CLASS_REJECT:
        return "reject";
    case MR_CLASS_FATAL:
        return "fatal";
    case MR_CLASS_NONE:
        break;
    }
    return "none";
}
