/* mr-bench-stream-peer BROKERS GROUP TOPIC COUNT: the rate of a bare librdkafka consumer that takes COUNT
 * waiting records in batches and does nothing with them. librdkafka's own settings, but for the offset to
 * begin at. */
#include <librdkafka/rdkafka.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#define BATCH 1000

static double now_s(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static rd_kafka_t *open_consumer(char **argv)
{
    char why[256];
    const char *const settings[][2] = {
        {"bootstrap.servers", argv[1]}, {"group.id", argv[2]}, {"auto.offset.reset", "earliest"}};
    rd_kafka_conf_t *conf = rd_kafka_conf_new();
    for (size_t i = 0; i < sizeof settings / sizeof settings[0]; i++) {
        if (rd_kafka_conf_set(conf, settings[i][0], settings[i][1], why, sizeof why) != RD_KAFKA_CONF_OK) {
            fprintf(stderr, "mr-bench-stream-peer: %s\n", why);
            exit(2);
        }
    }
    rd_kafka_t *rk = rd_kafka_new(RD_KAFKA_CONSUMER, conf, why, sizeof why);
    if (!rk) {
        fprintf(stderr, "mr-bench-stream-peer: %s\n", why);
        exit(1);
    }
    rd_kafka_poll_set_consumer(rk);
    rd_kafka_topic_partition_list_t *topics = rd_kafka_topic_partition_list_new(1);
    rd_kafka_topic_partition_list_add(topics, argv[3], RD_KAFKA_PARTITION_UA);
    rd_kafka_subscribe(rk, topics);
    rd_kafka_topic_partition_list_destroy(topics);
    return rk;
}

int main(int argc, char **argv)
{
    static rd_kafka_message_t *batch[BATCH];
    if (argc != 5) {
        fprintf(stderr, "mr-bench-stream-peer: wants BROKERS GROUP TOPIC COUNT\n");
        return 2;
    }
    rd_kafka_t *rk = open_consumer(argv);
    rd_kafka_queue_t *queue = rd_kafka_queue_get_consumer(rk);
    long long count = atoll(argv[4]);
    long long seen = 0;
    double start_s = 0;
    while (seen < count) {
        ssize_t n = rd_kafka_consume_batch_queue(queue, 100, batch, BATCH);
        for (ssize_t i = 0; i < n; i++) {
            if (!batch[i]->err && seen++ == 0) {
                start_s = now_s();
            }
            rd_kafka_message_destroy(batch[i]);
        }
    }
    printf("%.0f\n", (double)count / (now_s() - start_s));
    rd_kafka_queue_destroy(queue);
    rd_kafka_consumer_close(rk);
    rd_kafka_destroy(rk);
    return 0;
}
