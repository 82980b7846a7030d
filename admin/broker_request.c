#include "admin/broker_request.h"

#include <string.h>

rd_kafka_AdminOptions_t *mr_broker_options(struct mr_broker *b, rd_kafka_admin_op_t op)
{
    char why[128];
    rd_kafka_AdminOptions_t *options = rd_kafka_AdminOptions_new(b->rk, op);
    rd_kafka_AdminOptions_set_request_timeout(options, MR_BROKER_TIMEOUT_MS, why, sizeof(why));
    if (op == RD_KAFKA_ADMIN_OP_CREATETOPICS)
        rd_kafka_AdminOptions_set_operation_timeout(options, MR_BROKER_TIMEOUT_MS, why, sizeof(why));
    return options;
}

static bool broker_is_away(rd_kafka_resp_err_t code)
{
    /* Negative codes are librdkafka's own: timeouts, no connection. Positive ones the broker's. */
    return code < 0 || code == RD_KAFKA_RESP_ERR_REQUEST_TIMED_OUT ||
           code == RD_KAFKA_RESP_ERR_COORDINATOR_LOAD_IN_PROGRESS ||
           code == RD_KAFKA_RESP_ERR_COORDINATOR_NOT_AVAILABLE || code == RD_KAFKA_RESP_ERR_NOT_CONTROLLER;
}

rd_kafka_event_t *mr_broker_answer(struct mr_broker *b, const char *doing, struct mr_error *err)
{
    rd_kafka_event_t *event = rd_kafka_queue_poll(b->queue, MR_BROKER_TIMEOUT_MS + 5000);
    if (!event) {
        mr_error_set(err, MR_CLASS_RETRY, 0, "%s: no answer from the broker", doing);
        return NULL;
    }
    rd_kafka_resp_err_t code = rd_kafka_event_error(event);
    if (!code)
        return event;
    mr_error_set(err, broker_is_away(code) ? MR_CLASS_RETRY : MR_CLASS_REJECT, code, "%s: %s", doing,
                 rd_kafka_event_error_string(event));
    rd_kafka_event_destroy(event);
    return NULL;
}
