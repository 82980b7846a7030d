/* Making librdkafka configurations. */
#ifndef MR_STREAM_HANDLE_H
#define MR_STREAM_HANDLE_H

#include <librdkafka/rdkafka.h>

#include "base/error.h"

struct mr_handle_setting {
    const char *name;
    const char *value; /* NULL or "": left at its default */
};

/* With our log callback. NULL and FATAL when librdkafka refuses a setting. */
rd_kafka_conf_t *mr_handle_conf(const struct mr_handle_setting *settings, size_t n, struct mr_error *err);

#endif
