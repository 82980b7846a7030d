/* What is sent back. */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/clock.h"
#include "base/log.h"
#include "http/hub.h"
#include "metrics/metrics.h"

#define TYPE_PREFIX "urn:millrace:problem:"

void mr_http_reply_reset(struct mr_http_reply *rp)
{
    json_decref(rp->json);
    free(rp->body);
    for (size_t i = 0; i < rp->n_headers; i++) {
        free(rp->headers[i].name);
        free(rp->headers[i].value);
    }
    *rp = (struct mr_http_reply){0};
}

static const char *header_of(const struct mr_http_reply *rp, const char *name)
{
    for (size_t i = 0; i < rp->n_headers; i++) {
        if (strcasecmp(rp->headers[i].name, name) == 0)
            return rp->headers[i].value;
    }
    return NULL;
}

void mr_http_reply_header(struct mr_http_reply *rp, const char *name, const char *value)
{
    if (rp->n_headers == MR_HTTP_REPLY_HEADERS || strpbrk(value, "\r\n"))
        return;
    char *n = strdup(name), *v = strdup(value);
    if (!n || !v) {
        free(n);
        free(v);
        return;
    }
    rp->headers[rp->n_headers].name = n;
    rp->headers[rp->n_headers++].value = v;
}

void mr_http_reply_json(struct mr_http_reply *rp, unsigned status, json_t *body)
{
    json_decref(rp->json);
    rp->json = body;
    rp->status = body ? status : 500;
    rp->problem = false;
}

void mr_http_reply_empty(struct mr_http_reply *rp, unsigned status)
{
    json_decref(rp->json);
    rp->json = NULL;
    rp->status = status;
    rp->problem = false;
}

void mr_http_reply_redirect(struct mr_http_reply *rp, unsigned status, const char *location)
{
    mr_http_reply_empty(rp, status);
    mr_http_reply_header(rp, "Location", location);
}

static const char *title_of(unsigned status)
{
    static const struct {
        unsigned status;
        const char *title;
    } titles[] = {
        {400, "Bad request"},      {401, "Authentication needed"}, {403, "Not permitted"},
        {404, "Not found"},        {405, "Method not allowed"},    {406, "Not acceptable"},
        {409, "Conflict"},         {412, "Precondition failed"},   {413, "Too large"},
        {414, "URL too long"},     {415, "Type not taken"},        {422, "Cannot be processed"},
        {423, "Locked"},           {426, "Upgrade required"},      {429, "Too many requests"},
        {431, "Header too large"}, {500, "Internal error"},        {503, "Unavailable"},
    };
    for (size_t i = 0; i < sizeof(titles) / sizeof(titles[0]); i++) {
        if (titles[i].status == status)
            return titles[i].title;
    }
    return status < 500 ? "Refused" : "Failed";
}

void mr_http_problem(struct mr_http_reply *rp, unsigned status, const char *slug, const char *fmt, ...)
{
    char type[128], detail[1024];
    snprintf(type, sizeof(type), TYPE_PREFIX "%s", slug);
    va_list args;
    va_start(args, fmt);
    vsnprintf(detail, sizeof(detail), fmt, args);
    va_end(args);
    json_t *text = json_string(detail);
    for (size_t len = strlen(detail); !text && len > 0; text = json_string(detail))
        detail[--len] = '\0'; /* the cut fell inside a character */
    json_t *body = json_pack("{s:s, s:s, s:i, s:o}", "type", type, "title", title_of(status), "status",
                             (int)status, "detail", text ? text : json_string(""));
    mr_http_reply_json(rp, status, body);
    rp->problem = true;
}

void mr_http_problem_member(struct mr_http_reply *rp, const char *name, json_t *value)
{
    if (rp->problem)
        json_object_set_new(rp->json, name, value);
    else
        json_decref(value);
}

void mr_http_problem_of(struct mr_http_reply *rp, const char *doing, const struct mr_error *err)
{
    bool retry = err->class == MR_CLASS_RETRY;
    mr_log(retry ? MR_LOG_WARN : MR_LOG_ERROR, "request failed", mr_log_str("doing", doing),
           mr_log_str("class", mr_error_class_name(err->class)), mr_log_str("error", err->text));
    if (!retry) {
        mr_http_problem(rp, 500, "internal", "%s failed; the log of the service says why", doing);
        return;
    }
    mr_http_problem(rp, 503, "unavailable", "%s is not possible at the moment, try again", doing);
    mr_http_reply_header(rp, "Retry-After", "2");
}

void mr_http_problem_disabled(struct mr_http_reply *rp)
{
    mr_http_problem(rp, 401, "account-disabled", "the account of this access token is disabled or no more");
    mr_http_reply_header(rp, "WWW-Authenticate", "Bearer realm=\"millrace\", error=\"invalid_token\"");
}

void mr_http_shed(struct mr_http_reply *rp, const char *why)
{
    mr_metric_add(MR_M_http_shed, NULL, 1);
    mr_http_problem(rp, 503, "overloaded", "%s, try again", why);
    mr_http_reply_header(rp, "Retry-After", "1");
}

void mr_http_reply_seal(struct mr_http_reply *rp)
{
    if (rp->json)
        rp->body = json_dumps(rp->json, JSON_COMPACT | JSON_ENCODE_ANY);
    if (rp->status == 0 || (rp->json && !rp->body) || (rp->status == 500 && !rp->json)) {
        static const char text[] = "{\"type\":\"" TYPE_PREFIX "internal\",\"title\":\"Internal error\","
                                   "\"status\":500,\"detail\":\"no answer could be made\"}";
        rp->status = 500;
        rp->problem = true;
        rp->body = strdup(text);
    }
    rp->body_len = rp->body ? strlen(rp->body) : 0;
    json_decref(rp->json);
    rp->json = NULL;
}

static void add_headers(struct MHD_Response *response, const struct mr_http_reply *rp, bool close)
{
    for (size_t i = 0; i < rp->n_headers; i++)
        MHD_add_response_header(response, rp->headers[i].name, rp->headers[i].value);
    if (rp->body)
        MHD_add_response_header(response, "Content-Type",
                                rp->problem ? "application/problem+json" : "application/json");
    /* Answers hold names, tokens and signed URLs: nothing between us and the client keeps them. */
    if (!header_of(rp, "Cache-Control"))
        MHD_add_response_header(response, "Cache-Control", "no-store");
    MHD_add_response_header(response, "X-Content-Type-Options", "nosniff");
    if (close)
        MHD_add_response_header(response, "Connection", "close");
}

static void account(const struct mr_http_request *rq)
{
    char status[8];
    snprintf(status, sizeof(status), "%u", rq->reply.status);
    const char *route = rq->route ? rq->route->pattern : "none";
    int64_t us = rq->whole_us ? mr_mono_us() - rq->whole_us : 0;
    mr_metric_add(MR_M_http_requests, status, 1);
    mr_metric_observe(MR_M_http_seconds, route, (double)us / 1e6);
    mr_log(rq->reply.status >= 500 ? MR_LOG_INFO : MR_LOG_DEBUG, "request",
           mr_log_str("method", rq->route ? rq->route->method : ""), mr_log_str("route", route),
           mr_log_int("status", rq->reply.status), mr_log_int("ms", us / 1000),
           mr_log_str("client", rq->address), mr_log_str("traceparent", mr_http_header(rq, "traceparent")));
}

void mr_http_reply_headers(struct mr_http_request *rq, struct MHD_Response *response)
{
    add_headers(response, &rq->reply, !rq->push && (rq->close || rq->server->stopping));
    account(rq);
}

enum MHD_Result mr_http_reply_send(struct mr_http_request *rq)
{
    struct mr_http_reply *rp = &rq->reply;
    if (rq->push && !rp->problem)
        return mr_push_reply_send(rq);
    struct MHD_Response *response =
        MHD_create_response_from_buffer(rp->body_len, rp->body, MHD_RESPMEM_MUST_FREE);
    if (!response)
        return MHD_NO;
    mr_http_reply_headers(rq, response);
    rp->body = NULL; /* the response's now */
    enum MHD_Result result = MHD_queue_response(rq->mhd, rp->status, response);
    MHD_destroy_response(response);
    return result;
}
