/* HTTP service over libmicrohttpd (epoll): routes, a bounded pool of handler threads with the connection
 * suspended meanwhile, JSON bodies, problem+json (RFC 9457), bearer tokens.
 *
 * A handler runs on a pool thread and may block on the database or the store. It reads the request through
 * the accessors and fills the reply; whatever it returns is sent. A full queue answers 503 with Retry-After.
 */
#ifndef MR_HTTP_SERVER_H
#define MR_HTTP_SERVER_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/config.h"
#include "base/error.h"
#include "base/id.h"
#include "base/span.h"
#include "http/token.h"

struct mr_http_server;
struct mr_http_request;
struct mr_http_reply;

typedef void (*mr_http_fn)(void *ctx, struct mr_http_request *rq, struct mr_http_reply *rp);

enum mr_http_flags {
    MR_HTTP_AUTH = 1 << 0, /* needs a valid bearer token, else 401 with WWW-Authenticate */
    MR_HTTP_FORM = 1 << 1, /* body is application/x-www-form-urlencoded; else JSON where there is one (415) */
    MR_HTTP_POLL = 1 << 2, /* the handler may ask to be called again: mr_http_again() */
};

struct mr_http_route {
    const char *method;  /* "GET"; HEAD is answered by GET routes */
    const char *pattern; /* "/upload/{upload_id}": a {name} takes one segment */
    mr_http_fn handler;
    unsigned flags;
    const char
        *query; /* comma-separated names of the query parameters it takes; any other is 400; NULL: none */
};

struct mr_http_options {
    const struct mr_config *cfg;
    const struct mr_http_route *routes;
    size_t n_routes;
    void *ctx;                        /* given to handlers */
    const struct mr_token_key *token; /* NULL only when no route has MR_HTTP_AUTH */
};

enum mr_status mr_http_server_start(const struct mr_http_options *o, struct mr_http_server **out,
                                    struct mr_error *err);
/* The port it listens on; for those who asked for port 0. */
int mr_http_server_port(const struct mr_http_server *s);
/* Takes no more connections, waits up to timeout_ms for requests under way (a long poll's handler is called
 * once more), answers 503 to those no thread has begun, and ends once the handlers that run have returned:
 * what bounds them are the timeouts of what they ask. */
void mr_http_server_stop(struct mr_http_server **s, int timeout_ms);

/* "METHOD pattern\n" for every route; what `<program> --routes` prints and the OpenAPI test reads. */
void mr_http_routes_print(const struct mr_http_route *routes, size_t n);

/* The request; pointers live until the handler returns. */
const char *mr_http_path_param(const struct mr_http_request *rq,
                               const char *name); /* percent-decoded; never NULL */
const char *mr_http_query(const struct mr_http_request *rq, const char *name);  /* NULL when absent */
const char *mr_http_header(const struct mr_http_request *rq, const char *name); /* NULL when absent */
const char *mr_http_form(const struct mr_http_request *rq, const char *name);   /* NULL when absent */
struct mr_span mr_http_body(const struct mr_http_request *rq);
json_t *mr_http_json(const struct mr_http_request *rq); /* borrowed; NULL when the request had no body */
struct mr_uuid mr_http_user(const struct mr_http_request *rq); /* of the token; nil without MR_HTTP_AUTH */
/* The peer's, or what one of http.trusted_proxies says last in X-Forwarded-For. */
const char *mr_http_client_address(const struct mr_http_request *rq);

/* The reply. */
void mr_http_reply_json(struct mr_http_reply *rp, unsigned status, json_t *body); /* takes the reference */
void mr_http_reply_empty(struct mr_http_reply *rp, unsigned status);
void mr_http_reply_redirect(struct mr_http_reply *rp, unsigned status, const char *location);
void mr_http_reply_header(struct mr_http_reply *rp, const char *name, const char *value);
/* application/problem+json: type "urn:millrace:problem:<slug>", title from the slug's table or status, detail
 * as formatted. */
void mr_http_problem(struct mr_http_reply *rp, unsigned status, const char *slug, const char *fmt, ...)
    __attribute__((format(printf, 4, 5)));
/* Adds a member to a problem made before (takes the reference). */
void mr_http_problem_member(struct mr_http_reply *rp, const char *name, json_t *value);
/* What a failed dependency or a bug means to a client: RETRY → 503 "unavailable" with Retry-After, REJECT and
 * FATAL → 500 (logged with the error's text, which is never sent). */
void mr_http_problem_of(struct mr_http_reply *rp, const char *doing, const struct mr_error *err);

/* 401 "account-disabled": the token is good, its account is disabled or no more. */
void mr_http_problem_disabled(struct mr_http_reply *rp);

/* Long poll: the handler sets no reply and asks to be called again after delay_ms; the connection stays
 * suspended and no thread is held. State between calls: one pointer. */
void mr_http_again(struct mr_http_request *rq, int64_t delay_ms, void *state, void (*free_state)(void *));
void *mr_http_state(const struct mr_http_request *rq);    /* NULL on the first call */
int64_t mr_http_age_ms(const struct mr_http_request *rq); /* since the request was whole */

#endif
