/* Percent-decoding (RFC 3986, 2.1) and name=value pairs (application/x-www-form-urlencoded). */
#include <string.h>
#include <strings.h>
#include <utf8proc.h>

#include "http/internal.h"

static int hex_digit(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

static bool is_utf8(const char *p, size_t n)
{
    while (n > 0) {
        utf8proc_int32_t point;
        utf8proc_ssize_t len = utf8proc_iterate((const utf8proc_uint8_t *)p, (utf8proc_ssize_t)n, &point);
        if (len <= 0)
            return false;
        p += len;
        n -= (size_t)len;
    }
    return true;
}

bool mr_http_decode(char *text, bool plus_is_space)
{
    char *to = text;
    for (const char *from = text; *from;) {
        if (*from != '%') {
            *to++ = plus_is_space && *from == '+' ? ' ' : *from;
            from++;
            continue;
        }
        int high = hex_digit(from[1]);
        int low = high < 0 ? -1 : hex_digit(from[2]);
        int byte = low < 0 ? 0 : high * 16 + low;
        if (byte == 0)
            return false; /* no escape at all, or %00 */
        *to++ = (char)byte;
        from += 3;
    }
    *to = '\0';
    return is_utf8(text, (size_t)(to - text));
}

void mr_http_pairs_init(struct mr_http_pairs *pairs, size_t max_bytes, size_t max)
{
    mr_buf_init(&pairs->text, max_bytes);
    pairs->n = 0;
    pairs->max = max;
}

void mr_http_pairs_free(struct mr_http_pairs *pairs)
{
    mr_buf_free(&pairs->text);
    pairs->n = 0;
}

bool mr_http_pairs_add(struct mr_http_pairs *pairs, const char *name, const char *value)
{
    if (pairs->n == pairs->max || mr_buf_add(&pairs->text, name, strlen(name) + 1) != MR_OK ||
        mr_buf_add(&pairs->text, value, strlen(value) + 1) != MR_OK)
        return false;
    pairs->n++;
    return true;
}

void mr_http_pairs_each(const struct mr_http_pairs *pairs, bool (*fn)(void *, const char *, const char *),
                        void *ctx)
{
    const char *p = pairs->text.data;
    for (size_t i = 0; i < pairs->n; i++) {
        const char *value = p + strlen(p) + 1;
        if (!fn(ctx, p, value))
            return;
        p = value + strlen(value) + 1;
    }
}

const char *mr_http_pairs_get(const struct mr_http_pairs *pairs, const char *name, bool any_case)
{
    const char *p = pairs->text.data;
    for (size_t i = 0; i < pairs->n; i++) {
        const char *value = p + strlen(p) + 1;
        if (any_case ? strcasecmp(p, name) == 0 : strcmp(p, name) == 0)
            return value;
        p = value + strlen(value) + 1;
    }
    return NULL;
}

static enum mr_http_pairs_result add_pair(struct mr_http_pairs *pairs, char *pair)
{
    char *value = strchr(pair, '=');
    if (value)
        *value++ = '\0';
    else
        value = pair + strlen(pair);
    if (!mr_http_decode(pair, true) || !mr_http_decode(value, true))
        return MR_PAIRS_ENCODING;
    if (mr_http_pairs_get(pairs, pair, false))
        return MR_PAIRS_TWICE;
    return mr_http_pairs_add(pairs, pair, value) ? MR_PAIRS_OK : MR_PAIRS_TOO_MANY;
}

enum mr_http_pairs_result mr_http_pairs_parse(struct mr_http_pairs *pairs, struct mr_span text)
{
    if (text.len == 0)
        return MR_PAIRS_OK;
    if (memchr(text.p, '\0', text.len))
        return MR_PAIRS_ENCODING;
    struct mr_buf copy;
    mr_buf_init(&copy, pairs->text.max);
    if (mr_buf_add(&copy, text.p, text.len) != MR_OK)
        return MR_PAIRS_TOO_MANY;
    enum mr_http_pairs_result result = MR_PAIRS_OK;
    char *rest = copy.data, *pair;
    while (result == MR_PAIRS_OK && (pair = strsep(&rest, "&"))) {
        if (*pair)
            result = add_pair(pairs, pair);
    }
    mr_buf_free(&copy);
    return result;
}
