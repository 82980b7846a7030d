#include "metrics/server.h"

#include <errno.h>
#include <microhttpd.h>
#include <netdb.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "metrics/metrics.h"

#define TEXT_MAX_BYTES (8u << 20)
#define CONNECTIONS    32
#define IDLE_S         30
#define READY_EVERY_MS 1000

struct mr_metrics_server {
    struct MHD_Daemon *daemon;
    int port;
    mr_ready_fn ready;
    void *ctx;
    /* owned by the server's thread */
    bool asked;
    int64_t asked_at_ms;
    enum mr_status answer;
    struct mr_error reason;
};

/* Takes text, which was malloc'd. */
static enum MHD_Result reply(struct MHD_Connection *c, unsigned status, const char *type, char *text,
                             size_t len)
{
    struct MHD_Response *r = MHD_create_response_from_buffer(len, text, MHD_RESPMEM_MUST_FREE);
    if (!r) {
        free(text);
        return MHD_NO;
    }
    MHD_add_response_header(r, "Content-Type", type);
    MHD_add_response_header(r, "Cache-Control", "no-store");
    if (status == MHD_HTTP_METHOD_NOT_ALLOWED)
        MHD_add_response_header(r, "Allow", "GET, HEAD");
    enum MHD_Result result = MHD_queue_response(c, status, r);
    MHD_destroy_response(r);
    return result;
}

static enum MHD_Result reply_line(struct MHD_Connection *c, unsigned status, const char *line)
{
    char *text = NULL;
    int n = asprintf(&text, "%s\n", line);
    return n < 0 ? MHD_NO : reply(c, status, "text/plain; charset=utf-8", text, (size_t)n);
}

static enum MHD_Result serve_metrics(struct MHD_Connection *c)
{
    struct mr_buf out;
    mr_buf_init(&out, TEXT_MAX_BYTES);
    if (mr_metrics_text(&out) != MR_OK) {
        mr_buf_free(&out);
        return reply_line(c, MHD_HTTP_INTERNAL_SERVER_ERROR, "the metrics do not fit in 8 MiB");
    }
    size_t len = out.len;
    return reply(c, MHD_HTTP_OK, "text/plain; version=0.0.4; charset=utf-8", mr_buf_take(&out), len);
}

static enum MHD_Result serve_ready(struct mr_metrics_server *s, struct MHD_Connection *c)
{
    int64_t now = mr_mono_ms();
    if (!s->asked || now - s->asked_at_ms >= READY_EVERY_MS) {
        mr_error_clear(&s->reason);
        s->answer = s->ready ? s->ready(s->ctx, &s->reason) : MR_OK;
        s->asked_at_ms = mr_mono_ms(); /* a slow answer is not asked for at once again */
        s->asked = true;
    }
    if (s->answer == MR_OK)
        return reply_line(c, MHD_HTTP_OK, "ready");
    return reply_line(c, MHD_HTTP_SERVICE_UNAVAILABLE, s->reason.text);
}

static enum MHD_Result serve(void *ctx, struct MHD_Connection *c, const char *url, const char *method,
                             const char *version, const char *body, size_t *body_size, void **request)
{
    (void)version;
    (void)body;
    static char seen;
    if (!*request) {
        *request = &seen; /* the first call comes before the body */
        return MHD_YES;
    }
    if (*body_size > 0) {
        *body_size = 0;
        return MHD_YES;
    }
    if (strcmp(method, "GET") != 0 && strcmp(method, "HEAD") != 0)
        return reply_line(c, MHD_HTTP_METHOD_NOT_ALLOWED, "only GET and HEAD");
    if (strcmp(url, "/metrics") == 0)
        return serve_metrics(c);
    if (strcmp(url, "/healthz") == 0)
        return reply_line(c, MHD_HTTP_OK, "ok");
    if (strcmp(url, "/readyz") == 0)
        return serve_ready(ctx, c);
    return reply_line(c, MHD_HTTP_NOT_FOUND, "here are /metrics, /healthz and /readyz");
}

/* Splits "host:port", "[host]:port" or ":port"; the host may be empty. */
static bool split_address(const char *listen_at, char *host, size_t size, const char **port)
{
    const char *colon = strrchr(listen_at, ':');
    if (!colon || !colon[1])
        return false;
    const char *start = listen_at;
    size_t n = (size_t)(colon - listen_at);
    if (n >= 2 && start[0] == '[' && start[n - 1] == ']') {
        start++;
        n -= 2;
    }
    if (n >= size)
        return false;
    memcpy(host, start, n);
    host[n] = '\0';
    *port = colon + 1;
    return true;
}

static int bind_to(const struct addrinfo *a)
{
    int one = 1;
    int fd = socket(a->ai_family, a->ai_socktype | SOCK_CLOEXEC | SOCK_NONBLOCK, a->ai_protocol);
    if (fd < 0)
        return -1;
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
    if (bind(fd, a->ai_addr, a->ai_addrlen) == 0 && listen(fd, CONNECTIONS) == 0)
        return fd;
    int saved = errno;
    close(fd);
    errno = saved;
    return -1;
}

/* The listening socket is opened here and not by libmicrohttpd, which would not say why it could not. */
static int open_socket(const char *listen_at, struct mr_error *err)
{
    char host[256];
    const char *port;
    if (!split_address(listen_at, host, sizeof(host), &port)) {
        mr_error_set(err, MR_CLASS_FATAL, 0, "metrics address \"%s\" is not host:port", listen_at);
        return -1;
    }
    struct addrinfo *found, hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_PASSIVE | AI_NUMERICSERV};
    int rc = getaddrinfo(*host ? host : NULL, port, &hints, &found);
    if (rc != 0) {
        mr_error_set(err, MR_CLASS_FATAL, 0, "metrics address %s: %s", listen_at, gai_strerror(rc));
        return -1;
    }
    int fd = bind_to(found);
    freeaddrinfo(found);
    if (fd < 0)
        mr_error_set(err, MR_CLASS_FATAL, errno, "listen on %s for metrics: %s", listen_at, strerror(errno));
    return fd;
}

static int port_of(int fd)
{
    union {
        struct sockaddr any;
        struct sockaddr_in v4;
        struct sockaddr_in6 v6;
    } a = {.v6 = {0}};
    socklen_t n = sizeof(a);
    if (getsockname(fd, &a.any, &n) != 0)
        return 0;
    return ntohs(a.any.sa_family == AF_INET6 ? a.v6.sin6_port : a.v4.sin_port);
}

enum mr_status mr_metrics_server_start(const char *listen_at, mr_ready_fn ready, void *ctx,
                                       struct mr_metrics_server **out, struct mr_error *err)
{
    int fd = open_socket(listen_at, err);
    if (fd < 0)
        return MR_FAIL;
    struct mr_metrics_server *s = calloc(1, sizeof(*s));
    if (s) {
        s->ready = ready;
        s->ctx = ctx;
        s->port = port_of(fd);
        s->daemon =
            MHD_start_daemon(MHD_USE_INTERNAL_POLLING_THREAD | MHD_USE_EPOLL, 0, NULL, NULL, serve, s,
                             MHD_OPTION_LISTEN_SOCKET, fd, MHD_OPTION_CONNECTION_LIMIT, (unsigned)CONNECTIONS,
                             MHD_OPTION_CONNECTION_TIMEOUT, (unsigned)IDLE_S, MHD_OPTION_END);
    }
    if (!s || !s->daemon) {
        close(fd);
        free(s);
        return mr_error_set(err, MR_CLASS_FATAL, 0,
                            "start the metrics server on %s: out of memory or threads", listen_at);
    }
    *out = s;
    return MR_OK;
}

int mr_metrics_server_port(const struct mr_metrics_server *server)
{
    return server->port;
}

void mr_metrics_server_stop(struct mr_metrics_server **server)
{
    if (!*server)
        return;
    MHD_stop_daemon((*server)->daemon); /* joins the thread and closes the socket */
    free(*server);
    *server = NULL;
}
