/* What the files of lib/http share; no one else includes this.
 *
 * Threads: libmicrohttpd's one event thread calls the callbacks of server.c and owns a request until it is
 * handed on; then a pool thread owns it until it is done or waits again. What both touch (the members under
 * "shared" and the queue) is guarded by server->lock. A request outlives its connection: everything a handler
 * can ask for is copied, so a client that goes away while its handler runs takes nothing from under it. */
#ifndef MR_HTTP_INTERNAL_H
#define MR_HTTP_INTERNAL_H

#include <microhttpd.h>
#include <pthread.h>
#include <stdatomic.h>

#include "base/buf.h"
#include "http/proxies.h"
#include "http/server.h"

#define MR_HTTP_HEADERS_MAX   (16u << 10) /* request line and headers; past that 431 */
#define MR_HTTP_URI_MAX       (8u << 10)  /* past that 414 */
#define MR_HTTP_OPEN_BODY_MAX (64u << 10) /* body of a route that needs no token */
#define MR_HTTP_DISCARD_MAX   (16u << 20) /* of a refused body is read, so that the answer arrives */
#define MR_HTTP_PARAMS_MAX    8
#define MR_HTTP_REPLY_HEADERS 16
#define MR_HTTP_FLUSH_MS      1000 /* at stop: for answers on their way out */

/* Names and values, each NUL-terminated, in one block: headers, query and form parameters. */
struct mr_http_pairs {
    struct mr_buf text;
    size_t n;
    size_t max; /* of pairs */
};

struct mr_push;
struct mr_push_hub;

struct mr_http_reply {
    unsigned status; /* 0: none yet */
    bool problem;
    json_t *json;
    char *body; /* json as text, once sealed */
    size_t body_len;
    size_t n_headers;
    struct {
        char *name;
        char *value;
    } headers[MR_HTTP_REPLY_HEADERS];
};

struct mr_http_conn {
    struct MHD_Connection *mhd;
    int fd;
    int64_t deadline_ms;        /* monotonic; 0: none */
    struct mr_http_request *rq; /* the one being received, handled or answered */
    struct mr_http_conn *prev, *next;
};

enum mr_http_stage { MR_HTTP_HEADERS, MR_HTTP_BODY, MR_HTTP_HANDED, MR_HTTP_SENT };

struct mr_http_request {
    struct mr_http_server *server;
    struct mr_http_conn *conn;
    struct MHD_Connection *mhd;
    enum mr_http_stage stage; /* event thread only */
    char *uri;                /* as it came, query too */
    char *path;               /* uri without the query; cut into decoded segments by the router */
    bool head;
    bool close;     /* the connection cannot go on after the answer */
    int64_t length; /* of the body as announced; -1: chunked */
    const struct mr_http_route *route;
    struct {
        const char *name; /* in the route's pattern, not NUL-terminated */
        size_t name_len;
        char *value;
    } params[MR_HTTP_PARAMS_MAX];
    size_t n_params;
    struct mr_http_pairs headers, query, form;
    struct mr_buf body;
    size_t body_max, discarded;
    json_t *json;
    bool parsed; /* the body was */
    struct mr_uuid user;
    char address[MR_HTTP_ADDRESS_MAX];
    int64_t whole_us; /* monotonic time when it was whole */
    struct mr_http_reply reply;
    struct mr_push *push; /* the handler made a stream of it */
    bool upgraded;        /* its socket is the hub's; event thread only */
    bool again;
    int64_t again_ms; /* delay asked for */
    void *state;
    void (*free_state)(void *);

    /* shared */
    int refs;
    bool suspended;       /* MHD has it suspended and no one resumed it yet */
    int64_t suspended_ms; /* since */
    bool done;            /* the reply is sealed */
    bool gone;            /* the connection is no more */
    bool queued, waiting;
    bool counted; /* in server->handed */
    int64_t due_ms;
    struct mr_http_request *prev, *next; /* in the queue or among the waiting */
};

struct mr_http_list {
    struct mr_http_request *head, *tail;
    size_t n;
};

/* How patient a server is. */
struct mr_http_times {
    int64_t tick_ms;    /* a suspended connection is looked at this often */
    int64_t idle_ms;    /* from accept or the last answer to a whole request line */
    int64_t receive_ms; /* from the request line to the whole request */
    int64_t send_ms;
};

/* Taken by every server that starts; tests, which have less time, change it before. */
extern struct mr_http_times mr_http_times;

struct mr_http_server {
    struct mr_http_times times;
    const struct mr_http_route *routes;
    size_t n_routes;
    void *ctx;
    const struct mr_token_key *token;
    struct mr_http_proxies proxies;
    size_t body_max, queue_max, connections_max;
    struct MHD_Daemon *daemon;
    struct mr_push_hub *hub;
    int listen_fd;
    int port;
    atomic_size_t body_bytes; /* held by all requests together */
    size_t body_bytes_max;

    pthread_mutex_t lock;
    pthread_cond_t work;    /* queue grew, or ending */
    pthread_cond_t timer;   /* waiting changed, or ending */
    pthread_cond_t drained; /* handed fell */
    struct mr_http_list queue;
    struct mr_http_list waiting; /* by due_ms, soonest first */
    struct mr_http_conn *conns;
    size_t handed;        /* requests handed on and not yet answered to the last byte */
    atomic_bool stopping; /* no more long polls; connections close after the answer */
    bool ending;          /* no more requests */
    pthread_t *threads;
    size_t n_threads;
    pthread_t timer_thread;
    bool timer_started;
};

/* uri.c: percent-decoding that refuses NUL and invalid UTF-8. */
bool mr_http_decode(char *text, bool plus_is_space); /* in place */
enum mr_http_pairs_result { MR_PAIRS_OK, MR_PAIRS_ENCODING, MR_PAIRS_TWICE, MR_PAIRS_TOO_MANY };
/* "a=1&b=2"; *bad is the name at fault (static or in pairs). */
enum mr_http_pairs_result mr_http_pairs_parse(struct mr_http_pairs *pairs, struct mr_span text);
void mr_http_pairs_init(struct mr_http_pairs *pairs, size_t max_bytes, size_t max);
void mr_http_pairs_free(struct mr_http_pairs *pairs);
bool mr_http_pairs_add(struct mr_http_pairs *pairs, const char *name, const char *value);
const char *mr_http_pairs_get(const struct mr_http_pairs *pairs, const char *name, bool any_case);
/* Calls fn for each until it returns false. */
void mr_http_pairs_each(const struct mr_http_pairs *pairs, bool (*fn)(void *, const char *, const char *),
                        void *ctx);

/* route.c: finds the route or puts 400, 404 or 405 into the reply. */
bool mr_http_route_find(struct mr_http_request *rq, const char *method);

/* request.c, event thread: */
struct mr_http_request *mr_http_request_new(struct mr_http_server *s, struct MHD_Connection *mhd,
                                            struct mr_http_conn *conn, const char *uri);
void mr_http_request_free(struct mr_http_request *rq);
/* Headers are there: routes, authorises and bounds; a refusal is put into the reply. */
void mr_http_request_admit(struct mr_http_request *rq, const char *method);
/* More of the body; false: give the connection up. */
bool mr_http_request_take(struct mr_http_request *rq, const char *p, size_t n);
/* request.c, pool thread: parses the body once; false when a problem was put into the reply. */
bool mr_http_request_parse(struct mr_http_request *rq);

/* json.c */
json_t *mr_http_json_load(struct mr_span text, const char **why, char *out, size_t size);

/* reply.c */
void mr_http_reply_reset(struct mr_http_reply *rp);
void mr_http_reply_seal(struct mr_http_reply *rp); /* JSON to text; a reply that is none becomes a 500 */
enum MHD_Result mr_http_reply_send(struct mr_http_request *rq);
/* What every answer carries, and the log and metrics say of it. */
void mr_http_reply_headers(struct mr_http_request *rq, struct MHD_Response *response);
void mr_http_shed(struct mr_http_reply *rp, const char *why);

/* pool.c; all take the lock unless they say so. */
enum mr_status mr_http_pool_start(struct mr_http_server *s, size_t threads, struct mr_error *err);
/* True when the connection is now suspended; false: the reply is ready to be sent. Event thread. */
bool mr_http_pool_hand(struct mr_http_request *rq);
void mr_http_pool_gone(struct mr_http_request *rq);    /* the connection ends; event thread */
void mr_http_pool_streams(struct mr_http_request *rq); /* its answer has no end: nothing waits for it */
void mr_http_pool_stop(struct mr_http_server *s, int timeout_ms); /* afterwards no connection is suspended */
void mr_http_pool_close(struct mr_http_server *s);                /* after the event thread's end */
void mr_http_conn_open(struct mr_http_server *s, struct mr_http_conn *c);
void mr_http_conn_close(struct mr_http_server *s, struct mr_http_conn *c);
void mr_http_conn_deadline(struct mr_http_server *s, struct mr_http_conn *c, struct mr_http_request *rq,
                           int64_t in_ms);

#endif
