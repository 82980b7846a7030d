#include "client/visible.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <utf8proc.h>

/* C0, DEL, C1; marks that reverse or isolate text (Unicode 15 section 23.2), and line separators. */
static bool is_harmful(utf8proc_int32_t c)
{
    return c < 0x20 || (c >= 0x7f && c <= 0x9f) || (c >= 0x202a && c <= 0x202e) ||
           (c >= 0x2066 && c <= 0x2069) || c == 0x200e || c == 0x200f || c == 0x061c || c == 0x2028 ||
           c == 0x2029 || c == 0xfeff;
}

static void add_escaped(struct mr_buf *out, const unsigned char *p, size_t n)
{
    if (n == 1 && (*p == '\n' || *p == '\t')) {
        mr_buf_puts(out, *p == '\n' ? "\\n" : "\\t");
        return;
    }
    for (size_t i = 0; i < n; i++)
        mr_buf_printf(out, "\\x%02x", p[i]);
}

void mr_visible_add(struct mr_buf *out, const char *s)
{
    const unsigned char *p = (const unsigned char *)s;
    while (*p) {
        utf8proc_int32_t c;
        utf8proc_ssize_t n = utf8proc_iterate(p, -1, &c);
        size_t len = n > 0 ? (size_t)n : 1;
        if (n <= 0 || is_harmful(c))
            add_escaped(out, p, len);
        else if (mr_buf_add(out, p, len) != MR_OK)
            return;
        p += len;
    }
}

char *mr_visible(const char *s)
{
    struct mr_buf out;
    mr_buf_init(&out, 4 * strlen(s) + 1);
    mr_visible_add(&out, s);
    return mr_buf_take(&out);
}

bool mr_utf8_valid(const char *s)
{
    const unsigned char *p = (const unsigned char *)s;
    utf8proc_int32_t c;
    for (utf8proc_ssize_t n; *p; p += n)
        if ((n = utf8proc_iterate(p, -1, &c)) <= 0)
            return false;
    return true;
}

json_t *mr_json_name(const char *name)
{
    if (mr_utf8_valid(name))
        return json_string(name);
    char *shown = mr_visible(name);
    json_t *out = json_string(shown);
    free(shown);
    return out;
}

const char *mr_size_text(int64_t bytes, char *out)
{
    static const char *const units[] = {"B", "KiB", "MiB", "GiB", "TiB", "PiB"};
    size_t unit = 0;
    double n = (double)bytes;
    for (; n >= 999.5 && unit < 5; unit++)
        n /= 1024;
    snprintf(out, MR_SIZE_TEXT, unit > 0 && n < 99.95 ? "%.1f %s" : "%.0f %s", n, units[unit]);
    return out;
}

const char *mr_duration_text(int64_t seconds, char *out)
{
    int64_t s = seconds < 0 ? 0 : seconds > 359999 ? 359999 : seconds;
    if (s >= 3600)
        snprintf(out, MR_SIZE_TEXT, "%d:%02d:%02d", (int)(s / 3600), (int)(s / 60 % 60), (int)(s % 60));
    else
        snprintf(out, MR_SIZE_TEXT, "%d:%02d", (int)(s / 60), (int)(s % 60));
    return out;
}
