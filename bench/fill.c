/* mr-bench-fill TOPIC COUNT: puts that many FileUploaded events on the log, with the headers that mr-upload
 * gives. */
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/config.h"
#include "bench/uploads.h"
#include "event/headers.h"
#include "stream/producer.h"

static atomic_ullong acknowledged, failed;

static void on_delivery(void *ctx, const struct mr_error *err, int32_t partition, int64_t offset)
{
    (void)ctx;
    (void)partition;
    (void)offset;
    atomic_fetch_add(err ? &failed : &acknowledged, 1);
}

static enum mr_status send(struct mr_producer *producer, struct mr_codec *codec, const char *topic,
                           uint64_t n, struct mr_buf *bytes, struct mr_error *err)
{
    struct bench_upload u;
    struct mr_headers headers;
    char key[MR_UUID_TEXT_SIZE];
    bench_upload_make(n, &u);
    mr_buf_reset(bytes);
    mr_headers_init(&headers);
    if (mr_encode_file_uploaded(codec, topic, &u.event, bytes, err) != MR_OK ||
        mr_headers_event(&headers, "io.millrace.FileUploaded", "mr-upload", u.event.event_id,
                         u.event.occurred_at_us, NULL) != MR_OK)
        return MR_FAIL;
    const struct mr_outgoing r = {
        .topic = topic,
        .partition = -1,
        .key = mr_span_of(mr_uuid_format(u.event.file_id, key)),
        .value = mr_buf_span(bytes),
        .headers = &headers,
    };
    while (mr_producer_send(producer, &r, on_delivery, NULL, err) != MR_OK) {
        if (err->class != MR_CLASS_RETRY)
            return MR_FAIL;
        mr_sleep_ms(5); /* the queue is full */
    }
    return MR_OK;
}

static enum mr_status fill(const struct mr_config *cfg, const char *topic, uint64_t count,
                           struct mr_error *err)
{
    struct mr_codec *codec = NULL;
    struct mr_producer *producer = NULL;
    struct mr_buf bytes;
    const struct mr_producer_options options = {
        .brokers = cfg->brokers, .client_id = "mr-bench-fill", .message_timeout_ms = 120000};
    mr_buf_init(&bytes, MR_EVENT_BYTES_MAX);
    enum mr_status status = mr_codec_open(cfg->schemas_dir, cfg->registry_url, &codec, err);
    if (status == MR_OK)
        status = mr_codec_use_topic(codec, MR_EVENT_FILE_UPLOADED, topic, err);
    if (status == MR_OK)
        status = mr_producer_open(&options, &producer, err);
    for (uint64_t n = 0; n < count && status == MR_OK; n++)
        status = send(producer, codec, topic, n, &bytes, err);
    if (producer)
        mr_producer_close(&producer, 120000);
    if (codec)
        mr_codec_close(&codec);
    mr_buf_free(&bytes);
    if (status == MR_OK && atomic_load(&acknowledged) != count)
        status = mr_error_set(err, MR_CLASS_RETRY, 0, "%llu of %llu acknowledged", atomic_load(&acknowledged),
                              (unsigned long long)count);
    return status;
}

int main(int argc, char **argv)
{
    struct mr_config cfg;
    struct mr_error err;
    char **args;
    int n;
    if (mr_config_load(&cfg, MR_P_BENCH, "mr-bench-fill", "TOPIC COUNT: puts FileUploaded events on the log",
                       argc, argv, &args, &n, &err) != MR_OK ||
        n != 2) {
        fprintf(stderr, "mr-bench-fill: %s\n", n == 2 ? err.text : "wants TOPIC COUNT");
        return 2;
    }
    int64_t start = mr_mono_ms();
    uint64_t count = bench_count(args[1], "COUNT");
    if (fill(&cfg, args[0], count, &err) != MR_OK) {
        fprintf(stderr, "mr-bench-fill: %s\n", err.text);
        return 1;
    }
    printf("%llu events put on %s in %.1f s\n", (unsigned long long)count, args[0],
           (double)(mr_mono_ms() - start) / 1000.0);
    return 0;
}
