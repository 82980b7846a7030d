/* mr-api: accounts, and reading the namespace. What its parts share; made at start, read-only afterwards, so
 * any thread may use it. */
#ifndef MR_API_API_H
#define MR_API_API_H

#include "base/config.h"
#include "db/db.h"
#include "http/server.h"
#include "http/token.h"
#include "store/store.h"

#define MR_API_MIGRATION  1    /* of db/migrations that this program needs */
#define MR_API_DB_WAIT_MS 2000 /* for a free database connection, before 503 */

struct mr_hashing;

struct mr_api {
    const struct mr_config *cfg;
    struct mr_db_pool *db;
    struct mr_store *store;
    struct mr_token_key *token;
    struct mr_hashing *hashing;
};

enum mr_status mr_api_open(struct mr_api *api, const struct mr_config *cfg, struct mr_error *err);
void mr_api_close(struct mr_api *api);

/* mr_ready_fn: the database and the store answer. */
enum mr_status mr_api_ready(void *api, struct mr_error *err);

extern const struct mr_http_route mr_api_routes[];
extern const size_t mr_api_n_routes;

/* Serves until a stop is requested. */
enum mr_status mr_api_serve(struct mr_api *api, struct mr_error *err);

#endif
