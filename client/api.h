/* Calls to the server's HTTP API (docs/openapi.yaml): JSON in and out, tries again while the server is away
 * or says Retry-After, and turns RFC 9457 problems into errors: "<title>: <detail>", with the HTTP status as
 * code. */
#ifndef MR_CLIENT_API_H
#define MR_CLIENT_API_H

#include <jansson.h>

#include "client/account.h"
#include "client/web.h"

struct mr_api {
    struct mr_web *web;
    const struct mr_account *account;
};

struct mr_api_call {
    const char *method;
    const char *path;            /* with query, already encoded */
    json_t *body;                /* borrowed; NULL: none */
    const char *form;            /* application/x-www-form-urlencoded instead */
    const char *idempotency_key; /* NULL: none */
    bool once;                   /* not to be sent twice: no tries after it may have arrived */
    size_t reply_max;            /* 0: 1 MiB */
    long *status;                /* of a 2xx answer; may be NULL */
    json_t **problem;            /* the problem's members when one was answered; may be NULL */
};

/* The answer (an empty one is JSON null), the caller's; NULL with *err filled. */
json_t *mr_api_call(const struct mr_api *api, const struct mr_api_call *call, struct mr_error *err);

/* GET with a path made by printf. */
json_t *mr_api_get(const struct mr_api *api, struct mr_error *err, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));

/* The answer's string or number member; what the contract promises and the server left out is an error
 * (REJECT). */
enum mr_status mr_json_text(const json_t *o, const char *name, const char **out, struct mr_error *err);
enum mr_status mr_json_int(const json_t *o, const char *name, int64_t *out, struct mr_error *err);

#endif
