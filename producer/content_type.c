#include "producer/content_type.h"

#include <ctype.h>
#include <string.h>
#include <strings.h>

static size_t token(const char *s)
{
    return strspn(s, "!#$%&'*+-.^_`|~0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ");
}

/* Length of "type/subtype" at the start; 0 when there is none. */
static size_t essence(const char *type)
{
    size_t main_type = token(type);
    if (main_type == 0 || type[main_type] != '/')
        return 0;
    size_t sub_type = token(type + main_type + 1);
    return sub_type == 0 ? 0 : main_type + 1 + sub_type;
}

bool mr_content_type_valid(const char *type)
{
    size_t len = essence(type);
    if (len == 0 || strlen(type) > MR_CONTENT_TYPE_MAX)
        return false;
    size_t blanks = strspn(type + len, " ");
    if (type[len] != '\0' && type[len + blanks] != ';')
        return false;
    for (const char *p = type; *p; p++) {
        if (*p < 0x20 || *p > 0x7e)
            return false;
    }
    return true;
}

static bool matches(const char *pattern, size_t pattern_len, const char *type, size_t type_len)
{
    const char *slash = memchr(pattern, '/', pattern_len);
    if (!slash)
        return false;
    size_t main_len = (size_t)(slash - pattern) + 1;
    bool any_sub = pattern_len == main_len + 1 && pattern[main_len] == '*';
    if (any_sub && main_len == 2 && pattern[0] == '*')
        return true;
    if (any_sub)
        return type_len > main_len && strncasecmp(pattern, type, main_len) == 0;
    return pattern_len == type_len && strncasecmp(pattern, type, type_len) == 0;
}

bool mr_content_type_taken(const char *allowed, const char *type)
{
    size_t type_len = essence(type);
    for (const char *p = allowed; *p;) {
        p += strspn(p, ", ");
        size_t len = strcspn(p, ", ");
        if (len > 0 && matches(p, len, type, type_len))
            return true;
        p += len;
    }
    return false;
}
