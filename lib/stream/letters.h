/* Where a record goes that is not handled where it was read: dlq.<worker> for good, retry.<worker> for later.
 * Both take it as it is, to the partition of the number it was first read from, with headers that say what
 * happened. */
#ifndef MR_STREAM_LETTERS_H
#define MR_STREAM_LETTERS_H

#include <librdkafka/rdkafka.h>

#include "stream/item.h"

/* What a record from retry.<worker> says about itself; parsed when it is read. */
#define MR_HEADER_ATTEMPTS         "mr.attempts"     /* runs so far that counted */
#define MR_HEADER_ORIGIN_TOPIC     "mr.origin.topic" /* where it was first read from */
#define MR_HEADER_ORIGIN_PARTITION "mr.origin.partition"
#define MR_HEADER_ORIGIN_OFFSET    "mr.origin.offset"
#define MR_HEADER_RETRY_AT         "mr.retry.at"      /* not before; microseconds since the epoch */
#define MR_HEADER_VALUE_DROPPED    "mr.value.dropped" /* bytes of a value that was too large */

/* Reads the headers above into the item; `known` are the names origin_topic may point to. */
void mr_letter_read(struct mr_item *item, const char *const *known);

/* The headers to send it with; the caller owns them. */
rd_kafka_headers_t *mr_letter_dead(const struct mr_item *item, const char *worker, const char *task_id);
rd_kafka_headers_t *mr_letter_retry(const struct mr_item *item, int64_t at_us);

#endif
