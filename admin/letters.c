#include "admin/letters.h"

#include <stdlib.h>
#include <string.h>

#include "base/clock.h"

#define READ_TIMEOUT_MS 30000 /* without any record, while there should be one */
#define CONNECT         "__connect.errors."

struct mr_span mr_letter_header(const struct mr_dead_letter *l, const char *name)
{
    const void *value = NULL;
    size_t size = 0;
    if (!l->headers || rd_kafka_header_get_last(l->headers, name, &value, &size) || !value)
        return (struct mr_span){NULL, 0};
    return (struct mr_span){value, size};
}

/* What the headers say about why it is here. */
static void read_headers(struct mr_dead_letter *l)
{
    l->source_topic = mr_letter_header(l, CONNECT "topic");
    l->source_partition = mr_letter_header(l, CONNECT "partition");
    l->source_offset = mr_letter_header(l, CONNECT "offset");
    l->reason = mr_letter_header(l, CONNECT "exception.message");
    l->attempts = mr_letter_header(l, "mr.attempts");
}

static struct mr_dead_letter letter_of(const char *worker, rd_kafka_message_t *m)
{
    struct mr_dead_letter l = {
        .worker = worker,
        .partition = m->partition,
        .offset = m->offset,
        .time_ms = rd_kafka_message_timestamp(m, NULL),
        .key = {m->key, m->key_len},
        .value = {m->payload, m->payload ? m->len : 0},
    };
    if (rd_kafka_message_headers(m, &l.headers))
        l.headers = NULL;
    read_headers(&l);
    return l;
}

struct mr_dead_letter mr_letter_copy(const struct mr_dead_letter *l)
{
    struct mr_dead_letter copy = *l;
    copy.copied = malloc(l->key.len + l->value.len + 1);
    if (!copy.copied)
        abort();
    if (l->key.p)
        copy.key.p = memcpy(copy.copied, l->key.p, l->key.len);
    if (l->value.p)
        copy.value.p = memcpy(copy.copied + l->key.len, l->value.p, l->value.len);
    copy.headers = l->headers ? rd_kafka_headers_copy(l->headers) : NULL;
    read_headers(&copy);
    return copy;
}

void mr_letter_free(struct mr_dead_letter *copy)
{
    free(copy->copied);
    if (copy->headers)
        rd_kafka_headers_destroy(copy->headers);
    *copy = (struct mr_dead_letter){0};
}

/* One partition under way. */
struct reading {
    rd_kafka_t *rk;
    const char *worker, *topic;
    mr_letter_fn fn;
    void *ctx;
    size_t n;
    struct mr_error *err;
};

static enum mr_status give(struct reading *r, rd_kafka_message_t *m)
{
    struct mr_dead_letter l = letter_of(r->worker, m);
    r->n++;
    enum mr_status status = r->fn(r->ctx, &l, r->err);
    rd_kafka_message_destroy(m);
    return status;
}

/* Offsets in [from, end); control records and what was cleaned up leave gaps, so the position is asked for.
 */
static enum mr_status read_partition(struct reading *r, int32_t partition, int64_t from, int64_t end)
{
    enum mr_status status = MR_OK;
    rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_new(1);
    rd_kafka_topic_partition_list_add(list, r->topic, partition)->offset = from;
    rd_kafka_resp_err_t code = rd_kafka_assign(r->rk, list);
    int64_t give_up = mr_mono_ms() + READ_TIMEOUT_MS, position = from;
    while (!code && status == MR_OK && position < end) {
        rd_kafka_message_t *m = rd_kafka_consumer_poll(r->rk, 200);
        if (m && !m->err && m->offset < end) {
            position = m->offset + 1;
            give_up = mr_mono_ms() + READ_TIMEOUT_MS;
            status = give(r, m);
            continue;
        }
        if (m && (!m->err || m->err == RD_KAFKA_RESP_ERR__PARTITION_EOF))
            position = end;
        if (m)
            rd_kafka_message_destroy(m);
        if (mr_mono_ms() > give_up)
            status = mr_error_set(r->err, MR_CLASS_RETRY, 0, "read %s/%d from %lld: nothing for %d s",
                                  r->topic, partition, (long long)position, READ_TIMEOUT_MS / 1000);
    }
    rd_kafka_topic_partition_list_destroy(list);
    if (code)
        return mr_error_set(r->err, MR_CLASS_RETRY, code, "read %s: %s", r->topic, rd_kafka_err2str(code));
    return status;
}

static rd_kafka_t *open_reader(const char *brokers, struct mr_error *err)
{
    /* No group is joined and nothing committed; librdkafka wants a name all the same. A fetch that waits at
     * the end of one partition would hold up the next. */
    static const char *const settings[][2] = {
        {"group.id", "mr-admin"},
        {"enable.auto.commit", "false"},
        {"enable.partition.eof", "true"},
        {"auto.offset.reset", "earliest"},
        {"isolation.level", "read_committed"},
        {"client.id", "mr-admin"},
        {"fetch.wait.max.ms", "10"},
        {"log_level", "2"},
    };
    char why[256] = "";
    rd_kafka_conf_t *conf = rd_kafka_conf_new();
    rd_kafka_conf_res_t ok = rd_kafka_conf_set(conf, "bootstrap.servers", brokers, why, sizeof(why));
    for (size_t i = 0; !ok && i < sizeof(settings) / sizeof(settings[0]); i++)
        ok = rd_kafka_conf_set(conf, settings[i][0], settings[i][1], why, sizeof(why));
    rd_kafka_t *rk = ok ? NULL : rd_kafka_new(RD_KAFKA_CONSUMER, conf, why, sizeof(why));
    if (!rk) {
        rd_kafka_conf_destroy(conf);
        mr_error_set(err, MR_CLASS_FATAL, 0, "open a reader: %s", why);
        return NULL;
    }
    rd_kafka_poll_set_consumer(rk);
    return rk;
}

static enum mr_status read_topic(struct reading *r, const struct mr_topic_state *t,
                                 const struct mr_letter_range *range)
{
    for (int p = 0; p < t->n_partitions; p++) {
        const struct mr_partition_state *s = &t->partitions[p];
        int64_t from = s->low, end = s->high;
        if (range->partition >= 0) {
            if (range->partition != p || range->offset < from || range->offset >= end)
                continue;
            from = range->offset;
            end = range->offset + 1;
        }
        if (from < end && read_partition(r, p, from, end) != MR_OK)
            return MR_FAIL;
    }
    return MR_OK;
}

enum mr_status mr_letters_read(const char *brokers, const struct mr_cluster *c,
                               const struct mr_letter_range *range, mr_letter_fn fn, void *ctx, size_t *n,
                               struct mr_error *err)
{
    char topic[256];
    snprintf(topic, sizeof(topic), "dlq.%s", range->worker);
    const struct mr_topic_state *t = mr_cluster_find(c, topic);
    *n = 0;
    if (!t)
        return mr_error_set(err, MR_CLASS_REJECT, 0, "there is no topic %s", topic);
    struct reading r = {.worker = range->worker, .topic = topic, .fn = fn, .ctx = ctx, .err = err};
    r.rk = open_reader(brokers, err);
    if (!r.rk)
        return MR_FAIL;
    enum mr_status status = read_topic(&r, t, range);
    *n = r.n;
    rd_kafka_assign(r.rk, NULL);
    rd_kafka_consumer_close(r.rk);
    rd_kafka_destroy(r.rk);
    return status;
}
