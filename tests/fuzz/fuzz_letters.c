/* Headers of a record of retry.<worker>: lines of "name=value", as "attempts=3"; other names are kept as they
 * are. What is read from them must survive being written into the next letter. */
#include "base/clock.h"
#include "stream/letters.h"
#include "stream/part.h"
#include "target.h"

static const char *const known_topics[] = {"file.uploaded", "file.backfill", NULL};

static const struct {
    const char *text;
    const char *name;
} short_names[] = {
    {"attempts", MR_HEADER_ATTEMPTS},
    {"topic", MR_HEADER_ORIGIN_TOPIC},
    {"partition", MR_HEADER_ORIGIN_PARTITION},
    {"offset", MR_HEADER_ORIGIN_OFFSET},
    {"at", MR_HEADER_RETRY_AT},
    {"dropped", MR_HEADER_VALUE_DROPPED},
};

static rd_kafka_headers_t *headers_of(struct mr_span rest)
{
    rd_kafka_headers_t *headers = rd_kafka_headers_new(8);
    while (rest.len > 0) {
        struct mr_span value = take_until(&rest, '\n');
        char *name = text_of(take_until(&value, '='));
        const char *full = name;
        for (size_t i = 0; i < sizeof short_names / sizeof short_names[0]; i++)
            full = strcmp(name, short_names[i].text) == 0 ? short_names[i].name : full;
        rd_kafka_header_add(headers, full, -1, value.p, (ssize_t)value.len);
        free(name);
    }
    return headers;
}

static void open_item(struct mr_item *item, struct mr_part *part, rd_kafka_headers_t *headers)
{
    memset(item, 0, sizeof *item);
    item->r.internal = item;
    item->r.topic = item->r.origin_topic = part->topic;
    item->r.partition = part->partition;
    item->r.offset = 7;
    item->part = part;
    item->headers = headers;
    mr_letter_read(item, known_topics);
}

static void close_item(struct mr_item *item)
{
    rd_kafka_headers_destroy(item->headers);
    free(item->origin_name);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct mr_part part = {.topic = "retry.fuzz", .partition = 2, .is_retry = true};
    struct mr_item item, again;
    open_item(&item, &part, headers_of((struct mr_span){(const char *)data, size}));
    must(item.r.attempt >= 1 && item.origin_partition >= 0 && item.origin_offset >= 0,
         "what a letter says is in range");
    must(item.not_before_ms >= 0 && item.r.origin_topic, "a letter has a time and a topic");

    int64_t at_us = mr_wall_us() + 3600000000;
    open_item(&again, &part, mr_letter_retry(&item, at_us));
    must(again.r.attempt == item.r.attempt && again.origin_partition == item.origin_partition &&
             again.origin_offset == item.origin_offset &&
             strcmp(again.r.origin_topic, item.r.origin_topic) == 0 && again.not_before_ms > 0,
         "a letter says the same after it was sent again");
    must(rd_kafka_header_cnt(again.headers) <= rd_kafka_header_cnt(item.headers) + 5,
         "headers do not pile up");
    rd_kafka_headers_destroy(mr_letter_dead(&again, "fuzz", "0"));
    close_item(&again);
    close_item(&item);
    return 0;
}
