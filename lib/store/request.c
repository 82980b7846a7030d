#include "store/request.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/clock.h"
#include "metrics/metrics.h"
#include "store/fault.h"
#include "store/xml.h"

#define CONNECT_TIMEOUT_MS 3000L
#define IDLE_S             10

struct mr_sign_key mr_store_key(const struct mr_store *s)
{
    return (struct mr_sign_key){s->access_key, s->secret_key, s->region};
}

enum mr_status mr_store_path(const struct mr_store *s, const char *key, struct mr_buf *out)
{
    if (mr_buf_add(out, "/", 1) != MR_OK || mr_sign_encode(out, mr_span_of(s->bucket), false) != MR_OK)
        return MR_FAIL;
    if (!key)
        return MR_OK;
    return mr_buf_add(out, "/", 1) == MR_OK ? mr_sign_encode(out, mr_span_of(key), true) : MR_FAIL;
}

/* A handle keeps its connection when it is reset, so handing out the one used last keeps few connections
 * warm. */
static CURL *handle_take(struct mr_store *s)
{
    CURL *h = NULL;
    pthread_mutex_lock(&s->lock);
    if (s->n_idle > 0)
        h = s->idle[--s->n_idle];
    pthread_mutex_unlock(&s->lock);
    return h ? h : curl_easy_init();
}

static void handle_give(struct mr_store *s, CURL *h)
{
    curl_easy_reset(h);
    pthread_mutex_lock(&s->lock);
    if (s->n_idle < MR_STORE_IDLE_MAX) {
        s->idle[s->n_idle++] = h;
        h = NULL;
    }
    pthread_mutex_unlock(&s->lock);
    if (h)
        curl_easy_cleanup(h);
}

struct transfer {
    CURL *handle;
    const struct mr_store_call *call; /* NULL: a presigned request */
    struct mr_store_answer *answer;
};

static size_t on_body(char *p, size_t size, size_t n, void *ctx)
{
    struct transfer *t = ctx;
    size_t len = size * n;
    long status = 0;
    curl_easy_getinfo(t->handle, CURLINFO_RESPONSE_CODE, &status);
    if (!t->call || !t->call->sink || status / 100 != 2) {
        t->answer->too_large = mr_buf_add(&t->answer->body, p, len) != MR_OK;
        return t->answer->too_large ? 0 : len;
    }
    t->answer->sunk += (int64_t)len;
    if (t->answer->sunk > t->call->sink_max) {
        t->answer->too_large = true;
        return 0;
    }
    t->answer->stopped = !t->call->sink(t->call->sink_ctx, p, len);
    return t->answer->stopped ? 0 : len;
}

static void header_copy(char *out, size_t size, struct mr_span v)
{
    if (v.len >= 2 && v.p[0] == '"' && v.p[v.len - 1] == '"') {
        v.p++;
        v.len -= 2;
    }
    size_t n = v.len < size ? v.len : size - 1;
    memcpy(out, v.p, n);
    out[n] = '\0';
}

static size_t on_header(char *p, size_t size, size_t n, void *ctx)
{
    struct mr_store_answer *a = ((struct transfer *)ctx)->answer;
    size_t len = size * n;
    const char *colon = memchr(p, ':', len);
    if (!colon)
        return len;
    size_t name = (size_t)(colon - p);
    struct mr_span v = {colon + 1, len - name - 1};
    while (v.len > 0 && (*v.p == ' ' || *v.p == '\t')) {
        v.p++;
        v.len--;
    }
    while (v.len > 0 && strchr("\r\n \t", v.p[v.len - 1]))
        v.len--;
    if (name == 4 && strncasecmp(p, "etag", name) == 0)
        header_copy(a->etag, sizeof a->etag, v);
    else if (name == 12 && strncasecmp(p, "content-type", name) == 0)
        header_copy(a->content_type, sizeof a->content_type, v);
    else if (name == 21 && strncasecmp(p, "x-amz-checksum-sha256", name) == 0)
        header_copy(a->checksum, sizeof a->checksum, v);
    else if (name == 13 && strncasecmp(p, "last-modified", name) == 0) {
        char date[64];
        header_copy(date, sizeof date, v);
        time_t at = curl_getdate(date, NULL);
        a->modified_us = at == (time_t)-1 ? 0 : (int64_t)at * 1000000;
    }
    return len;
}

static void set_method(CURL *h, const char *method, struct mr_span body)
{
    if (strcmp(method, "GET") == 0)
        return;
    if (strcmp(method, "HEAD") == 0) {
        curl_easy_setopt(h, CURLOPT_NOBODY, 1L);
        return;
    }
    curl_easy_setopt(h, CURLOPT_CUSTOMREQUEST, method);
    if (strcmp(method, "DELETE") == 0)
        return;
    curl_easy_setopt(h, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)body.len);
    curl_easy_setopt(h, CURLOPT_POSTFIELDS, body.len ? body.p : "");
}

static CURLcode perform(struct transfer *t, const char *url, struct curl_slist *headers, const char *method,
                        struct mr_span body, int idle_s, char *why)
{
    CURL *h = t->handle;
    curl_easy_setopt(h, CURLOPT_URL, url);
    curl_easy_setopt(h, CURLOPT_PATH_AS_IS, 1L);
    curl_easy_setopt(h, CURLOPT_PROTOCOLS_STR, "http,https");
    curl_easy_setopt(h, CURLOPT_PROXY,
                     ""); /* the store is talked to directly, whatever the environment says */
    curl_easy_setopt(h, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(h, CURLOPT_TCP_KEEPALIVE, 1L);
    curl_easy_setopt(h, CURLOPT_CONNECTTIMEOUT_MS, CONNECT_TIMEOUT_MS);
    curl_easy_setopt(h, CURLOPT_LOW_SPEED_LIMIT, 1L);
    curl_easy_setopt(h, CURLOPT_LOW_SPEED_TIME, (long)(idle_s > 0 ? idle_s : IDLE_S));
    curl_easy_setopt(h, CURLOPT_HTTPHEADER, headers);
    curl_easy_setopt(h, CURLOPT_ERRORBUFFER, why);
    curl_easy_setopt(h, CURLOPT_WRITEFUNCTION, on_body);
    curl_easy_setopt(h, CURLOPT_WRITEDATA, t);
    curl_easy_setopt(h, CURLOPT_HEADERFUNCTION, on_header);
    curl_easy_setopt(h, CURLOPT_HEADERDATA, t);
    set_method(h, method, body);
    CURLcode code = curl_easy_perform(h);
    curl_off_t length = -1;
    curl_easy_getinfo(h, CURLINFO_RESPONSE_CODE, &t->answer->status);
    curl_easy_getinfo(h, CURLINFO_CONTENT_LENGTH_DOWNLOAD_T, &length);
    t->answer->length = length;
    return code;
}

static bool add_header(struct curl_slist **list, const char *name, const char *value)
{
    struct mr_buf line;
    mr_buf_init(&line, 8192);
    struct curl_slist *more = NULL;
    if (mr_buf_printf(&line, "%s: %s", name, value) == MR_OK)
        more = curl_slist_append(*list, line.data);
    mr_buf_free(&line);
    if (more)
        *list = more;
    return more != NULL;
}

/* libcurl must not add headers of its own that were not signed or that cost a round trip. */
static bool add_fixed(struct curl_slist **list, bool has_type)
{
    struct curl_slist *more = curl_slist_append(*list, "Expect:");
    if (more && !has_type) {
        *list = more;
        more = curl_slist_append(*list, "Content-Type:");
    }
    if (more)
        *list = more;
    return more != NULL;
}

struct prepared {
    struct mr_buf url;
    struct curl_slist *headers;
};

static void prepared_free(struct prepared *p)
{
    mr_buf_free(&p->url);
    curl_slist_free_all(p->headers);
}

static enum mr_status prepare_headers(const struct mr_store *s, const struct mr_sign_request *rq,
                                      const char *stamp, struct prepared *out)
{
    struct mr_buf authorization;
    mr_buf_init(&authorization, 2048);
    struct mr_sign_key key = mr_store_key(s);
    bool ok = mr_sign_authorization(&key, rq, stamp, &authorization) == MR_OK &&
              add_header(&out->headers, "Authorization", authorization.data);
    bool has_type = false;
    for (size_t i = 0; ok && i < rq->headers.n; i++) {
        has_type = has_type || strcmp(rq->headers.pairs[i].name, "content-type") == 0;
        if (strcmp(rq->headers.pairs[i].name, "host") != 0)
            ok = add_header(&out->headers, rq->headers.pairs[i].name, rq->headers.pairs[i].value);
    }
    ok = ok && add_fixed(&out->headers, has_type);
    mr_buf_free(&authorization);
    return ok ? MR_OK : MR_FAIL;
}

static enum mr_status prepare(const struct mr_store *s, const struct mr_store_call *call,
                              struct prepared *out)
{
    struct mr_buf path;
    mr_buf_init(&path, MR_STORE_URL_MAX);
    mr_buf_init(&out->url, MR_STORE_URL_MAX);
    out->headers = NULL;
    uint8_t digest[MR_SHA256_SIZE];
    char hex[MR_SHA256_HEX_SIZE], stamp[MR_SIGN_STAMP_SIZE];
    mr_sha256(call->body.p, call->body.len, digest);
    enum mr_status status = mr_store_path(s, call->key, &path);
    if (status == MR_OK) {
        struct mr_sign_request rq = {call->method, path.data, call->query, call->headers,
                                     mr_hex(digest, sizeof digest, hex)};
        mr_sign_stamp(mr_wall_us(), stamp);
        mr_sign_add(&rq.headers, "host", s->endpoint.host);
        mr_sign_add(&rq.headers, "x-amz-content-sha256", hex);
        mr_sign_add(&rq.headers, "x-amz-date", stamp);
        status = mr_buf_printf(&out->url, "%s%s%s", s->endpoint.base, path.data, call->query.n ? "?" : "");
        if (status == MR_OK)
            status = mr_sign_query(&out->url, &call->query);
        if (status == MR_OK)
            status = prepare_headers(s, &rq, stamp, out);
    }
    mr_buf_free(&path);
    if (status != MR_OK)
        prepared_free(out);
    return status;
}

static enum mr_status judge(const struct mr_store_call *call, const struct mr_store_answer *a, CURLcode code,
                            const char *why, struct mr_error *err)
{
    if (code == CURLE_WRITE_ERROR && a->stopped)
        return MR_OK;
    if (code == CURLE_WRITE_ERROR && a->too_large)
        return mr_error_set(err, MR_CLASS_REJECT, 413, "%s %s: the answer is larger than allowed",
                            call->operation, call->key ? call->key : "bucket");
    if (code != CURLE_OK)
        return mr_error_set(err, MR_CLASS_RETRY, 0, "%s %s: %s", call->operation,
                            call->key ? call->key : "bucket", why[0] ? why : curl_easy_strerror(code));
    return mr_store_fault(call->operation, call->key, a->status, mr_buf_span(&a->body), err);
}

enum mr_status mr_store_call(struct mr_store *s, const struct mr_store_call *call,
                             struct mr_store_answer *answer, struct mr_error *err)
{
    memset(answer, 0, sizeof *answer);
    mr_buf_init(&answer->body, MR_STORE_ANSWER_MAX);
    struct prepared request;
    struct transfer t = {handle_take(s), call, answer};
    enum mr_status status;
    if (!t.handle || prepare(s, call, &request) != MR_OK) {
        status = mr_error_set(err, MR_CLASS_REJECT, 0, "%s %s: the request does not fit its limits",
                              call->operation, call->key ? call->key : "bucket");
    } else {
        char why[CURL_ERROR_SIZE] = "";
        CURLcode code =
            perform(&t, request.url.data, request.headers, call->method, call->body, call->idle_s, why);
        status = judge(call, answer, code, why, err);
        prepared_free(&request);
    }
    if (t.handle)
        handle_give(s, t.handle);
    mr_metric_add(MR_M_s3_requests, call->operation, 1);
    if (status != MR_OK)
        mr_metric_add(MR_M_s3_failures, call->operation, 1);
    return status;
}

enum mr_status mr_store_call_xml(struct mr_store *s, const struct mr_store_call *call, const char *root,
                                 xmlDoc **doc, struct mr_error *err)
{
    struct mr_store_answer answer;
    *doc = NULL;
    enum mr_status status = mr_store_call(s, call, &answer, err);
    if (status == MR_OK) {
        *doc = mr_xml_read(mr_buf_span(&answer.body));
        if (!*doc || !mr_xml_is(xmlDocGetRootElement(*doc), root)) {
            xmlFreeDoc(*doc);
            *doc = NULL;
            status = mr_error_set(err, MR_CLASS_RETRY, (int)answer.status, "%s %s: the answer is not a <%s>",
                                  call->operation, call->key ? call->key : "bucket", root);
        }
    }
    mr_store_answer_free(&answer);
    return status;
}

void mr_store_answer_free(struct mr_store_answer *answer)
{
    mr_buf_free(&answer->body);
}

enum mr_status mr_store_put_url(struct mr_store *s, const char *url, const uint8_t sha256[MR_SHA256_SIZE],
                                struct mr_span body, long *status, struct mr_error *err)
{
    struct mr_store_answer answer = {0};
    mr_buf_init(&answer.body, MR_STORE_ANSWER_MAX);
    char checksum[MR_SHA256_BASE64_SIZE], why[CURL_ERROR_SIZE] = "";
    struct curl_slist *headers = NULL;
    struct transfer t = {handle_take(s), NULL, &answer};
    CURLcode code = CURLE_OUT_OF_MEMORY;
    if (t.handle &&
        add_header(&headers, "x-amz-checksum-sha256", mr_base64(sha256, MR_SHA256_SIZE, checksum)) &&
        add_fixed(&headers, false))
        code = perform(&t, url, headers, "PUT", body, 0, why);
    if (t.handle)
        handle_give(s, t.handle);
    curl_slist_free_all(headers);
    mr_store_answer_free(&answer);
    *status = answer.status;
    if (code != CURLE_OK)
        return mr_error_set(err, MR_CLASS_RETRY, 0, "put part: %s", why[0] ? why : curl_easy_strerror(code));
    return MR_OK;
}
