#include "base/log.h"

#include <errno.h>
#include <inttypes.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"

#define STRING_MAX     2048
#define LINE_MAX_BYTES 16384
#define TAIL           ",\"truncated\":true}\n"

static const char *program_name = "?";
static atomic_int least_level = MR_LOG_INFO;

/* One line being built; `full` once something did not fit. Room for TAIL is always kept. */
struct line {
    size_t len;
    bool full;
    char text[LINE_MAX_BYTES];
};

void mr_log_open(const char *program, enum mr_log_level least)
{
    program_name = program;
    atomic_store(&least_level, (int)least);
}

static void put(struct line *l, const char *p, size_t n)
{
    if (l->full || n > sizeof(l->text) - sizeof(TAIL) - l->len) {
        l->full = true;
        return;
    }
    memcpy(l->text + l->len, p, n);
    l->len += n;
}

static void puts_(struct line *l, const char *s)
{
    put(l, s, strlen(s));
}

/* Length of the well-formed UTF-8 sequence at p (RFC 3629: no overlong forms, no surrogates), 0 if none. */
static size_t utf8_length(const unsigned char *p, size_t left)
{
    unsigned char c = p[0];
    if (c < 0x80)
        return 1;
    size_t n = c >= 0xc2 && c <= 0xdf ? 2 : c >= 0xe0 && c <= 0xef ? 3 : c >= 0xf0 && c <= 0xf4 ? 4 : 0;
    if (n == 0 || n > left)
        return 0;
    unsigned char low = c == 0xe0 ? 0xa0 : c == 0xf0 ? 0x90 : 0x80;
    unsigned char high = c == 0xed ? 0x9f : c == 0xf4 ? 0x8f : 0xbf;
    if (p[1] < low || p[1] > high)
        return 0;
    for (size_t i = 2; i < n; i++) {
        if (p[i] < 0x80 || p[i] > 0xbf)
            return 0;
    }
    return n;
}

static void put_escaped(struct line *l, unsigned char c)
{
    static const char short_forms[] = "\"\"\\\\\bb\ff\nn\rr\tt";
    for (const char *s = short_forms; *s; s += 2) {
        if ((unsigned char)s[0] == c) {
            put(l, (const char[]){'\\', s[1]}, 2);
            return;
        }
    }
    char form[8];
    snprintf(form, sizeof(form), "\\u%04x", c);
    puts_(l, form);
}

static void put_string(struct line *l, const char *s)
{
    const unsigned char *p = (const unsigned char *)s;
    size_t left = strnlen(s, STRING_MAX + 4); /* a look past the cut, so that it does not split a character */
    const unsigned char *cut = p + STRING_MAX;
    puts_(l, "\"");
    while (left > 0) {
        size_t n = utf8_length(p, left);
        if (p + (n ? n : 1) > cut)
            break;
        if (n == 0)
            puts_(l, "\xef\xbf\xbd"); /* U+FFFD */
        else if (n == 1 && (*p < 0x20 || *p == '"' || *p == '\\' || *p == 0x7f))
            put_escaped(l, *p);
        else
            put(l, (const char *)p, n);
        p += n ? n : 1;
        left -= n ? n : 1;
    }
    puts_(l, "\"");
}

static void put_head(struct line *l, enum mr_log_level level, const char *msg)
{
    static const char *const names[] = {"debug", "info", "warn", "error"};
    char ts[MR_RFC3339_SIZE];
    puts_(l, "{\"ts\":\"");
    puts_(l, mr_rfc3339(mr_wall_us(), ts));
    puts_(l, "\",\"level\":\"");
    puts_(l, names[level]);
    puts_(l, "\",\"program\":");
    put_string(l, program_name);
    puts_(l, ",\"msg\":");
    put_string(l, msg);
}

static void put_field(struct line *l, const struct mr_log_field *f)
{
    puts_(l, ",");
    put_string(l, f->name);
    puts_(l, ":");
    if (f->text) {
        put_string(l, f->text);
        return;
    }
    char number[24];
    snprintf(number, sizeof(number), "%" PRId64, f->number);
    puts_(l, number);
}

void mr_log_fields(enum mr_log_level level, const char *msg, const struct mr_log_field *fields, size_t n)
{
    if ((int)level < atomic_load_explicit(&least_level, memory_order_relaxed))
        return;
    int saved = errno;
    struct line l;
    l.len = 0;
    l.full = false;
    put_head(&l, level, msg);
    for (size_t i = 0; i < n && !l.full; i++) {
        size_t before = l.len;
        put_field(&l, &fields[i]);
        if (l.full)
            l.len = before; /* a field is there whole or not at all: the line stays JSON */
    }
    const char *tail = l.full ? TAIL : "}\n";
    memcpy(l.text + l.len, tail, strlen(tail));
    l.len += strlen(tail);
    while (write(STDERR_FILENO, l.text, l.len) < 0 && errno == EINTR)
        continue;
    errno = saved;
}
