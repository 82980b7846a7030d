/* The operators' port of a program: /metrics, /healthz (the process lives), /readyz (its dependencies answer,
 * asked at most once a second, else 503 with the reason as text). Runs a thread of its own. */
#ifndef MR_METRICS_SERVER_H
#define MR_METRICS_SERVER_H

#include "base/error.h"

struct mr_metrics_server;

/* Called from the server's thread; MR_OK when ready, else err says what is missing. */
typedef enum mr_status (*mr_ready_fn)(void *ctx, struct mr_error *err);

/* listen: "host:port", "[::1]:port" or ":port" for every address. */
enum mr_status mr_metrics_server_start(const char *listen, mr_ready_fn ready, void *ctx,
                                       struct mr_metrics_server **out, struct mr_error *err);
/* The port that it listens on: what `listen` said, or the one that was free when it said port 0. */
int mr_metrics_server_port(const struct mr_metrics_server *server);
void mr_metrics_server_stop(struct mr_metrics_server **server);

#endif
