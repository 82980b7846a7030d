/* A request from its first line to the point where a handler can read it. */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/clock.h"
#include "http/hub.h"

#define HEADERS_COUNT_MAX 128
#define QUERY_COUNT_MAX   32
#define FORM_COUNT_MAX    64

struct mr_http_request *mr_http_request_new(struct mr_http_server *s, struct MHD_Connection *mhd,
                                            struct mr_http_conn *conn, const char *uri)
{
    struct mr_http_request *rq = calloc(1, sizeof(*rq));
    if (!rq)
        return NULL;
    rq->server = s;
    rq->mhd = mhd;
    rq->conn = conn;
    rq->refs = 1;
    rq->uri = strdup(uri);
    rq->path = strdup(uri);
    mr_http_pairs_init(&rq->headers, 2 * MR_HTTP_HEADERS_MAX, HEADERS_COUNT_MAX);
    mr_http_pairs_init(&rq->query, MR_HTTP_URI_MAX, QUERY_COUNT_MAX);
    mr_http_pairs_init(&rq->form, 2 * MR_HTTP_OPEN_BODY_MAX, FORM_COUNT_MAX);
    mr_buf_init(&rq->body, s->body_max);
    if (!rq->uri || !rq->path) {
        mr_http_request_free(rq);
        return NULL;
    }
    return rq;
}

static void drop_body(struct mr_http_request *rq)
{
    atomic_fetch_sub(&rq->server->body_bytes, rq->body.len);
    mr_buf_free(&rq->body);
}

void mr_http_request_free(struct mr_http_request *rq)
{
    if (rq->state && rq->free_state)
        rq->free_state(rq->state);
    if (rq->push)
        mr_push_request_ended(rq->push);
    drop_body(rq);
    json_decref(rq->json);
    mr_http_pairs_free(&rq->headers);
    mr_http_pairs_free(&rq->query);
    mr_http_pairs_free(&rq->form);
    mr_http_reply_reset(&rq->reply);
    free(rq->uri);
    free(rq->path);
    free(rq);
}

struct copying {
    struct mr_http_request *rq;
    bool full;
    const char *twice;
};

/* Of these a second one is an attack or a mistake: whoever reads the other one sees another request. */
static const char *const once_only[] = {"Host", "Content-Length", "Transfer-Encoding", "Content-Type",
                                        "Authorization"};

static enum MHD_Result copy_header(void *ctx, enum MHD_ValueKind kind, const char *name, const char *value)
{
    (void)kind;
    struct copying *c = ctx;
    for (size_t i = 0; i < sizeof(once_only) / sizeof(once_only[0]); i++) {
        if (strcasecmp(name, once_only[i]) == 0 && mr_http_header(c->rq, name))
            c->twice = once_only[i];
    }
    c->full = !mr_http_pairs_add(&c->rq->headers, name, value ? value : "");
    return c->full ? MHD_NO : MHD_YES;
}

static void peer_address(struct mr_http_request *rq)
{
    const union MHD_ConnectionInfo *info =
        MHD_get_connection_info(rq->mhd, MHD_CONNECTION_INFO_CLIENT_ADDRESS);
    const struct sockaddr *peer = info ? info->client_addr : NULL;
    bool trusted = mr_http_proxies_have(&rq->server->proxies, peer, rq->address);
    const char *forwarded = trusted ? mr_http_header(rq, "X-Forwarded-For") : NULL;
    if (!forwarded)
        return;
    const char *last = strrchr(forwarded, ',');
    last = last ? last + 1 : forwarded;
    last += strspn(last, " ");
    unsigned char number[sizeof(struct in6_addr)];
    if (inet_pton(AF_INET, last, number) == 1 || inet_pton(AF_INET6, last, number) == 1)
        snprintf(rq->address, sizeof(rq->address), "%s", last);
}

/* "GET http://host/path" is legal (RFC 9112, 3.2.2); the query goes to its own place. */
static void split_uri(struct mr_http_request *rq)
{
    char *query = strchr(rq->path, '?');
    if (query)
        *query = '\0';
    if (strncasecmp(rq->path, "http://", 7) == 0) {
        const char *slash = strchr(rq->path + 7, '/');
        if (slash)
            memmove(rq->path, slash, strlen(slash) + 1);
        else
            snprintf(rq->path, 2, "/");
    }
}

static bool authorise(struct mr_http_request *rq)
{
    if (!(rq->route->flags & MR_HTTP_AUTH))
        return true;
    const char *header = mr_http_header(rq, "Authorization");
    struct mr_error err = {0};
    const char *challenge = "Bearer realm=\"millrace\"";
    if (!header || strncasecmp(header, "Bearer ", 7) != 0) {
        mr_http_problem(&rq->reply, 401, "unauthorized",
                        "an access token is needed: Authorization: Bearer <token>");
    } else {
        if (mr_token_check(rq->server->token, header + 7 + strspn(header + 7, " "), &rq->user, &err) == MR_OK)
            return true;
        mr_http_problem(&rq->reply, 401, "invalid-token", "%s", err.text);
        challenge = "Bearer realm=\"millrace\", error=\"invalid_token\"";
    }
    mr_http_reply_header(&rq->reply, "WWW-Authenticate", challenge);
    return false;
}

/* How long the body is going to be: -1 unknown (chunked), 0 none. False: the framing is not to be trusted. */
static bool framing(struct mr_http_request *rq, int64_t *length)
{
    const char *encoding = mr_http_header(rq, "Transfer-Encoding");
    const char *text = mr_http_header(rq, "Content-Length");
    *length = encoding ? -1 : 0;
    if (encoding)
        return !text && strcasecmp(encoding, "chunked") == 0;
    if (!text)
        return true;
    size_t digits = strspn(text, "0123456789");
    errno = 0;
    *length = strtoll(text, NULL, 10);
    return digits > 0 && text[digits] == '\0' && errno == 0;
}

static bool type_is(const char *header, const char *type)
{
    size_t len = strlen(type);
    return header && strncasecmp(header, type, len) == 0 && strchr("; \t", header[len]) != NULL;
}

static void too_large(struct mr_http_request *rq)
{
    mr_http_problem(&rq->reply, 413, "body-too-large", "a body of this request has at most %zu bytes",
                    rq->body_max);
}

static bool check_body(struct mr_http_request *rq, const char *method, int64_t length)
{
    const char *want =
        rq->route->flags & MR_HTTP_FORM ? "application/x-www-form-urlencoded" : "application/json";
    const char *encoding = mr_http_header(rq, "Content-Encoding");
    rq->body_max = rq->server->body_max;
    if (!(rq->route->flags & MR_HTTP_AUTH) && rq->body_max > MR_HTTP_OPEN_BODY_MAX)
        rq->body_max = MR_HTTP_OPEN_BODY_MAX;
    if (length == 0)
        return true;
    if (strcmp(method, "POST") != 0 && strcmp(method, "PUT") != 0 && strcmp(method, "PATCH") != 0)
        mr_http_problem(&rq->reply, 400, "invalid-request", "a %s takes no body", method);
    else if (length > (int64_t)rq->body_max)
        too_large(rq);
    else if (encoding && strcasecmp(encoding, "identity") != 0)
        mr_http_problem(&rq->reply, 415, "unsupported-media-type", "an encoded body is not taken");
    else if (!type_is(mr_http_header(rq, "Content-Type"), want))
        mr_http_problem(&rq->reply, 415, "unsupported-media-type", "the body must be %s", want);
    return rq->reply.status == 0;
}

static bool query_known(void *ctx, const char *name, const char *value)
{
    (void)value;
    struct mr_http_request *rq = ctx;
    size_t len = strlen(name);
    for (const char *p = rq->route->query; p && *p; p += strspn(p, ",")) {
        size_t n = strcspn(p, ",");
        if (n == len && memcmp(p, name, n) == 0)
            return true;
        p += n;
    }
    mr_http_problem(&rq->reply, 400, "invalid-request", "unknown query parameter \"%.100s\"", name);
    return false;
}

static bool check_pairs(struct mr_http_request *rq, enum mr_http_pairs_result result, const char *what)
{
    if (result == MR_PAIRS_ENCODING)
        mr_http_problem(&rq->reply, 400, "invalid-request", "%s is not percent-encoded UTF-8", what);
    else if (result == MR_PAIRS_TWICE)
        mr_http_problem(&rq->reply, 400, "invalid-request", "%s names a parameter twice", what);
    else if (result == MR_PAIRS_TOO_MANY)
        mr_http_problem(&rq->reply, 400, "invalid-request", "%s has too many parameters", what);
    return result == MR_PAIRS_OK;
}

static bool check_query(struct mr_http_request *rq)
{
    const char *query = strchr(rq->uri, '?');
    if (!query)
        return true;
    if (!check_pairs(rq, mr_http_pairs_parse(&rq->query, mr_span_of(query + 1)), "the query"))
        return false;
    mr_http_pairs_each(&rq->query, query_known, rq);
    return rq->reply.status == 0;
}

void mr_http_request_admit(struct mr_http_request *rq, const char *method)
{
    rq->head = strcmp(method, "HEAD") == 0;
    const union MHD_ConnectionInfo *size =
        MHD_get_connection_info(rq->mhd, MHD_CONNECTION_INFO_REQUEST_HEADER_SIZE);
    struct copying copying = {.rq = rq};
    MHD_get_connection_values(rq->mhd, MHD_HEADER_KIND, copy_header, &copying);
    peer_address(rq);
    split_uri(rq);
    bool trusted = framing(rq, &rq->length);
    if (!trusted || copying.twice) {
        rq->close = true; /* where the next request starts is anyone's guess */
        mr_http_problem(&rq->reply, 400, "invalid-request", "the headers %s are contradictory",
                        copying.twice ? copying.twice : "Content-Length and Transfer-Encoding");
    } else if (strlen(rq->uri) > MR_HTTP_URI_MAX) {
        mr_http_problem(&rq->reply, 414, "uri-too-long", "a URL has at most %u bytes", MR_HTTP_URI_MAX);
    } else if (copying.full || (size && size->header_size > MR_HTTP_HEADERS_MAX)) {
        mr_http_problem(&rq->reply, 431, "header-too-large",
                        "a request has at most %d headers of %u bytes together", HEADERS_COUNT_MAX,
                        MR_HTTP_HEADERS_MAX);
    } else if (mr_http_route_find(rq, method) && authorise(rq) && check_body(rq, method, rq->length)) {
        check_query(rq);
    }
}

bool mr_http_request_take(struct mr_http_request *rq, const char *p, size_t n)
{
    if (rq->reply.status == 0) {
        size_t all = atomic_fetch_add(&rq->server->body_bytes, n) + n;
        if (rq->body.len + n > rq->body_max)
            too_large(rq);
        else if (all > rq->server->body_bytes_max)
            mr_http_shed(&rq->reply, "too many request bodies are under way");
        else if (mr_buf_add(&rq->body, p, n) == MR_OK)
            return true;
        else
            mr_http_shed(&rq->reply, "there is no memory for the body");
        atomic_fetch_sub(&rq->server->body_bytes, n);
        drop_body(rq);
    }
    rq->discarded += n;
    return rq->discarded <= MR_HTTP_DISCARD_MAX;
}

bool mr_http_request_parse(struct mr_http_request *rq)
{
    if (rq->parsed || rq->body.len == 0)
        return true;
    rq->parsed = true;
    if (rq->route->flags & MR_HTTP_FORM)
        return check_pairs(rq, mr_http_pairs_parse(&rq->form, mr_buf_span(&rq->body)), "the form");
    char text[128];
    const char *why = NULL;
    rq->json = mr_http_json_load(mr_buf_span(&rq->body), &why, text, sizeof(text));
    if (!rq->json)
        mr_http_problem(&rq->reply, 400, "invalid-json", "the body %s", why);
    return rq->json != NULL;
}
