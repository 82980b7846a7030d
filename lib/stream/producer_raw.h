/* Sending with headers as librdkafka has them: dead letters and retries carry what the source record had,
 * however many and whatever their bytes. For lib/stream alone. */
#ifndef MR_STREAM_PRODUCER_RAW_H
#define MR_STREAM_PRODUCER_RAW_H

#include <librdkafka/rdkafka.h>

#include "stream/producer.h"

/* As mr_producer_send(), r->headers is not looked at. Takes ownership of `headers` (may be NULL) in any case.
 */
enum mr_status mr_producer_send_raw(struct mr_producer *p, const struct mr_outgoing *r,
                                    rd_kafka_headers_t *headers, mr_delivery_fn done, void *ctx,
                                    struct mr_error *err);

#endif
