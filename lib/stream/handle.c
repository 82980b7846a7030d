#include "stream/handle.h"

#include "stream/broker_log.h"

rd_kafka_conf_t *mr_handle_conf(const struct mr_handle_setting *settings, size_t n, struct mr_error *err)
{
    char why[256];
    rd_kafka_conf_t *conf = rd_kafka_conf_new();
    for (size_t i = 0; i < n; i++) {
        const char *value = settings[i].value;
        if (value && value[0] &&
            rd_kafka_conf_set(conf, settings[i].name, value, why, sizeof why) != RD_KAFKA_CONF_OK) {
            rd_kafka_conf_destroy(conf);
            mr_error_set(err, MR_CLASS_FATAL, 0, "librdkafka refuses %s: %s", settings[i].name, why);
            return NULL;
        }
    }
    rd_kafka_conf_set_log_cb(conf, mr_broker_log);
    return conf;
}
