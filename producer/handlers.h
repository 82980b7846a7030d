/* The routes of mr-upload (docs/upload.md); ctx is a struct mr_upload. */
#ifndef MR_UPLOAD_HANDLERS_H
#define MR_UPLOAD_HANDLERS_H

#include "http/server.h"
#include "producer/session.h"

void mr_handle_initiate(void *ctx, struct mr_http_request *rq, struct mr_http_reply *rp);
void mr_handle_chunk(void *ctx, struct mr_http_request *rq, struct mr_http_reply *rp);
void mr_handle_complete(void *ctx, struct mr_http_request *rq, struct mr_http_reply *rp);
void mr_handle_status(void *ctx, struct mr_http_request *rq, struct mr_http_reply *rp);
void mr_handle_delete(void *ctx, struct mr_http_request *rq, struct mr_http_reply *rp);
void mr_handle_hook(void *ctx, struct mr_http_request *rq, struct mr_http_reply *rp);

extern const struct mr_http_route mr_upload_routes[];
extern const size_t mr_upload_routes_count;

/* A connection for a request of an enabled account; else NULL, and the reply is a 401 or says what failed. */
struct mr_db *mr_upload_db(const struct mr_upload *up, const struct mr_http_request *rq, const char *doing,
                           struct mr_http_reply *rp);

/* Problems that several routes answer. */
void mr_problem_no_session(struct mr_http_reply *rp);
/* 409: the session is not open; says in which state it is. */
void mr_problem_not_open(struct mr_http_reply *rp, const struct mr_session *s);

#endif
