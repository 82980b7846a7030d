/* How an admin request is waited for; shared by the files of the broker only. */
#ifndef MR_ADMIN_BROKER_REQUEST_H
#define MR_ADMIN_BROKER_REQUEST_H

#include "admin/broker.h"

struct mr_broker {
    rd_kafka_t *rk;
    rd_kafka_queue_t *queue;
    char why[512]; /* the last thing librdkafka complained about */
};

/* Options of the request with our timeouts; the caller destroys them. */
rd_kafka_AdminOptions_t *mr_broker_options(struct mr_broker *b, rd_kafka_admin_op_t op);
/* The answer to the request just made; the caller destroys it. NULL: *err says what `doing` ran into. */
rd_kafka_event_t *mr_broker_answer(struct mr_broker *b, const char *doing, struct mr_error *err);

#endif
