/* The broker's admin requests (Kafka protocol, through librdkafka's Admin API), each waited for. One thread.
 *
 * Errors of requests that no broker answered are RETRY; what the broker refused is REJECT with its words. */
#ifndef MR_ADMIN_BROKER_H
#define MR_ADMIN_BROKER_H

#include <librdkafka/rdkafka.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "admin/topics_file.h"
#include "base/error.h"

#define MR_BROKER_TIMEOUT_MS 10000

struct mr_broker;

struct mr_partition_state {
    int32_t leader; /* -1: none */
    int64_t low, high;
};

struct mr_topic_state {
    char *name;
    int n_partitions;
    int replication; /* of partition 0 */
    struct mr_partition_state *partitions;
};

struct mr_cluster {
    struct mr_topic_state *topics; /* by name, without the broker's own (__…) */
    size_t n;
};

/* RETRY when no broker answers within MR_BROKER_TIMEOUT_MS. */
enum mr_status mr_broker_open(const char *brokers, struct mr_broker **out, struct mr_error *err);
void mr_broker_close(struct mr_broker **b);

/* Everything but the watermarks. */
enum mr_status mr_broker_cluster(struct mr_broker *b, struct mr_cluster *out, struct mr_error *err);
/* Fills low and high of every partition. */
enum mr_status mr_broker_watermarks(struct mr_broker *b, struct mr_cluster *c, struct mr_error *err);
void mr_cluster_free(struct mr_cluster *c);
struct mr_topic_state *mr_cluster_find(const struct mr_cluster *c, const char *topic);

/* One topic's outcome of a request that is about many. */
struct mr_broker_outcome {
    rd_kafka_resp_err_t code;
    char text[256];
};

/* Creates n topics in one request; outcomes[i] is that of topics[i]. MR_FAIL only when the request itself
 * failed. */
enum mr_status mr_broker_create(struct mr_broker *b, const struct mr_topic_spec *const *topics, size_t n,
                                bool with_optional, struct mr_broker_outcome *outcomes, struct mr_error *err);
/* Sets the properties of `config` (what else is set stays). */
enum mr_status mr_broker_alter(struct mr_broker *b, const struct mr_topic_spec *const *topics, size_t n,
                               bool with_optional, struct mr_broker_outcome *outcomes, struct mr_error *err);

/* Called for each property of each topic. */
typedef void (*mr_broker_config_fn)(void *ctx, const char *topic, const char *name, const char *value,
                                    bool is_default);
enum mr_status mr_broker_configs(struct mr_broker *b, const char *const *topics, size_t n,
                                 mr_broker_config_fn fn, void *ctx, struct mr_error *err);

/* Called for each group, then (with topic) for each partition it has committed. */
typedef void (*mr_broker_group_fn)(void *ctx, const char *group, const char *state);
typedef void (*mr_broker_commit_fn)(void *ctx, const char *group, const char *topic, int32_t partition,
                                    int64_t offset);
enum mr_status mr_broker_groups(struct mr_broker *b, mr_broker_group_fn fn, void *ctx, struct mr_error *err);
enum mr_status mr_broker_group_commits(struct mr_broker *b, const char *group, mr_broker_commit_fn fn,
                                       void *ctx, struct mr_error *err);

#endif
