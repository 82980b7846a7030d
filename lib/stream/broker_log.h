/* What librdkafka has to say, as our log lines: at most one a minute of each kind, because a broker that is
 * away is said again with every attempt to reach it. Callbacks run on librdkafka's threads or on the thread
 * that polls. */
#ifndef MR_STREAM_BROKER_LOG_H
#define MR_STREAM_BROKER_LOG_H

#include <librdkafka/rdkafka.h>

/* For rd_kafka_conf_set_log_cb(). */
void mr_broker_log(const rd_kafka_t *rk, int level, const char *facility, const char *text);

/* For what error callbacks report: `kind` tells apart what is counted together (an rd_kafka_resp_err_t). */
void mr_broker_log_error(const char *what, int kind, const char *text);

#endif
