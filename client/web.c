#include "client/web.h"

#include <curl/curl.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/stop.h"
#include "client/exit_code.h"

#define CONNECT_TIMEOUT_MS 10000L
#define STALL_SECONDS      60L
#define REPLY_MAX_DEFAULT  (64 << 10)
#define TRANSFER_BUFFER    (512L << 10)
#define BACKOFF_MS         200
#define BACKOFF_MAX_MS     5000

struct mr_web {
    CURL *curl;
    struct mr_web_options options;
    char message[CURL_ERROR_SIZE];
};

/* One request under way. */
struct transfer {
    struct mr_web *web;
    const struct mr_web_request *rq;
    struct mr_web_reply *reply;
    int64_t read_at; /* offset in the body */
    int64_t moved;
    bool source_failed, sink_failed, too_large;
};

void mr_web_library_open(void)
{
    curl_global_init(CURL_GLOBAL_DEFAULT);
}

void mr_web_library_close(void)
{
    curl_global_cleanup();
}

struct mr_web *mr_web_open(const struct mr_web_options *o)
{
    struct mr_web *web = calloc(1, sizeof(*web));
    if (!web || !(web->curl = curl_easy_init()))
        abort();
    web->options = *o;
    return web;
}

void mr_web_close(struct mr_web **web)
{
    if (!*web)
        return;
    curl_easy_cleanup((*web)->curl);
    free(*web);
    *web = NULL;
}

static size_t on_read(char *buf, size_t size, size_t n, void *arg)
{
    struct transfer *t = arg;
    int64_t left = t->rq->body_size - t->read_at;
    size_t want = size * n;
    want = left < (int64_t)want ? (size_t)left : want;
    if (want == 0)
        return 0;
    if (t->rq->body) {
        memcpy(buf, (const char *)t->rq->body + t->read_at, want);
    } else if (!t->rq->source(t->rq->ctx, t->read_at, buf, want)) {
        t->source_failed = true;
        return CURL_READFUNC_ABORT;
    }
    t->read_at += (int64_t)want;
    return want;
}

/* A kept connection that turns out to be closed makes libcurl send from the start again. */
static int on_seek(void *arg, curl_off_t offset, int origin)
{
    struct transfer *t = arg;
    if (origin != SEEK_SET)
        return CURL_SEEKFUNC_FAIL;
    t->read_at = offset;
    return CURL_SEEKFUNC_OK;
}

static size_t on_write(char *p, size_t size, size_t n, void *arg)
{
    struct transfer *t = arg;
    long status = 0;
    curl_easy_getinfo(t->web->curl, CURLINFO_RESPONSE_CODE, &status);
    if (t->rq->sink && status / 100 == 2) {
        if (!t->rq->sink(t->rq->ctx, p, size * n)) {
            t->sink_failed = true;
            return 0;
        }
    } else if (mr_buf_add(&t->reply->body, p, size * n) != MR_OK) {
        t->too_large = true;
        return 0;
    }
    return size * n;
}

static size_t on_header(char *p, size_t size, size_t n, void *arg)
{
    struct transfer *t = arg;
    static const char name[] = "retry-after:";
    size_t len = size * n;
    char value[16] = "";
    if (len > sizeof(name) && strncasecmp(p, name, sizeof(name) - 1) == 0) {
        size_t keep = len - (sizeof(name) - 1);
        keep = keep < sizeof(value) - 1 ? keep : sizeof(value) - 1;
        memcpy(value, p + sizeof(name) - 1, keep);
        long seconds = strtol(value, NULL, 10); /* a date, the other form, reads as 0: not said */
        t->reply->retry_after_ms = seconds > 0 && seconds < 3600 ? seconds * 1000 : 0;
    }
    return len;
}

static int on_progress(void *arg, curl_off_t down_total, curl_off_t down, curl_off_t up_total, curl_off_t up)
{
    struct transfer *t = arg;
    (void)down_total;
    (void)up_total;
    int64_t now = t->rq->body_size > 0 ? up : down;
    if (t->rq->moved && now != t->moved)
        t->rq->moved(t->rq->ctx, now - t->moved);
    t->moved = now;
    return mr_stop_requested();
}

static struct curl_slist *header_list(const struct mr_web_request *rq)
{
    /* No "Expect: 100-continue": it costs a round trip, and a refused body is rare. */
    struct curl_slist *list = curl_slist_append(NULL, "Expect:");
    for (size_t i = 0; list && i < rq->n_headers; i++) {
        struct mr_buf line;
        mr_buf_init(&line, 16 << 10);
        if (mr_buf_printf(&line, "%s: %s", rq->headers[i].name, rq->headers[i].value) == MR_OK)
            list = curl_slist_append(list, line.data);
        mr_buf_free(&line);
    }
    if (!list)
        abort();
    return list;
}

static void set_common(struct mr_web *web, struct transfer *t)
{
    CURL *c = web->curl;
    curl_easy_reset(c); /* keeps the connections */
    curl_easy_setopt(c, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(c, CURLOPT_PROTOCOLS_STR, "http,https");
    curl_easy_setopt(c, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1);
    curl_easy_setopt(c, CURLOPT_USERAGENT, "mr/" MR_VERSION);
    curl_easy_setopt(c, CURLOPT_ERRORBUFFER, web->message);
    curl_easy_setopt(c, CURLOPT_CONNECTTIMEOUT_MS, CONNECT_TIMEOUT_MS);
    curl_easy_setopt(c, CURLOPT_LOW_SPEED_LIMIT, 1L);
    curl_easy_setopt(c, CURLOPT_LOW_SPEED_TIME, STALL_SECONDS);
    curl_easy_setopt(c, CURLOPT_BUFFERSIZE, TRANSFER_BUFFER);
    curl_easy_setopt(c, CURLOPT_UPLOAD_BUFFERSIZE, TRANSFER_BUFFER);
    if (web->options.cacert)
        curl_easy_setopt(c, CURLOPT_CAINFO, web->options.cacert);
    curl_easy_setopt(c, CURLOPT_WRITEFUNCTION, on_write);
    curl_easy_setopt(c, CURLOPT_WRITEDATA, t);
    curl_easy_setopt(c, CURLOPT_HEADERFUNCTION, on_header);
    curl_easy_setopt(c, CURLOPT_HEADERDATA, t);
    curl_easy_setopt(c, CURLOPT_NOPROGRESS, 0L);
    curl_easy_setopt(c, CURLOPT_XFERINFOFUNCTION, on_progress);
    curl_easy_setopt(c, CURLOPT_XFERINFODATA, t);
}

static void set_request(struct mr_web *web, struct transfer *t, struct curl_slist *headers)
{
    CURL *c = web->curl;
    const struct mr_web_request *rq = t->rq;
    curl_easy_setopt(c, CURLOPT_URL, rq->url);
    curl_easy_setopt(c, CURLOPT_HTTPHEADER, headers);
    if (rq->timeout_ms > 0) {
        curl_easy_setopt(c, CURLOPT_TIMEOUT_MS, (long)rq->timeout_ms);
        curl_easy_setopt(c, CURLOPT_LOW_SPEED_TIME, 0L); /* the server may let us wait on purpose */
    }
    if (rq->body_size >= 0) {
        curl_easy_setopt(c, CURLOPT_UPLOAD, 1L);
        curl_easy_setopt(c, CURLOPT_INFILESIZE_LARGE, (curl_off_t)rq->body_size);
        curl_easy_setopt(c, CURLOPT_READFUNCTION, on_read);
        curl_easy_setopt(c, CURLOPT_READDATA, t);
        curl_easy_setopt(c, CURLOPT_SEEKFUNCTION, on_seek);
        curl_easy_setopt(c, CURLOPT_SEEKDATA, t);
    }
    curl_easy_setopt(c, CURLOPT_CUSTOMREQUEST, rq->method);
}

/* "http://host:port" of a URL: presigned ones carry a signature that must not be shown. */
static int origin_length(const char *url)
{
    const char *host = strstr(url, "://");
    return (int)(host ? strcspn(host + 3, "/?#") + 3 + (size_t)(host - url) : strlen(url));
}

static enum mr_status failure(const struct transfer *t, CURLcode code, struct mr_error *err)
{
    const char *url = t->rq->url;
    const char *said = t->web->message[0] ? t->web->message : curl_easy_strerror(code);
    if (mr_stop_requested())
        return mr_error_interrupted(err);
    if (t->source_failed)
        return mr_error_set(err, MR_CLASS_REJECT, EIO,
                            "the file could not be read to its end: it has changed");
    if (t->sink_failed)
        return mr_error_set(err, MR_CLASS_REJECT, EIO, "the answer could not be stored");
    if (t->too_large)
        return mr_error_set(err, MR_CLASS_REJECT, EMSGSIZE, "%.*s: the answer is too large",
                            origin_length(url), url);
    switch (code) {
    case CURLE_URL_MALFORMAT:
    case CURLE_UNSUPPORTED_PROTOCOL:
        return mr_error_set(err, MR_CLASS_REJECT, EPROTO, "%.*s: %s", origin_length(url), url, said);
    case CURLE_PEER_FAILED_VERIFICATION:
    case CURLE_SSL_CACERT_BADFILE:
    case CURLE_SSL_CONNECT_ERROR:
        return mr_error_set(err, MR_CLASS_FATAL, 0, "%.*s: %s", origin_length(url), url, said);
    default:
        return mr_error_set(err, MR_CLASS_RETRY, 0, "%.*s: %s", origin_length(url), url, said);
    }
}

enum mr_status mr_web_do(struct mr_web *web, const struct mr_web_request *rq, struct mr_web_reply *reply,
                         struct mr_error *err)
{
    *reply = (struct mr_web_reply){0};
    mr_buf_init(&reply->body, rq->reply_max ? rq->reply_max : REPLY_MAX_DEFAULT);
    struct transfer t = {.web = web, .rq = rq, .reply = reply};
    struct curl_slist *headers = header_list(rq);
    web->message[0] = '\0';
    set_common(web, &t);
    set_request(web, &t, headers);
    CURLcode code = curl_easy_perform(web->curl);
    curl_easy_getinfo(web->curl, CURLINFO_RESPONSE_CODE, &reply->status);
    curl_easy_setopt(web->curl, CURLOPT_HTTPHEADER, NULL);
    curl_slist_free_all(headers);
    /* A store that refuses a body answers early and closes; its answer says more than the broken pipe. */
    bool answered = reply->status >= 400 && (code == CURLE_SEND_ERROR || code == CURLE_RECV_ERROR);
    bool ok = code == CURLE_OK || (answered && !mr_stop_requested());
    if (rq->moved && t.moved != 0 && !(ok && reply->status / 100 == 2))
        rq->moved(rq->ctx, -t.moved);
    if (ok)
        return MR_OK;
    mr_web_reply_free(reply);
    return failure(&t, code, err);
}

void mr_web_reply_free(struct mr_web_reply *reply)
{
    mr_buf_free(&reply->body);
}

bool mr_web_again(const struct mr_web *web, struct mr_web_tries *tries, int64_t retry_after_ms)
{
    int64_t now = mr_mono_ms();
    if (tries->n == 0)
        tries->since_ms = now;
    int64_t left = tries->since_ms + web->options.retry_ms - now;
    int64_t wait = mr_backoff_ms(tries->n++, BACKOFF_MS, BACKOFF_MAX_MS);
    wait = retry_after_ms > wait ? retry_after_ms : wait;
    if (left <= 0)
        return false;
    return !mr_stop_wait(wait < left ? wait : left);
}

void mr_url_add(struct mr_buf *url, const char *text)
{
    for (const unsigned char *p = (const unsigned char *)text; *p; p++) {
        bool plain = (*p >= 'a' && *p <= 'z') || (*p >= 'A' && *p <= 'Z') || (*p >= '0' && *p <= '9') ||
                     strchr("-._~", *p);
        if (plain)
            mr_buf_add(url, p, 1);
        else
            mr_buf_printf(url, "%%%02X", *p);
    }
}
