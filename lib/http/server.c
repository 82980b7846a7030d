/* The event thread's side: libmicrohttpd's callbacks, the listening socket, start and stop. */
#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/log.h"
#include "http/hub.h"

#define POOL_BYTES     (32u << 10) /* per connection: headers, and what is read of the body at once */
#define LISTEN_BACKLOG 1024
#define SPARE_FILES    256 /* descriptors for everything that is no client */
#define BODIES_FACTOR  32  /* bodies of the largest size that may be under way together */

struct mr_http_times mr_http_times = {
    .tick_ms = 20000, .idle_ms = 75000, .receive_ms = 60000, .send_ms = 120000};

/* The URL as it came, before the library cuts and decodes it in place. */
static void *on_uri(void *ctx, const char *uri, struct MHD_Connection *mhd)
{
    struct mr_http_server *s = ctx;
    struct mr_http_conn *conn =
        MHD_get_connection_info(mhd, MHD_CONNECTION_INFO_SOCKET_CONTEXT)->socket_context;
    if (!conn)
        return NULL;
    struct mr_http_request *rq = mr_http_request_new(s, mhd, conn, uri ? uri : "");
    if (rq)
        mr_http_conn_deadline(s, conn, rq, s->times.receive_ms);
    return rq;
}

static enum MHD_Result answer(struct mr_http_request *rq)
{
    rq->stage = MR_HTTP_SENT;
    mr_http_conn_deadline(rq->server, rq->conn, rq, rq->server->times.send_ms);
    return mr_http_reply_send(rq);
}

/* A refusal is answered once the body was read and thrown away, so that the client, which reads only after it
 * has sent, gets it. Not when it waits for "100 Continue", when the body is out of all proportion, or when
 * where it ends is in doubt. */
static bool answer_early(const struct mr_http_request *rq)
{
    const char *expect = mr_http_header(rq, "Expect");
    return rq->reply.status != 0 && (rq->close || rq->length > MR_HTTP_DISCARD_MAX ||
                                     (expect && strcasecmp(expect, "100-continue") == 0));
}

static enum MHD_Result on_request(void *ctx, struct MHD_Connection *mhd, const char *url, const char *method,
                                  const char *version, const char *data, size_t *size, void **request)
{
    (void)ctx, (void)mhd, (void)url, (void)version;
    struct mr_http_request *rq = *request;
    if (!rq)
        return MHD_NO;
    if (rq->stage == MR_HTTP_HEADERS) {
        rq->stage = MR_HTTP_BODY;
        mr_http_request_admit(rq, method);
        if (!answer_early(rq))
            return MHD_YES;
        rq->close = true;
        mr_http_reply_seal(&rq->reply);
        return answer(rq);
    }
    if (*size > 0) {
        bool taken = mr_http_request_take(rq, data, *size);
        *size = 0;
        return taken ? MHD_YES : MHD_NO;
    }
    return mr_http_pool_hand(rq) ? MHD_YES : answer(rq);
}

static void on_completed(void *ctx, struct MHD_Connection *mhd, void **request,
                         enum MHD_RequestTerminationCode how)
{
    (void)mhd, (void)how;
    struct mr_http_server *s = ctx;
    struct mr_http_request *rq = *request;
    *request = NULL;
    if (!rq)
        return;
    if (rq->upgraded) { /* the library holds a lock that others take under ours */
        mr_http_request_free(rq);
        return;
    }
    mr_http_conn_deadline(s, rq->conn, NULL, s->times.idle_ms);
    mr_http_pool_gone(rq);
}

static void on_connection(void *ctx, struct MHD_Connection *mhd, void **context,
                          enum MHD_ConnectionNotificationCode code)
{
    struct mr_http_server *s = ctx;
    struct mr_http_conn *conn = *context;
    if (code == MHD_CONNECTION_NOTIFY_STARTED) {
        conn = calloc(1, sizeof(*conn));
        *context = conn;
        if (!conn)
            return;
        conn->fd = MHD_get_connection_info(mhd, MHD_CONNECTION_INFO_CONNECTION_FD)->connect_fd;
        mr_http_conn_open(s, conn);
    } else if (conn) {
        mr_http_conn_close(s, conn);
        free(conn);
        *context = NULL;
    }
}

static void on_library_log(void *ctx, const char *format, va_list args)
{
    (void)ctx;
    char text[512];
    vsnprintf(text, sizeof(text), format, args);
    text[strcspn(text, "\n")] = '\0';
    mr_log(MR_LOG_DEBUG, "libmicrohttpd", mr_log_str("text", text));
}

/* We decode ourselves: the library's own decoding turns %00 into an end. */
static size_t leave_escaped(void *ctx, struct MHD_Connection *mhd, char *text)
{
    (void)ctx, (void)mhd;
    return strlen(text);
}

/* "host:port", "[v6]:port" or ":port". */
static bool split_address(const char *listen, char host[256], const char **port)
{
    const char *colon = strrchr(listen, ':');
    if (!colon || colon - listen >= 256)
        return false;
    size_t len = (size_t)(colon - listen);
    if (len >= 2 && listen[0] == '[' && listen[len - 1] == ']') {
        listen++;
        len -= 2;
    }
    memcpy(host, listen, len);
    host[len] = '\0';
    *port = colon + 1;
    return true;
}

static int listen_on(const struct addrinfo *ai)
{
    int fd = socket(ai->ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return -1;
    int on = 1;
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
    if (bind(fd, ai->ai_addr, ai->ai_addrlen) == 0 && listen(fd, LISTEN_BACKLOG) == 0)
        return fd;
    int saved = errno;
    close(fd);
    errno = saved;
    return -1;
}

static enum mr_status open_socket(struct mr_http_server *s, const char *address, struct mr_error *err)
{
    char host[256];
    const char *port;
    if (!split_address(address, host, &port))
        return mr_error_set(err, MR_CLASS_FATAL, 0, "listen: \"%s\" is not host:port", address);
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_PASSIVE}, *found = NULL;
    int rc = getaddrinfo(host[0] ? host : NULL, port, &hints, &found);
    if (rc != 0)
        return mr_error_set(err, MR_CLASS_FATAL, 0, "listen on %s: %s", address, gai_strerror(rc));
    for (const struct addrinfo *ai = found; ai && s->listen_fd < 0; ai = ai->ai_next)
        s->listen_fd = listen_on(ai);
    freeaddrinfo(found);
    if (s->listen_fd < 0)
        return mr_error_set(err, MR_CLASS_FATAL, errno, "listen on %s: %s", address, strerror(errno));
    union {
        struct sockaddr any;
        struct sockaddr_in v4;
        struct sockaddr_in6 v6;
    } bound = {.v6 = {0}};
    socklen_t len = sizeof(bound);
    if (getsockname(s->listen_fd, &bound.any, &len) != 0)
        return mr_error_set(err, MR_CLASS_FATAL, errno, "listen on %s: %s", address, strerror(errno));
    s->port = ntohs(bound.any.sa_family == AF_INET6 ? bound.v6.sin6_port : bound.v4.sin_port);
    return MR_OK;
}

/* Sockets come out of the same limit as files; a service that runs into it stops accepting, silently. */
static void raise_file_limit(size_t connections)
{
    struct rlimit limit;
    rlim_t want = connections + SPARE_FILES;
    if (getrlimit(RLIMIT_NOFILE, &limit) != 0 || limit.rlim_cur >= want)
        return;
    limit.rlim_cur = limit.rlim_max != RLIM_INFINITY && limit.rlim_max < want ? limit.rlim_max : want;
    if (setrlimit(RLIMIT_NOFILE, &limit) != 0 || limit.rlim_cur < want)
        mr_log(MR_LOG_WARN, "file descriptor limit is below http.connections",
               mr_log_int("limit", (int64_t)limit.rlim_cur), mr_log_int("wanted", (int64_t)want));
}

static enum mr_status start_daemon(struct mr_http_server *s, struct mr_error *err)
{
    s->daemon = MHD_start_daemon(
        MHD_USE_EPOLL_INTERNAL_THREAD | MHD_ALLOW_SUSPEND_RESUME | MHD_ALLOW_UPGRADE | MHD_USE_ERROR_LOG, 0,
        NULL, NULL, on_request, s, MHD_OPTION_EXTERNAL_LOGGER, on_library_log, NULL, MHD_OPTION_LISTEN_SOCKET,
        s->listen_fd, MHD_OPTION_CONNECTION_LIMIT, (unsigned)s->connections_max,
        MHD_OPTION_CONNECTION_MEMORY_LIMIT, (size_t)POOL_BYTES, MHD_OPTION_CONNECTION_TIMEOUT,
        (unsigned)(s->times.idle_ms / 1000), MHD_OPTION_STRICT_FOR_CLIENT, 1, MHD_OPTION_URI_LOG_CALLBACK,
        on_uri, s, MHD_OPTION_NOTIFY_COMPLETED, on_completed, s, MHD_OPTION_NOTIFY_CONNECTION, on_connection,
        s, MHD_OPTION_UNESCAPE_CALLBACK, leave_escaped, s, MHD_OPTION_END);
    if (!s->daemon)
        return mr_error_set(err, MR_CLASS_FATAL, errno, "start the HTTP event thread: %s", strerror(errno));
    return MR_OK;
}

enum mr_status mr_http_server_start(const struct mr_http_options *o, struct mr_http_server **out,
                                    struct mr_error *err)
{
    struct mr_http_proxies proxies;
    if (mr_http_proxies_read(o->cfg->http_trusted_proxies, &proxies, err) != MR_OK)
        return MR_FAIL;
    struct mr_http_server *s = calloc(1, sizeof(*s));
    if (!s)
        return mr_error_set(err, MR_CLASS_FATAL, ENOMEM, "start the HTTP service: out of memory");
    s->proxies = proxies;
    s->times = mr_http_times;
    s->routes = o->routes;
    s->n_routes = o->n_routes;
    s->ctx = o->ctx;
    s->token = o->token;
    s->body_max = (size_t)o->cfg->http_body_max;
    s->body_bytes_max = s->body_max * BODIES_FACTOR;
    s->queue_max = (size_t)o->cfg->http_queue;
    s->connections_max = (size_t)o->cfg->http_connections;
    s->listen_fd = -1;
    s->hub = mr_push_hub_new((size_t)o->cfg->http_streams);
    if (!s->hub) {
        free(s);
        return mr_error_set(err, MR_CLASS_FATAL, ENOMEM, "start the HTTP service: out of memory");
    }
    raise_file_limit(s->connections_max);
    if (mr_http_pool_start(s, (size_t)o->cfg->http_threads, err) != MR_OK ||
        open_socket(s, o->cfg->listen, err) != MR_OK || start_daemon(s, err) != MR_OK) {
        mr_http_server_stop(&s, 0);
        return MR_FAIL;
    }
    mr_log(MR_LOG_INFO, "listening", mr_log_str("address", o->cfg->listen), mr_log_int("port", s->port));
    *out = s;
    return MR_OK;
}

int mr_http_server_port(const struct mr_http_server *s)
{
    return s->port;
}

void mr_http_server_stop(struct mr_http_server **server, int timeout_ms)
{
    struct mr_http_server *s = *server;
    if (!s)
        return;
    if (s->daemon)
        MHD_quiesce_daemon(s->daemon);
    if (s->listen_fd >= 0)
        shutdown(s->listen_fd,
                 SHUT_RDWR); /* refuses new clients; the event thread may yet look at it, so no close() */
    mr_push_hub_end(s->hub);
    mr_http_pool_stop(s, timeout_ms);
    mr_push_hub_shut(s->hub, MR_HTTP_FLUSH_MS);
    if (s->daemon)
        MHD_stop_daemon(s->daemon);
    if (s->listen_fd >= 0)
        close(s->listen_fd);
    mr_http_pool_close(s);
    mr_push_hub_free(s->hub);
    free(s);
    *server = NULL;
}
