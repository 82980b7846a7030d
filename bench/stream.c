/* mr-bench-stream drain NAME TOPIC COUNT: the rate at which a worker with an empty handler takes COUNT
 * waiting FileUploaded events, decoding included, as the group millrace.NAME. mr-bench-stream latency NAME
 * TOPIC RATE SECONDS: the time from handing an event to the producer to its handler. */
#include <inttypes.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "bench/uploads.h"
#include "event/headers.h"
#include "stream/consumer.h"

#define WARM_UP_S 2

struct bench {
    struct mr_config cfg;
    struct mr_codec *codec;
    struct mr_producer *producer;
    struct mr_consumer *consumer;
    const char *topic;
    uint64_t count;
    uint64_t rate;
    bool latency;
    _Atomic uint64_t handled;
    _Atomic uint64_t produced;
    _Atomic int64_t first_us;
    _Atomic int64_t last_us;
    int64_t *took_us; /* of each event, by its number */
};

static enum mr_status decode(void *ctx, const struct mr_record *r, void **decoded, struct mr_error *err)
{
    struct bench *b = ctx;
    struct mr_file_uploaded *e = malloc(sizeof *e);
    if (!e)
        return mr_error_set(err, MR_CLASS_RETRY, 0, "out of memory");
    *decoded = e;
    if (mr_decode_file_uploaded(b->codec, r->value, e, err) == MR_OK)
        return MR_OK;
    free(e);
    return MR_FAIL;
}

static void free_decoded(void *ctx, void *decoded)
{
    (void)ctx;
    free(decoded);
}

static enum mr_status handle(void *ctx, struct mr_record *r, struct mr_error *err)
{
    struct bench *b = ctx;
    const struct mr_file_uploaded *e = r->decoded;
    (void)err;
    uint64_t n = atomic_fetch_add(&b->handled, 1);
    if (b->latency && n < b->count) {
        b->took_us[n] = mr_wall_us() - e->occurred_at_us;
    } else if (n == 0) {
        atomic_store(&b->first_us, mr_mono_us());
    }
    if (n + 1 == b->count) {
        atomic_store(&b->last_us, mr_mono_us());
        mr_consumer_stop(b->consumer);
    }
    return MR_OK;
}

static void on_delivery(void *ctx, const struct mr_error *err, int32_t partition, int64_t offset)
{
    (void)ctx;
    (void)partition;
    (void)offset;
    if (err) {
        fprintf(stderr, "mr-bench-stream: %s\n", err->text);
        exit(1);
    }
}

static void put(struct bench *b, uint64_t n, struct mr_buf *bytes)
{
    struct mr_error err;
    struct bench_upload u;
    struct mr_headers headers;
    char key[MR_UUID_TEXT_SIZE];
    bench_upload_make(n, &u);
    u.event.occurred_at_us = mr_wall_us();
    mr_buf_reset(bytes);
    mr_headers_init(&headers);
    struct mr_outgoing r = {.topic = b->topic,
                            .partition = -1,
                            .headers = &headers,
                            .key = mr_span_of(mr_uuid_format(u.event.file_id, key))};
    if (mr_encode_file_uploaded(b->codec, b->topic, &u.event, bytes, &err) == MR_OK &&
        mr_headers_event(&headers, "io.millrace.FileUploaded", "mr-upload", u.event.event_id,
                         u.event.occurred_at_us, NULL) == MR_OK) {
        r.value = mr_buf_span(bytes);
        if (mr_producer_send(b->producer, &r, on_delivery, NULL, &err) == MR_OK)
            return;
    }
    fprintf(stderr, "mr-bench-stream: %s\n", err.text);
    exit(1);
}

/* One event after the other at the given rate, at the times at which they are due. */
static void *put_at_rate(void *ctx)
{
    struct bench *b = ctx;
    struct mr_buf bytes;
    mr_buf_init(&bytes, MR_EVENT_BYTES_MAX);
    mr_sleep_ms(WARM_UP_S * 1000);
    int64_t start_us = mr_mono_us();
    for (uint64_t n = 0; n < b->count; n++) {
        int64_t due_us = start_us + (int64_t)(n * 1000000 / b->rate);
        while (mr_mono_us() < due_us)
            mr_sleep_ms(1);
        put(b, n, &bytes);
    }
    mr_buf_free(&bytes);
    return NULL;
}

static int by_size(const void *a, const void *b)
{
    int64_t x = *(const int64_t *)a;
    int64_t y = *(const int64_t *)b;
    return (x > y) - (x < y);
}

static void report(struct bench *b)
{
    if (!b->latency) {
        double s = (double)(atomic_load(&b->last_us) - atomic_load(&b->first_us)) / 1e6;
        printf("%.0f\n", (double)b->count / s);
        return;
    }
    qsort(b->took_us, b->count, sizeof b->took_us[0], by_size);
    printf("%.2f %.2f %.2f\n", (double)b->took_us[b->count / 2] / 1e3,
           (double)b->took_us[b->count * 99 / 100] / 1e3, (double)b->took_us[b->count - 1] / 1e3);
}

static enum mr_status run(struct bench *b, const char *name, struct mr_error *err)
{
    const char *const topics[] = {b->topic, NULL};
    const struct mr_worker worker = {.name = name,
                                     .topics = topics,
                                     .ctx = b,
                                     .decode = decode,
                                     .free_decoded = free_decoded,
                                     .handle = handle};
    const struct mr_producer_options options = {.brokers = b->cfg.brokers, .client_id = "mr-bench-stream"};
    pthread_t producing;
    if (mr_codec_open(b->cfg.schemas_dir, b->cfg.registry_url, &b->codec, err) != MR_OK ||
        mr_codec_use_topic(b->codec, MR_EVENT_FILE_UPLOADED, b->topic, err) != MR_OK ||
        mr_producer_open(&options, &b->producer, err) != MR_OK ||
        mr_consumer_open(&b->cfg, &worker, b->producer, &b->consumer, err) != MR_OK)
        return MR_FAIL;
    if (b->latency && pthread_create(&producing, NULL, put_at_rate, b) != 0)
        return mr_error_set(err, MR_CLASS_RETRY, 0, "cannot start a thread");
    enum mr_status status = mr_consumer_run(b->consumer, err);
    if (b->latency)
        pthread_join(producing, NULL);
    mr_consumer_close(&b->consumer);
    mr_producer_close(&b->producer, 1000);
    mr_codec_close(&b->codec);
    return status;
}

int main(int argc, char **argv)
{
    static struct bench b;
    struct mr_error err;
    char **args;
    int n;
    if (mr_config_load(&b.cfg, MR_P_BENCH, "mr-bench-stream",
                       "drain NAME TOPIC COUNT | latency NAME TOPIC RATE SECONDS", argc, argv, &args, &n,
                       &err) != MR_OK) {
        fprintf(stderr, "mr-bench-stream: %s\n", err.text);
        return 2;
    }
    b.latency = n == 5 && strcmp(args[0], "latency") == 0;
    if (!b.latency && (n != 4 || strcmp(args[0], "drain") != 0)) {
        fprintf(stderr, "mr-bench-stream: wants drain NAME TOPIC COUNT | latency NAME TOPIC RATE SECONDS\n");
        return 2;
    }
    b.topic = args[2];
    b.rate = bench_count(args[3], b.latency ? "RATE" : "COUNT");
    b.count = b.latency ? b.rate * bench_count(args[4], "SECONDS") : b.rate;
    b.took_us = calloc(b.count, sizeof b.took_us[0]);
    mr_log_open("mr-bench-stream", MR_LOG_ERROR);
    if (!b.took_us || run(&b, args[1], &err) != MR_OK) {
        fprintf(stderr, "mr-bench-stream: %s\n", b.took_us ? err.text : "out of memory");
        return 1;
    }
    report(&b);
    free(b.took_us);
    return 0;
}
