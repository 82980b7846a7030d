/* Opening what the service stands on, and running it. */
#include "api/api.h"
#include "api/hashing.h"
#include "base/log.h"
#include "base/stop.h"
#include "db/migrate.h"
#include "metrics/server.h"

#define STATEMENT_TIMEOUT_MS 5000
#define DRAIN_MS             10000

/* A schema that is not there is FATAL; a database that is away is not: it may come back, and until then
 * requests get 503. */
static enum mr_status check_schema(struct mr_api *api, struct mr_error *err)
{
    struct mr_db *db = mr_db_acquire(api->db, MR_API_DB_WAIT_MS, err);
    enum mr_status status = db ? mr_db_migrated(db, MR_API_MIGRATION, err) : MR_FAIL;
    mr_db_release(&db);
    if (status == MR_OK || err->class != MR_CLASS_RETRY)
        return status;
    mr_log(MR_LOG_WARN, "the database does not answer yet", mr_log_str("error", err->text));
    mr_error_clear(err);
    return MR_OK;
}

enum mr_status mr_api_open(struct mr_api *api, const struct mr_config *cfg, struct mr_error *err)
{
    *api = (struct mr_api){.cfg = cfg};
    if (mr_token_key_open(cfg, &api->token, err) != MR_OK ||
        mr_hashing_open((int)cfg->password_hashes, &api->hashing, err) != MR_OK ||
        mr_store_open(cfg, &api->store, err) != MR_OK ||
        mr_db_pool_open(cfg->pg_dsn, "mr-api", (int)cfg->http_threads, STATEMENT_TIMEOUT_MS, &api->db, err) !=
            MR_OK)
        return MR_FAIL;
    return check_schema(api, err);
}

void mr_api_close(struct mr_api *api)
{
    mr_db_pool_close(&api->db);
    mr_store_close(&api->store);
    mr_hashing_close(&api->hashing);
    mr_token_key_close(&api->token);
}

enum mr_status mr_api_ready(void *ctx, struct mr_error *err)
{
    struct mr_api *api = ctx;
    if (mr_db_probe(api->db, err) != MR_OK)
        return MR_FAIL;
    return mr_store_probe(api->store, err);
}

enum mr_status mr_api_serve(struct mr_api *api, struct mr_error *err)
{
    struct mr_metrics_server *metrics = NULL;
    struct mr_http_server *server = NULL;
    const struct mr_http_options options = {.cfg = api->cfg,
                                            .routes = mr_api_routes,
                                            .n_routes = mr_api_n_routes,
                                            .ctx = api,
                                            .token = api->token};
    enum mr_status status =
        mr_metrics_server_start(api->cfg->metrics_listen, mr_api_ready, api, &metrics, err);
    if (status == MR_OK)
        status = mr_http_server_start(&options, &server, err);
    if (status == MR_OK)
        mr_stop_wait(-1);
    mr_http_server_stop(&server, DRAIN_MS);
    mr_metrics_server_stop(&metrics);
    return status;
}
