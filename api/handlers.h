/* The handlers of mr-api's routes (mr_http_fn; ctx is a struct mr_api). */
#ifndef MR_API_HANDLERS_H
#define MR_API_HANDLERS_H

#include "api/api.h"

void mr_api_register(void *ctx, struct mr_http_request *rq, struct mr_http_reply *rp);
void mr_api_token(void *ctx, struct mr_http_request *rq, struct mr_http_reply *rp);
void mr_api_me(void *ctx, struct mr_http_request *rq, struct mr_http_reply *rp);
void mr_api_list(void *ctx, struct mr_http_request *rq, struct mr_http_reply *rp);
void mr_api_file(void *ctx, struct mr_http_request *rq, struct mr_http_reply *rp);
void mr_api_versions(void *ctx, struct mr_http_request *rq, struct mr_http_reply *rp);
void mr_api_stages(void *ctx, struct mr_http_request *rq, struct mr_http_reply *rp);
void mr_api_presigned_url(void *ctx, struct mr_http_request *rq, struct mr_http_reply *rp);
void mr_api_download(void *ctx, struct mr_http_request *rq, struct mr_http_reply *rp);

/* A connection, or NULL and the reply is a 503. */
struct mr_db *mr_api_db(struct mr_api *api, const char *doing, struct mr_http_reply *rp);

/* Asked when a query that needs an enabled account found nothing: was that why? False and the reply is a 401,
 * or what failed. */
bool mr_api_enabled(struct mr_db *db, struct mr_uuid caller, const char *doing, struct mr_http_reply *rp);

/* "limit" of the query: 1 to 1000, 100 when absent; false and the reply is a 400. */
bool mr_api_limit(const struct mr_http_request *rq, struct mr_http_reply *rp, int64_t *limit);
/* "version" of the query: from 1, 0 when absent; false and the reply is a 400. */
bool mr_api_version(const struct mr_http_request *rq, struct mr_http_reply *rp, int64_t *version);

#endif
