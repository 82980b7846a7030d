#include "client/api.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "client/exit_code.h"

/* Longer than the longest that ?wait=metadata may take. */
#define CALL_TIMEOUT_MS   140000
#define REPLY_MAX_DEFAULT (1 << 20)

static bool worth_another_try(long status)
{
    return status == 429 || status >= 500;
}

static enum mr_error_class class_of(long status)
{
    return worth_another_try(status) ? MR_CLASS_RETRY : MR_CLASS_REJECT;
}

static const char *advice(long status)
{
    switch (status) {
    case 401:
        return " (log in again: `mr login URL`)";
    case 429:
        return " (try again later, or with a smaller --parallel)";
    default:
        return "";
    }
}

static enum mr_status problem_error(const struct mr_web_reply *reply, json_t **problem, struct mr_error *err)
{
    const char *title = NULL, *detail = NULL;
    json_t *json = reply->body.data ? json_loadb(reply->body.data, reply->body.len, 0, NULL) : NULL;
    json_unpack(json, "{s?s, s?s}", "title", &title, "detail", &detail);
    const char *after = advice(reply->status);
    int code = (int)reply->status;
    if (!title)
        mr_error_set(err, class_of(reply->status), code, "the server answered with status %d%s", code, after);
    else if (detail && detail[0])
        mr_error_set(err, class_of(reply->status), code, "%s: %s%s", title, detail, after);
    else
        mr_error_set(err, class_of(reply->status), code, "%s%s", title, after);
    if (problem && json)
        *problem = json_incref(json);
    json_decref(json);
    return MR_FAIL;
}

static json_t *answer(const struct mr_web_reply *reply, struct mr_error *err)
{
    if (reply->body.len == 0)
        return json_null();
    json_error_t at;
    json_t *json = json_loadb(reply->body.data, reply->body.len, JSON_DECODE_ANY, &at);
    if (!json)
        mr_error_set(err, MR_CLASS_REJECT, EPROTO,
                     "the server's answer is not JSON (%s): is MILLRACE_URL right?", at.text);
    return json;
}

/* What is sent, made once for all tries. */
struct prepared {
    struct mr_buf url;
    struct mr_buf bearer;
    char *body;
    struct mr_web_header headers[4];
    struct mr_web_request request;
};

static void add_header(struct prepared *p, const char *name, const char *value)
{
    p->headers[p->request.n_headers++] = (struct mr_web_header){name, value};
}

static void prepare(const struct mr_api *api, const struct mr_api_call *call, struct prepared *p)
{
    *p = (struct prepared){0};
    mr_buf_init(&p->url, 64 << 10);
    mr_buf_init(&p->bearer, 16 << 10);
    mr_buf_printf(&p->url, "%s%s", api->account->url, call->path);
    add_header(p, "Accept", "application/json, application/problem+json");
    if (api->account->token) {
        mr_buf_printf(&p->bearer, "Bearer %s", api->account->token);
        add_header(p, "Authorization", p->bearer.data);
    }
    if (call->body || call->form)
        add_header(p, "Content-Type", call->body ? "application/json" : "application/x-www-form-urlencoded");
    if (call->idempotency_key)
        add_header(p, "Idempotency-Key", call->idempotency_key);
    p->body = call->body ? json_dumps(call->body, JSON_COMPACT) : call->form ? strdup(call->form) : NULL;
    p->request.method = call->method;
    p->request.url = p->url.data;
    p->request.headers = p->headers;
    p->request.body = p->body;
    p->request.body_size = p->body ? (int64_t)strlen(p->body) : -1;
    p->request.timeout_ms = CALL_TIMEOUT_MS;
    p->request.reply_max = call->reply_max ? call->reply_max : REPLY_MAX_DEFAULT;
}

static void prepared_free(struct prepared *p)
{
    mr_buf_free(&p->url);
    mr_buf_free(&p->bearer);
    free(p->body);
}

json_t *mr_api_call(const struct mr_api *api, const struct mr_api_call *call, struct mr_error *err)
{
    struct mr_web_tries tries = {0};
    struct mr_web_reply reply;
    struct prepared p;
    json_t *out = NULL;
    prepare(api, call, &p);
    for (;;) {
        bool arrived = mr_web_do(api->web, &p.request, &reply, err) == MR_OK;
        int64_t retry_after_ms = 0;
        if (arrived) {
            retry_after_ms = reply.retry_after_ms;
            if (reply.status / 100 == 2) {
                out = answer(&reply, err);
                if (call->status)
                    *call->status = reply.status;
            } else {
                problem_error(&reply, call->problem, err);
                if (retry_after_ms > 0) /* a conflict that passes */
                    err->class = MR_CLASS_RETRY;
            }
            mr_web_reply_free(&reply);
        }
        if (out || err->class != MR_CLASS_RETRY || (call->once && !(arrived && retry_after_ms > 0)))
            break;
        if (!mr_web_again(api->web, &tries, retry_after_ms))
            break;
        if (call->problem) {
            json_decref(*call->problem);
            *call->problem = NULL;
        }
    }
    prepared_free(&p);
    return out;
}

json_t *mr_api_get(const struct mr_api *api, struct mr_error *err, const char *fmt, ...)
{
    char *path = NULL;
    va_list args;
    va_start(args, fmt);
    if (vasprintf(&path, fmt, args) < 0)
        abort();
    va_end(args);
    json_t *out =
        mr_api_call(api, &(struct mr_api_call){.method = "GET", .path = path, .reply_max = 16 << 20}, err);
    free(path);
    return out;
}

enum mr_status mr_json_text(const json_t *o, const char *name, const char **out, struct mr_error *err)
{
    *out = json_string_value(json_object_get(o, name));
    if (*out)
        return MR_OK;
    return mr_error_set(err, MR_CLASS_REJECT, EPROTO, "the server's answer has no text called '%s'", name);
}

enum mr_status mr_json_int(const json_t *o, const char *name, int64_t *out, struct mr_error *err)
{
    const json_t *value = json_object_get(o, name);
    *out = json_integer_value(value);
    if (json_is_integer(value))
        return MR_OK;
    return mr_error_set(err, MR_CLASS_REJECT, EPROTO, "the server's answer has no number called '%s'", name);
}
