/* Server-Sent Events: the answer is a body without an end, which libmicrohttpd's event thread fetches from
 * the queue; while that is empty the connection is suspended. */
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "http/hub.h"

#define BLOCK 16384

/* "data: " before each line of text; CR, LF and CRLF all end one. With out NULL only counts. */
static size_t put_data(char *out, struct mr_span text)
{
    size_t n = 0;
    const char *p = text.p, *end = text.p + text.len;
    do {
        size_t line = 0;
        while (p + line < end && p[line] != '\n' && p[line] != '\r')
            line++;
        if (out) {
            memcpy(out + n, "data: ", 6);
            if (line > 0)
                memcpy(out + n + 6, p, line);
            out[n + 6 + line] = '\n';
        }
        n += 6 + line + 1;
        p += line;
        if (p == end)
            return n;
        p += p[0] == '\r' && p + 1 < end && p[1] == '\n' ? 2 : 1;
    } while (true);
}

static size_t put_field(char *out, const char *name, const char *value)
{
    size_t name_len = strlen(name), len = value ? strlen(value) : 0;
    if (!value)
        return 0;
    if (out) {
        memcpy(out, name, name_len);
        memcpy(out + name_len, ": ", 2);
        memcpy(out + name_len + 2, value, len);
        out[name_len + 2 + len] = '\n';
    }
    return name_len + 2 + len + 1;
}

struct mr_push_message *mr_sse_message(const char *event, const char *id, struct mr_span text)
{
    if (!text.p)
        text = (struct mr_span){"", 0};
    size_t len = put_field(NULL, "event", event) + put_field(NULL, "id", id) + put_data(NULL, text) + 1;
    struct mr_push_message *m = malloc(sizeof(*m) + len);
    if (!m)
        return NULL;
    char *out = m->text;
    out += put_field(out, "event", event);
    out += put_field(out, "id", id);
    out += put_data(out, text);
    *out = '\n';
    m->len = len;
    return m;
}

void mr_sse_wake(struct mr_push *p)
{
    if (!p->suspended)
        return;
    p->suspended = false;
    MHD_resume_connection(p->mhd);
}

static ssize_t read_queue(void *ctx, uint64_t position, char *out, size_t size)
{
    (void)position;
    struct mr_push *p = ctx;
    ssize_t n = 0;
    pthread_mutex_lock(&p->lock);
    while (p->head && size > 0) {
        size_t part = p->head->len - p->sent < size ? p->head->len - p->sent : size;
        memcpy(out + n, p->head->text + p->sent, part);
        n += (ssize_t)part;
        size -= part;
        p->sent += part;
        if (p->sent == p->head->len)
            free(mr_push_pop(p));
    }
    if (n == 0 && p->cut) {
        n = MHD_CONTENT_READER_END_WITH_ERROR;
    } else if (n == 0 && (p->closing || atomic_load(&p->hub->ending))) {
        n = MHD_CONTENT_READER_END_OF_STREAM;
    } else if (n == 0) {
        p->suspended = true;
        MHD_suspend_connection(p->mhd);
    }
    pthread_mutex_unlock(&p->lock);
    return n;
}

static void response_freed(void *ctx)
{
    mr_push_unref(ctx);
}

struct MHD_Response *mr_sse_response(struct mr_push *p)
{
    struct MHD_Response *response =
        MHD_create_response_from_callback(MHD_SIZE_UNKNOWN, BLOCK, read_queue, p, response_freed);
    if (!response)
        return NULL;
    atomic_fetch_add(&p->refs, 1);
    MHD_add_response_header(response, "Content-Type", "text/event-stream");
    MHD_add_response_header(response, "X-Accel-Buffering", "no"); /* NGINX passes each event on at once */
    MHD_add_response_header(response, "Connection", "close");
    return response;
}
