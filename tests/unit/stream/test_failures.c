/* What becomes of records that fail, and of letters that cannot be sent. */
#include "running.h"

#include "stream/letters.h"

static struct mock mock;
static struct seen *seen;

static int open_all(void **state)
{
    (void)state;
    mock_open(&mock);
    mock_topic(&mock, "t", 2);
    mock_topic(&mock, "retry.test", 2);
    mock_topic(&mock, "dlq.test", 2);
    seen = calloc(1, sizeof *seen);
    assert_non_null(seen);
    pthread_mutex_init(&seen->lock, NULL);
    return 0;
}

static int close_all(void **state)
{
    (void)state;
    mock_close(&mock);
    free(seen);
    return 0;
}

static bool value_is(const struct mr_record *record, const char *value)
{
    return mr_span_is(record->value, value);
}

static const struct seen_record *find_seen(const char *value)
{
    for (size_t i = 0; i < seen->n; i++) {
        if (strcmp(seen->list[i].value, value) == 0) {
            return &seen->list[i];
        }
    }
    return NULL;
}

static bool wait_until_committed(const char *topic, int32_t partition, int64_t offset, int64_t timeout_ms)
{
    for (int64_t end = mr_mono_ms() + timeout_ms; mr_mono_ms() < end; mr_sleep_ms(100)) {
        if (committed_offset(&mock, topic, partition) == offset) {
            return true;
        }
    }
    return false;
}

static atomic_bool may_pass;

static enum mr_status fail_zero_until_told(struct running *r, const struct mr_record *record,
                                           struct mr_error *err)
{
    (void)r;
    if (value_is(record, "0") && !atomic_load(&may_pass)) {
        return mr_error_set(err, MR_CLASS_RETRY, 0, "zero has to wait");
    }
    return MR_OK;
}

/* The first record of the partition fails again and again: after head_max it goes to retry.test, the commits
 * of its partition go on, and it is handled from there with its attempts and its origin. */
static void heads_move(bool batch)
{
    struct running r;
    atomic_store(&may_pass, false);
    put_records(&mock, "t", 0, 100, 10, 1);
    running_init(&r, &mock, seen, 0, batch);
    r.act = fail_zero_until_told;
    r.cfg.consumer_attempts = 1000;
    r.cfg.consumer_backoff = 100;
    r.cfg.consumer_backoff_max = 200;
    r.cfg.consumer_head_max = 1000;
    running_start(&r);
    assert_true(wait_until_seen(seen, 90, 10000)); /* all but what is in zero's lane */
    assert_true(committed_offset(&mock, "t", 0) <= 0);
    assert_true(wait_until_committed("t", 0, 100, 20000));
    atomic_store(&may_pass, true);
    assert_true(wait_until_seen(seen, 100, 10000));
    running_stop(&r);
    assert_int_equal(seen->n, 100);
    const struct seen_record *zero = find_seen("0");
    assert_non_null(zero);
    assert_string_equal(zero->topic, "retry.test");
    assert_string_equal(zero->origin, "t");
    assert_true(zero->attempt > 3);
    assert_int_equal(mock_read(&mock, "dlq.test", 0, NULL, NULL), 0);
    running_end(&r);
}

static void test_a_record_that_holds_back_others_moves(void **state)
{
    (void)state;
    heads_move(false);
}

static void test_a_record_that_holds_back_others_moves_in_batches(void **state)
{
    (void)state;
    heads_move(true);
}

static void put_with(const char *topic, const char *key, const char *value, const char *const headers[][2],
                     size_t n)
{
    struct mr_producer *p;
    struct mr_error err;
    struct mr_headers h;
    struct mr_producer_options options = {.brokers = mock.brokers, .client_id = "filler"};
    assert_int_equal(mr_producer_open(&options, &p, &err), MR_OK);
    mr_headers_init(&h);
    for (size_t i = 0; i < n; i++) {
        assert_int_equal(mr_headers_add(&h, headers[i][0], mr_span_of(headers[i][1])), MR_OK);
    }
    struct mr_outgoing r = {
        .topic = topic, .key = mr_span_of(key), .value = mr_span_of(value), .headers = &h};
    assert_int_equal(mr_producer_send_wait(p, &r, 1, &err), MR_OK);
    mr_producer_close(&p, 1000);
}

static void test_a_retry_waits_for_its_time_alone(void **state)
{
    (void)state;
    struct running r;
    char at[24];
    int64_t due_ms = mr_mono_ms() + 2500;
    snprintf(at, sizeof at, "%lld", (long long)(mr_wall_us() + 2500000));
    const char *const headers[][2] = {{"mr.attempts", "1"},
                                      {"mr.origin.topic", "t"},
                                      {"mr.origin.partition", "1"},
                                      {"mr.origin.offset", "77"},
                                      {"mr.retry.at", at}};
    put_with("retry.test", "k", "late", headers, 5);
    put_with("retry.test", "other", "soon", NULL, 0);
    put_with("t", "k", "behind", NULL, 0);
    running_init(&r, &mock, seen, 0, false);
    running_start(&r);
    assert_true(wait_until_seen(seen, 3, 15000));
    running_stop(&r);
    /* Of one key: in order, though of two topics; which comes first is a matter of which topic was fetched
     * first. */
    assert_true(find_seen("late")->at_ms >= due_ms);
    assert_true(find_seen("soon")->at_ms < due_ms);
    assert_int_equal(find_seen("late")->attempt, 2);
    assert_string_equal(find_seen("late")->origin, "t");
    assert_int_equal(find_seen("soon")->attempt, 1);
    assert_string_equal(find_seen("soon")->origin, "retry.test");
    running_end(&r);
}

struct letter {
    int n;
    char text[13][64];
};

static const char *const letter_headers[] = {
    "__connect.errors.topic",
    "__connect.errors.partition",
    "__connect.errors.offset",
    "mr.attempts",
    "__connect.errors.connector.name",
    "__connect.errors.task.id",
    "__connect.errors.exception.class.name",
    "__connect.errors.exception.message",
    "kept",
    "mr.retry.at",
    "mr.value.dropped",
};

static void see_letter(void *ctx, const rd_kafka_message_t *m)
{
    struct letter *l = ctx;
    rd_kafka_headers_t *headers;
    l->n++;
    assert_int_equal(rd_kafka_message_headers(m, &headers), RD_KAFKA_RESP_ERR_NO_ERROR);
    for (size_t i = 0; i < sizeof letter_headers / sizeof letter_headers[0]; i++) {
        const void *value;
        size_t size;
        l->text[i][0] = '\0';
        if (rd_kafka_header_get_last(headers, letter_headers[i], &value, &size) ==
            RD_KAFKA_RESP_ERR_NO_ERROR) {
            snprintf(l->text[i], sizeof l->text[i], "%.*s", (int)size, (const char *)value);
        }
    }
    snprintf(l->text[11], sizeof l->text[11], "%.*s", m->key ? (int)m->key_len : 6,
             m->key ? (const char *)m->key : "(null)");
    snprintf(l->text[12], sizeof l->text[12], "%.*s", m->payload ? (int)m->len : 6,
             m->payload ? (const char *)m->payload : "(null)");
}

static enum mr_status reject_all(struct running *r, const struct mr_record *record, struct mr_error *err)
{
    (void)r;
    (void)record;
    return mr_error_set(err, MR_CLASS_REJECT, 0, "never");
}

/* A letter names where the record was first read from, and carries what the record had but not what was ours.
 */
static void test_a_dead_letter_says_where_it_is_from(void **state)
{
    (void)state;
    struct running r;
    struct letter letter = {0};
    const char *const headers[][2] = {
        {"kept", "as it was"},        {"mr.attempts", "2"},       {"mr.origin.topic", "elsewhere"},
        {"mr.origin.partition", "1"}, {"mr.origin.offset", "77"}, {"mr.retry.at", "1"}};
    put_with("retry.test", "k", "v", headers, 6);
    running_init(&r, &mock, seen, 0, false);
    r.act = reject_all;
    running_start(&r);
    assert_true(wait_until_committed("retry.test", 0, 1, 10000));
    running_stop(&r);
    assert_int_equal(mock_read(&mock, "dlq.test", 1, see_letter, &letter), 1);
    const char *const expected[] = {"elsewhere", "1",         "77", "3", "test", NULL, "reject",
                                    "never",     "as it was", "",   "",  "k",    "v"};
    for (size_t i = 0; i < sizeof expected / sizeof expected[0]; i++) {
        if (expected[i]) {
            assert_string_equal(letter.text[i], expected[i]);
        }
    }
    running_end(&r);
}

/* What the broker takes in no way is named by its place, so that the partition goes on. */
static void test_a_letter_that_is_too_large(void **state)
{
    (void)state;
    struct running r;
    struct letter letter = {0};
    const char *const headers[][2] = {{"kept", "not this time"}};
    put_with("t", "k", "large", headers, 1);
    rd_kafka_mock_push_request_errors(mock.cluster, 0 /* Produce */, 1, RD_KAFKA_RESP_ERR_MSG_SIZE_TOO_LARGE);
    running_init(&r, &mock, seen, 0, false);
    r.act = reject_all;
    running_start(&r);
    assert_true(wait_until_committed("t", 0, 1, 10000));
    running_stop(&r);
    assert_int_equal(mock_read(&mock, "dlq.test", 0, see_letter, &letter), 1);
    assert_string_equal(letter.text[0], "t");
    assert_string_equal(letter.text[2], "0");
    assert_string_equal(letter.text[8], "");
    assert_string_equal(letter.text[10], "5");
    assert_string_equal(letter.text[11], "(null)");
    assert_string_equal(letter.text[12], "(null)");
    running_end(&r);
}

/* A topic for letters with fewer partitions than the source still takes them. */
static void test_a_letter_whose_partition_does_not_exist(void **state)
{
    (void)state;
    struct running r;
    mock_topic(&mock, "wide", 8);
    static const char *const wide[] = {"wide", NULL};
    struct mr_producer *p;
    struct mr_error err;
    struct mr_producer_options options = {.brokers = mock.brokers, .client_id = "filler"};
    assert_int_equal(mr_producer_open(&options, &p, &err), MR_OK);
    struct mr_outgoing record = {
        .topic = "wide", .partition = 7, .key = mr_span_of("k"), .value = mr_span_of("v")};
    assert_int_equal(mr_producer_send_wait(p, &record, 1, &err), MR_OK);
    mr_producer_close(&p, 1000);
    running_init(&r, &mock, seen, 0, false);
    r.worker.topics = wide;
    r.act = reject_all;
    running_start(&r);
    assert_true(wait_until_committed("wide", 7, 1, 10000));
    running_stop(&r);
    assert_int_equal(
        mock_read(&mock, "dlq.test", 0, NULL, NULL) + mock_read(&mock, "dlq.test", 1, NULL, NULL), 1);
    running_end(&r);
}

/* Letters go to another cluster here, which is away: nothing is done until it is back, and then once. */
static void test_letters_wait_for_the_broker(void **state)
{
    (void)state;
    struct running r;
    struct mock other;
    struct mr_consumer_state consumer = {0};
    put_records(&mock, "t", 0, 10, 10, 1);
    mock_open(&other);
    mock_topic(&other, "dlq.test", 2);
    running_init(&r, &mock, seen, 0, false);
    mr_producer_close(&r.producer, 0);
    struct mr_producer_options options = {
        .brokers = other.brokers, .client_id = "letters", .message_timeout_ms = 1000};
    assert_int_equal(mr_producer_open(&options, &r.producer, &r.err), MR_OK);
    struct mr_outgoing record = {.topic = "dlq.test", .key = mr_span_of("k"), .value = mr_span_of("before")};
    assert_int_equal(mr_producer_send_wait(r.producer, &record, 1, &r.err), MR_OK);
    mock_away(&other);
    r.act = reject_all;
    running_start(&r);
    for (int64_t end = mr_mono_ms() + 10000; !consumer.waiting_for_world && mr_mono_ms() < end;
         mr_sleep_ms(20)) {
        mr_consumer_state(r.consumer, &consumer);
    }
    assert_true(consumer.waiting_for_world);
    mr_sleep_ms(1000);
    assert_true(committed_offset(&mock, "t", 0) <= 0);
    mock_back(&other);
    assert_true(wait_until_committed("t", 0, 10, 20000));
    running_stop(&r);
    assert_int_equal(mock_read(&other, "dlq.test", 0, NULL, NULL), 1 + 10);
    running_end(&r);
    mock_close(&other);
}

static atomic_int told[8];
static atomic_int told_last;

static void on_failed(void *ctx, const struct mr_record *record, const struct mr_error *why,
                      int64_t next_retry_us)
{
    (void)ctx;
    assert_string_equal(why->text, "zero has to wait");
    assert_in_range(record->attempt, 1, 3);
    if (next_retry_us == 0) {
        atomic_fetch_add(&told_last, 1);
    } else {
        assert_true(next_retry_us > mr_wall_us() - 1000000);
    }
    atomic_fetch_add(&told[record->attempt], 1);
}

static void test_the_worker_is_told_of_each_failure(void **state)
{
    (void)state;
    struct running r;
    atomic_store(&may_pass, false);
    put_records(&mock, "t", 0, 20, 20, 1);
    running_init(&r, &mock, seen, 0, true);
    r.act = fail_zero_until_told;
    r.worker.failed = on_failed;
    running_start(&r);
    assert_true(wait_until_committed("t", 0, 20, 20000));
    running_stop(&r);
    assert_int_equal(seen->n, 19);
    for (int i = 1; i <= 3; i++) {
        assert_int_equal(atomic_load(&told[i]), 1);
    }
    assert_int_equal(atomic_load(&told_last), 1);
    assert_int_equal(mock_read(&mock, "dlq.test", 0, NULL, NULL), 1);
    running_end(&r);
}

static atomic_int decoded_alive;

static enum mr_status decode_even(void *ctx, const struct mr_record *record, void **decoded,
                                  struct mr_error *err)
{
    struct running *r = ctx;
    char text[24];
    snprintf(text, sizeof text, "%.*s", (int)record->value.len, record->value.p);
    if (atomic_load(&r->world_is_broken)) {
        return mr_error_set(err, MR_CLASS_RETRY, 0, "no registry");
    }
    if (atoi(text) % 2 != 0) {
        return mr_error_set(err, MR_CLASS_REJECT, 0, "odd");
    }
    *decoded = strdup(text);
    atomic_fetch_add(&decoded_alive, 1);
    return MR_OK;
}

static void free_decoded(void *ctx, void *decoded)
{
    (void)ctx;
    atomic_fetch_sub(&decoded_alive, 1);
    free(decoded);
}

static enum mr_status check_decoded(struct running *r, const struct mr_record *record, struct mr_error *err)
{
    (void)r;
    (void)err;
    assert_non_null(record->decoded);
    assert_true(mr_span_is(record->value, record->decoded));
    return MR_OK;
}

static void decodes(bool batch)
{
    struct running r;
    put_records(&mock, "t", 0, 100, 10, 1);
    running_init(&r, &mock, seen, 0, batch);
    r.worker.decode = decode_even;
    r.worker.free_decoded = free_decoded;
    r.act = check_decoded;
    r.cfg.consumer_attempts = 1;
    atomic_store(&r.world_is_broken, true);
    running_start(&r);
    mr_sleep_ms(1000);
    assert_int_equal(seen_count(seen), 0);
    atomic_store(&r.world_is_broken, false);
    assert_true(wait_until_committed("t", 0, 100, 20000));
    running_stop(&r);
    assert_int_equal(seen->n, 50);
    assert_int_equal(mock_read(&mock, "dlq.test", 0, NULL, NULL), 50);
    assert_int_equal(atomic_load(&decoded_alive), 0);
    running_end(&r);
}

static void test_what_does_not_decode_touches_nobody_else(void **state)
{
    (void)state;
    decodes(false);
}

static void test_what_does_not_decode_touches_nobody_else_in_its_batch(void **state)
{
    (void)state;
    decodes(true);
}

static enum mr_status sometimes_fail(struct running *r, const struct mr_record *record, struct mr_error *err)
{
    (void)r;
    return record->offset % 17 == 3 && record->attempt == 1 ? mr_error_set(err, MR_CLASS_RETRY, 0, "once")
                                                            : MR_OK;
}

/* Two keys with many records each, several of one in a batch: whatever fails, each key's order stands. */
static void test_batches_that_keep_order(void **state)
{
    (void)state;
    struct running r;
    put_records(&mock, "t", 0, 400, 2, 1);
    running_init(&r, &mock, seen, 0, true);
    r.worker.batch_keeps_order = true;
    r.act = sometimes_fail;
    running_start(&r);
    assert_true(wait_until_committed("t", 0, 400, 30000));
    running_stop(&r);
    assert_int_equal(seen->n, 400);
    int last[2] = {-1, -1};
    for (size_t i = 0; i < seen->n; i++) {
        int value = atoi(seen->list[i].value);
        assert_int_equal(value, last[value % 2] < 0 ? value % 2 : last[value % 2] + 2);
        last[value % 2] = value;
    }
    running_end(&r);
}

static enum mr_status be_slow(struct running *r, const struct mr_record *record, struct mr_error *err)
{
    (void)r;
    (void)record;
    (void)err;
    mr_sleep_ms(400);
    return MR_OK;
}

static void test_a_stop_lets_end_what_runs(void **state)
{
    (void)state;
    struct running r;
    put_records(&mock, "t", 0, 100, 100, 1);
    running_init(&r, &mock, seen, 0, false);
    r.act = be_slow;
    running_start(&r);
    for (int64_t end = mr_mono_ms() + 5000; atomic_load(&r.calls) < 4 && mr_mono_ms() < end;) {
        mr_sleep_ms(5);
    }
    int64_t before_ms = mr_mono_ms();
    running_stop(&r);
    assert_in_range(mr_mono_ms() - before_ms, 0, 3000);
    assert_in_range(seen->n, 4, 8);
    assert_int_equal(committed_offset(&mock, "t", 0), (int64_t)seen->n);
    running_end(&r);
}

static void test_records_in_flight_are_bounded(void **state)
{
    (void)state;
    struct running r;
    struct mr_consumer_state consumer;
    put_records(&mock, "t", 0, 5000, 5000, 1);
    running_init(&r, &mock, seen, 0, false);
    r.cfg.consumer_inflight_records = 100;
    r.cfg.consumer_backoff = 1;
    running_start(&r);
    int64_t most = 0;
    for (int64_t end = mr_mono_ms() + 30000; seen_count(seen) < 5000 && mr_mono_ms() < end;) {
        mr_consumer_state(r.consumer, &consumer);
        most = consumer.inflight > most ? consumer.inflight : most;
    }
    running_stop(&r);
    assert_int_equal(seen->n, 5000);
    assert_in_range(most, 0, 100);
    running_end(&r);
}

static void test_null_and_empty_values_reach_the_handler(void **state)
{
    (void)state;
    struct running r;
    struct mr_producer *p;
    struct mr_error err;
    struct mr_producer_options options = {.brokers = mock.brokers, .client_id = "filler"};
    assert_int_equal(mr_producer_open(&options, &p, &err), MR_OK);
    struct mr_outgoing records[] = {{.topic = "t", .key = mr_span_of("k"), .value = {NULL, 0}},
                                    {.topic = "t", .key = mr_span_of("k"), .value = mr_span_of("")},
                                    {.topic = "t", .key = {NULL, 0}, .value = mr_span_of("no key")}};
    assert_int_equal(mr_producer_send_wait(p, records, 3, &err), MR_OK);
    mr_producer_close(&p, 1000);
    running_init(&r, &mock, seen, 0, false);
    running_start(&r);
    assert_true(wait_until_committed("t", 0, 3, 10000));
    running_stop(&r);
    assert_int_equal(seen->n, 3);
    running_end(&r);
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, open_all, close_all)
    const struct CMUnitTest tests[] = {
        T(test_a_record_that_holds_back_others_moves),
        T(test_a_record_that_holds_back_others_moves_in_batches),
        T(test_a_retry_waits_for_its_time_alone),
        T(test_a_dead_letter_says_where_it_is_from),
        T(test_a_letter_that_is_too_large),
        T(test_a_letter_whose_partition_does_not_exist),
        T(test_letters_wait_for_the_broker),
        T(test_the_worker_is_told_of_each_failure),
        T(test_what_does_not_decode_touches_nobody_else),
        T(test_what_does_not_decode_touches_nobody_else_in_its_batch),
        T(test_batches_that_keep_order),
        T(test_a_stop_lets_end_what_runs),
        T(test_records_in_flight_are_bounded),
        T(test_null_and_empty_values_reach_the_handler),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
