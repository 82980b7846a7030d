/* librdkafka's mock cluster, and plain clients to put records into it and read them back. */
#ifndef MR_TEST_MOCK_H
#define MR_TEST_MOCK_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
/* cmocka.h needs what is above. */
#include <cmocka.h>

#include <librdkafka/rdkafka.h>
#include <librdkafka/rdkafka_mock.h>

#include "base/clock.h"
#include "stream/producer.h"

/* librdkafka is not built for ThreadSanitizer, which therefore does not see its reference counts and takes
 * the last owner's destroying of a lock for a race. */
const char *__tsan_default_suppressions(void);
const char *__tsan_default_suppressions(void)
{
    return "race:^rwlock_destroy$\nrace:^mtx_destroy$\nrace:^cnd_destroy$\nrace:^rd_*destroy*\n";
}

struct mock {
    rd_kafka_t *rk;
    rd_kafka_mock_cluster_t *cluster;
    const char *brokers;
};

static inline void mock_open(struct mock *m)
{
    char why[256];
    rd_kafka_conf_t *conf = rd_kafka_conf_new();
    rd_kafka_conf_set(conf, "client.id", "mock", why, sizeof why);
    rd_kafka_conf_set(conf, "log_level", "0", why, sizeof why);
    m->rk = rd_kafka_new(RD_KAFKA_PRODUCER, conf, why, sizeof why);
    assert_non_null(m->rk);
    m->cluster = rd_kafka_mock_cluster_new(m->rk, 1);
    assert_non_null(m->cluster);
    m->brokers = rd_kafka_mock_cluster_bootstraps(m->cluster);
    rd_kafka_mock_group_initial_rebalance_delay_ms(m->cluster, 0);
}

static inline void mock_close(struct mock *m)
{
    rd_kafka_mock_cluster_destroy(m->cluster);
    rd_kafka_destroy(m->rk);
}

static const int16_t mock_requests[] = {0 /* Produce */,
                                        1 /* Fetch */,
                                        3 /* Metadata */,
                                        8 /* OffsetCommit */,
                                        10 /* FindCoordinator */,
                                        12 /* Heartbeat */,
                                        18 /* ApiVersions */};

/* Closes every connection at its next request. Not by stopping the mock's listener: its port could be
 * somebody else's by the time it is to come back. */
static inline void mock_away(struct mock *m)
{
    static rd_kafka_resp_err_t errors[20000];
    for (size_t i = 0; i < sizeof errors / sizeof errors[0]; i++) {
        errors[i] = RD_KAFKA_RESP_ERR__TRANSPORT;
    }
    for (size_t i = 0; i < sizeof mock_requests / sizeof mock_requests[0]; i++) {
        rd_kafka_mock_push_request_errors_array(m->cluster, mock_requests[i],
                                                sizeof errors / sizeof errors[0], errors);
    }
}

static inline void mock_back(struct mock *m)
{
    for (size_t i = 0; i < sizeof mock_requests / sizeof mock_requests[0]; i++) {
        rd_kafka_mock_clear_request_errors(m->cluster, mock_requests[i]);
    }
}

static inline void mock_topic(struct mock *m, const char *topic, int partitions)
{
    assert_int_equal(rd_kafka_mock_topic_create(m->cluster, topic, partitions, 1),
                     RD_KAFKA_RESP_ERR_NO_ERROR);
}

/* What a reader of a whole partition is called with. */
typedef void (*mock_seen_fn)(void *ctx, const rd_kafka_message_t *m);

/* Reads a partition from its start to its end; returns how many records it has. */
static inline int mock_read(struct mock *m, const char *topic, int32_t partition, mock_seen_fn seen,
                            void *ctx)
{
    char why[256];
    rd_kafka_conf_t *conf = rd_kafka_conf_new();
    rd_kafka_conf_set(conf, "bootstrap.servers", m->brokers, why, sizeof why);
    rd_kafka_conf_set(conf, "group.id", "reader", why, sizeof why);
    rd_kafka_conf_set(conf, "enable.partition.eof", "true", why, sizeof why);
    rd_kafka_t *rk = rd_kafka_new(RD_KAFKA_CONSUMER, conf, why, sizeof why);
    assert_non_null(rk);
    rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_new(1);
    rd_kafka_topic_partition_list_add(list, topic, partition)->offset = RD_KAFKA_OFFSET_BEGINNING;
    assert_int_equal(rd_kafka_assign(rk, list), RD_KAFKA_RESP_ERR_NO_ERROR);
    rd_kafka_topic_partition_list_destroy(list);
    int n = 0;
    for (int64_t end = mr_mono_ms() + 10000; mr_mono_ms() < end;) {
        rd_kafka_message_t *msg = rd_kafka_consumer_poll(rk, 100);
        bool at_end = msg && msg->err == RD_KAFKA_RESP_ERR__PARTITION_EOF;
        if (msg && !msg->err) {
            n++;
            if (seen) {
                seen(ctx, msg);
            }
        }
        if (msg) {
            rd_kafka_message_destroy(msg);
        }
        if (at_end) {
            break;
        }
    }
    rd_kafka_consumer_close(rk);
    rd_kafka_destroy(rk);
    return n;
}

#endif
