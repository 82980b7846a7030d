/* HTTP requests over libcurl. One struct mr_web keeps its connections and belongs to one thread.
 *
 * A reply of any status is MR_OK; an error is one of the way there: RETRY when another try may succeed, FATAL
 * for a certificate that is not trusted, ECANCELED once a stop was requested (base/stop.h), which ends
 * requests under way. */
#ifndef MR_CLIENT_WEB_H
#define MR_CLIENT_WEB_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/error.h"

void mr_web_library_open(void); /* before threads */
void mr_web_library_close(void);

struct mr_web;

struct mr_web_options {
    const char *cacert; /* NULL: the system's certificates */
    int64_t retry_ms;   /* how long mr_web_again() goes on */
};

struct mr_web *mr_web_open(const struct mr_web_options *o);
void mr_web_close(struct mr_web **web);

/* Fills buf with the n bytes at offset of the body; false ends the request. */
typedef bool (*mr_web_source_fn)(void *ctx, int64_t offset, void *buf, size_t n);
/* Takes n bytes of a 2xx body; false ends the request. */
typedef bool (*mr_web_sink_fn)(void *ctx, const void *p, size_t n);
/* Bytes that went over the wire since the last call. */
typedef void (*mr_web_moved_fn)(void *ctx, int64_t bytes);

struct mr_web_header {
    const char *name, *value;
};

struct mr_web_request {
    const char *method;
    const char *url;
    const struct mr_web_header *headers;
    size_t n_headers;
    int64_t body_size; /* -1: none */
    const void *body;  /* or: */
    mr_web_source_fn source;
    mr_web_sink_fn sink; /* NULL: the body goes into the reply */
    mr_web_moved_fn moved;
    void *ctx;          /* of source, sink, moved */
    size_t reply_max;   /* ceiling of the reply's body; 0: 64 KiB */
    int64_t timeout_ms; /* of the whole request; 0: none, only a stall of 60 s ends it */
};

struct mr_web_reply {
    long status;
    int64_t retry_after_ms; /* 0: not said */
    struct mr_buf body;     /* the caller's: mr_web_reply_free() */
};

enum mr_status mr_web_do(struct mr_web *web, const struct mr_web_request *rq, struct mr_web_reply *reply,
                         struct mr_error *err);
void mr_web_reply_free(struct mr_web_reply *reply);

/* Tries of one step: set to zero before the first. */
struct mr_web_tries {
    int n;
    int64_t since_ms; /* of the first failure */
};

/* Waits before another try, for what the server asked or with backoff and jitter. False when the time for
 * tries (retry_ms) is over or a stop was requested. */
bool mr_web_again(const struct mr_web *web, struct mr_web_tries *tries, int64_t retry_after_ms);

/* Appends text with everything but RFC 3986 "unreserved" percent-encoded. */
void mr_url_add(struct mr_buf *url, const char *text);

#endif
