/* Which route a request is for. */
#include <stdio.h>
#include <string.h>

#include "http/internal.h"

#define SEGMENTS_MAX 16

/* The path cut at "/" and decoded in place; false when an escape is wrong. n 0: the path is not one of ours.
 */
static bool cut(char *path, char *segments[SEGMENTS_MAX], size_t *n)
{
    *n = 0;
    if (path[0] != '/')
        return true;
    char *rest = path + 1, *segment;
    while ((segment = strsep(&rest, "/"))) {
        if (!mr_http_decode(segment, false))
            return false;
        if (*n == SEGMENTS_MAX) {
            *n = 0;
            return true;
        }
        segments[(*n)++] = segment;
    }
    return true;
}

static bool matches(const char *pattern, char *const segments[], size_t n, struct mr_http_request *rq)
{
    rq->n_params = 0;
    const char *p = pattern;
    for (size_t i = 0; i < n; i++) {
        if (*p++ != '/')
            return false;
        size_t len = strcspn(p, "/");
        if (*p == '{') {
            if (segments[i][0] == '\0' || rq->n_params == MR_HTTP_PARAMS_MAX)
                return false;
            rq->params[rq->n_params].name = p + 1;
            rq->params[rq->n_params].name_len = len - 2;
            rq->params[rq->n_params++].value = segments[i];
        } else if (strlen(segments[i]) != len || memcmp(p, segments[i], len) != 0) {
            return false;
        }
        p += len;
    }
    return *p == '\0' && n > 0;
}

/* Of the patterns that a path fits, those with the fewest parameters count: "/upload/chunk" is never an
 * upload called "chunk", whatever the method. */
static size_t fewest_params(char *const segments[], size_t n, struct mr_http_request *rq)
{
    size_t fewest = MR_HTTP_PARAMS_MAX + 1;
    for (size_t i = 0; i < rq->server->n_routes; i++) {
        if (matches(rq->server->routes[i].pattern, segments, n, rq) && rq->n_params < fewest)
            fewest = rq->n_params;
    }
    return fewest;
}

static void method_not_allowed(struct mr_http_request *rq, struct mr_buf *allow)
{
    mr_http_problem(&rq->reply, 405, "method-not-allowed", "this resource takes %s", allow->data);
    mr_http_reply_header(&rq->reply, "Allow", allow->data);
}

bool mr_http_route_find(struct mr_http_request *rq, const char *method)
{
    struct mr_http_server *s = rq->server;
    char *segments[SEGMENTS_MAX];
    size_t n = 0;
    if (!cut(rq->path, segments, &n)) {
        mr_http_problem(&rq->reply, 400, "invalid-request",
                        "the path of the URL is not percent-encoded UTF-8");
        return false;
    }
    struct mr_buf allow;
    mr_buf_init(&allow, 256);
    size_t params = fewest_params(segments, n, rq);
    for (size_t i = 0; i < s->n_routes && !rq->route; i++) {
        const struct mr_http_route *route = &s->routes[i];
        if (!matches(route->pattern, segments, n, rq) || rq->n_params != params)
            continue;
        if (strcmp(route->method, method) == 0 || (rq->head && strcmp(route->method, "GET") == 0))
            rq->route = route;
        else
            mr_buf_printf(&allow, "%s%s%s", allow.len ? ", " : "", route->method,
                          strcmp(route->method, "GET") == 0 ? ", HEAD" : "");
    }
    if (!rq->route && allow.len > 0)
        method_not_allowed(rq, &allow);
    else if (!rq->route)
        mr_http_problem(&rq->reply, 404, "not-found", "there is no such resource");
    mr_buf_free(&allow);
    return rq->route != NULL;
}

void mr_http_routes_print(const struct mr_http_route *routes, size_t n)
{
    for (size_t i = 0; i < n; i++)
        printf("%s %s\n", routes[i].method, routes[i].pattern);
}
