#include "mock.h"

#include <pthread.h>

static struct mock mock;
static struct mr_producer *producer;

static int open_with(int message_timeout_ms)
{
    struct mr_error err;
    mock_open(&mock);
    mock_topic(&mock, "t", 4);
    struct mr_producer_options options = {
        .brokers = mock.brokers, .client_id = "test", .message_timeout_ms = message_timeout_ms};
    assert_int_equal(mr_producer_open(&options, &producer, &err), MR_OK);
    return 0;
}

/* Long enough for a machine that does much else. */
static int open_all(void **state)
{
    (void)state;
    return open_with(30000);
}

static int open_impatient(void **state)
{
    (void)state;
    return open_with(2000);
}

static int close_all(void **state)
{
    (void)state;
    mr_producer_close(&producer, 1000);
    assert_null(producer);
    mock_close(&mock);
    return 0;
}

struct seen {
    char value[64];
    size_t len;
    bool null;
    char header[64];
    size_t headers;
};

static void see(void *ctx, const rd_kafka_message_t *m)
{
    struct seen *s = ctx;
    rd_kafka_headers_t *headers;
    const void *value;
    size_t size;
    s->null = m->payload == NULL;
    s->len = m->len;
    memcpy(s->value, m->payload ? m->payload : "", m->len);
    s->headers = 0;
    if (rd_kafka_message_headers(m, &headers) == RD_KAFKA_RESP_ERR_NO_ERROR) {
        s->headers = rd_kafka_header_cnt(headers);
        assert_int_equal(rd_kafka_header_get_last(headers, "ce_type", &value, &size),
                         RD_KAFKA_RESP_ERR_NO_ERROR);
        memcpy(s->header, value, size);
        s->header[size] = '\0';
    }
}

static void test_acknowledged_records_are_on_the_log(void **state)
{
    (void)state;
    struct mr_error err;
    struct mr_headers headers;
    struct seen seen = {0};
    mr_headers_init(&headers);
    assert_int_equal(
        mr_headers_event(&headers, "io.millrace.FileUploaded", "test", mr_uuid_v7(), mr_wall_us(), NULL),
        MR_OK);
    struct mr_outgoing r = {.topic = "t",
                            .partition = 2,
                            .key = mr_span_of("k"),
                            .value = mr_span_of("hello"),
                            .headers = &headers};
    assert_int_equal(mr_producer_send_wait(producer, &r, 1, &err), MR_OK);
    assert_int_equal(mock_read(&mock, "t", 2, see, &seen), 1);
    assert_int_equal(seen.len, 5);
    assert_memory_equal(seen.value, "hello", 5);
    assert_int_equal(seen.headers, 7);
    assert_string_equal(seen.header, "io.millrace.FileUploaded");
}

static void test_null_is_not_empty(void **state)
{
    (void)state;
    struct mr_error err;
    struct seen seen = {0};
    struct mr_outgoing r = {.topic = "t", .partition = 0, .key = mr_span_of("k"), .value = {NULL, 0}};
    assert_int_equal(mr_producer_send_wait(producer, &r, 1, &err), MR_OK);
    mock_read(&mock, "t", 0, see, &seen);
    assert_true(seen.null);
    r.partition = 1;
    r.value = mr_span_of("");
    assert_int_equal(mr_producer_send_wait(producer, &r, 1, &err), MR_OK);
    mock_read(&mock, "t", 1, see, &seen);
    assert_false(seen.null);
    assert_int_equal(seen.len, 0);
}

/* The Java client's murmur2: vectors from Kafka's own UtilsTest, positive and modulo 4. */
static void test_keys_partition_as_javas(void **state)
{
    (void)state;
    static const struct {
        const char *key;
        int32_t hash;
    } vectors[] = {{"21", -973932308},
                   {"foobar", -790332482},
                   {"a-little-bit-long-string", -985981536},
                   {"a-little-bit-longer-string", -1486304829}};
    int expected[4] = {0};
    for (size_t i = 0; i < sizeof vectors / sizeof vectors[0]; i++) {
        struct mr_error err;
        struct mr_outgoing r = {
            .topic = "t", .partition = -1, .key = mr_span_of(vectors[i].key), .value = mr_span_of("v")};
        assert_int_equal(mr_producer_send_wait(producer, &r, 1, &err), MR_OK);
        expected[(vectors[i].hash & 0x7fffffff) % 4]++;
    }
    for (int32_t p = 0; p < 4; p++) {
        assert_int_equal(mock_read(&mock, "t", p, NULL, NULL), expected[p]);
    }
}

static void test_many_at_once(void **state)
{
    (void)state;
    enum { N = 5000 };
    static struct mr_outgoing r[N];
    struct mr_error err;
    for (int i = 0; i < N; i++) {
        r[i] = (struct mr_outgoing){
            .topic = "t", .partition = i % 4, .key = mr_span_of("k"), .value = mr_span_of("v")};
    }
    assert_int_equal(mr_producer_send_wait(producer, r, N, &err), MR_OK);
    for (int32_t p = 0; p < 4; p++) {
        assert_int_equal(mock_read(&mock, "t", p, NULL, NULL), N / 4);
    }
}

static void test_retriable_errors_are_retried(void **state)
{
    (void)state;
    struct mr_error err;
    struct mr_outgoing r = {.topic = "t", .partition = 0, .key = mr_span_of("k"), .value = mr_span_of("v")};
    rd_kafka_mock_push_request_errors(mock.cluster, 0 /* Produce */, 2,
                                      RD_KAFKA_RESP_ERR_NOT_LEADER_FOR_PARTITION,
                                      RD_KAFKA_RESP_ERR_NOT_ENOUGH_REPLICAS);
    assert_int_equal(mr_producer_send_wait(producer, &r, 1, &err), MR_OK);
    assert_int_equal(mock_read(&mock, "t", 0, NULL, NULL), 1);
}

static void test_too_large_is_rejected(void **state)
{
    (void)state;
    struct mr_error err;
    char *big = calloc(1, 3000000);
    struct mr_outgoing r = {.topic = "t", .partition = 0, .key = mr_span_of("k"), .value = {big, 3000000}};
    assert_int_equal(mr_producer_send_wait(producer, &r, 1, &err), MR_FAIL);
    assert_int_equal(err.class, MR_CLASS_REJECT);
    r.value.len = 10;
    rd_kafka_mock_push_request_errors(mock.cluster, 0, 1, RD_KAFKA_RESP_ERR_MSG_SIZE_TOO_LARGE);
    assert_int_equal(mr_producer_send_wait(producer, &r, 1, &err), MR_FAIL);
    assert_int_equal(err.class, MR_CLASS_REJECT);
    free(big);
}

static void test_a_broker_that_is_away(void **state)
{
    (void)state;
    struct mr_error err;
    struct mr_outgoing r = {.topic = "t", .partition = 0, .key = mr_span_of("k"), .value = mr_span_of("v")};
    assert_int_equal(mr_producer_probe(producer, &err), MR_OK);
    mock_away(&mock);
    assert_int_equal(mr_producer_send_wait(producer, &r, 1, &err), MR_FAIL);
    assert_int_equal(err.class, MR_CLASS_RETRY);
    assert_int_equal(mr_producer_probe(producer, &err), MR_FAIL);
    assert_int_equal(err.class, MR_CLASS_RETRY);
    mock_back(&mock);
    enum mr_status status = MR_FAIL;
    for (int i = 0; i < 15 && status != MR_OK; i++) {
        status =
            mr_producer_send_wait(producer, &r, 1, &err); /* reconnecting may take longer than one timeout */
    }
    assert_int_equal(status, MR_OK);
    assert_int_equal(mr_producer_probe(producer, &err), MR_OK);
}

static pthread_mutex_t report_lock = PTHREAD_MUTEX_INITIALIZER;
static int reports;
static int failures;

static void count(void *ctx, const struct mr_error *err, int32_t partition, int64_t offset)
{
    (void)ctx;
    (void)partition;
    (void)offset;
    pthread_mutex_lock(&report_lock);
    reports++;
    failures += err != NULL;
    pthread_mutex_unlock(&report_lock);
}

static void test_closing_reports_what_is_left(void **state)
{
    (void)state;
    struct mr_error err;
    struct mr_producer *p;
    struct mr_producer_options options = {.brokers = mock.brokers, .client_id = "short", .queue_max = 10};
    assert_int_equal(mr_producer_open(&options, &p, &err), MR_OK);
    mock_away(&mock);
    struct mr_outgoing r = {.topic = "t", .partition = -1, .key = mr_span_of("k"), .value = mr_span_of("v")};
    reports = failures = 0;
    for (int i = 0; i < 10; i++) {
        assert_int_equal(mr_producer_send(p, &r, count, NULL, &err), MR_OK);
    }
    assert_int_equal(mr_producer_send(p, &r, count, NULL, &err), MR_FAIL);
    assert_int_equal(err.class, MR_CLASS_RETRY);
    mr_producer_close(&p, 100);
    assert_int_equal(reports, 10);
    assert_int_equal(failures, 10);
    mock_back(&mock);
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, open_all, close_all)
    const struct CMUnitTest tests[] = {
        T(test_acknowledged_records_are_on_the_log),
        T(test_null_is_not_empty),
        T(test_keys_partition_as_javas),
        T(test_many_at_once),
        T(test_retriable_errors_are_retried),
        T(test_too_large_is_rejected),
        cmocka_unit_test_setup_teardown(test_a_broker_that_is_away, open_impatient, close_all),
        T(test_closing_reports_what_is_left),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
