#include "running.h"

static struct mock mock;
static struct seen *seen;

static int open_all(void **state)
{
    (void)state;
    mock_open(&mock);
    mock_topic(&mock, "t", 4);
    mock_topic(&mock, "retry.test", 4);
    mock_topic(&mock, "dlq.test", 4);
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

/* Of every key the values rise, in the order in which they were handled; a repeated run of them is a
 * redelivery. */
static void assert_key_order(void)
{
    static int last[100000];
    memset(last, -1, sizeof last);
    for (size_t i = 0; i < seen->n; i++) {
        int key = atoi(seen->list[i].key + 1);
        int value = atoi(seen->list[i].value);
        assert_true(key < 100000);
        if (value <= last[key]) {
            fail_msg("key %d: %d after %d", key, value, last[key]);
        }
        last[key] = value;
    }
}

static void assert_all_committed(int partitions, int total)
{
    int64_t sum = 0;
    for (int32_t p = 0; p < partitions; p++) {
        int64_t offset = committed_offset(&mock, "t", p);
        sum += offset > 0 ? offset : 0;
    }
    assert_int_equal(sum, total);
}

static void handles_all_in_order(bool batch)
{
    struct running r;
    put_records(&mock, "t", 0, 5000, 37, 4);
    running_init(&r, &mock, seen, 0, batch);
    running_start(&r);
    assert_true(wait_until_seen(seen, 5000, 20000));
    running_stop(&r);
    assert_int_equal(seen->n, 5000);
    assert_key_order();
    assert_all_committed(4, 5000);
    running_end(&r);
}

static void test_every_record_once_and_in_order_of_its_key(void **state)
{
    (void)state;
    handles_all_in_order(false);
}

static void test_every_record_once_in_batches(void **state)
{
    (void)state;
    handles_all_in_order(true);
}

static enum mr_status reject_sevens(struct running *r, const struct mr_record *record, struct mr_error *err)
{
    (void)r;
    char text[24];
    snprintf(text, sizeof text, "%.*s", (int)record->value.len, record->value.p);
    if (atoi(text) % 100 == 7) {
        return mr_error_set(err, MR_CLASS_REJECT, 0, "no sevens");
    }
    return MR_OK;
}

struct letters {
    int n;
    char message[64];
    char topic[32];
    char class_name[32];
    char attempts[8];
    bool same_partition;
};

static void header(const rd_kafka_message_t *m, const char *name, char *out, size_t size)
{
    const void *value;
    size_t n;
    rd_kafka_headers_t *headers;
    assert_int_equal(rd_kafka_message_headers(m, &headers), RD_KAFKA_RESP_ERR_NO_ERROR);
    assert_int_equal(rd_kafka_header_get_last(headers, name, &value, &n), RD_KAFKA_RESP_ERR_NO_ERROR);
    snprintf(out, size, "%.*s", (int)n, (const char *)value);
}

static void see_letter(void *ctx, const rd_kafka_message_t *m)
{
    struct letters *l = ctx;
    char partition[8];
    l->n++;
    header(m, "__connect.errors.exception.message", l->message, sizeof l->message);
    header(m, "__connect.errors.topic", l->topic, sizeof l->topic);
    header(m, "__connect.errors.exception.class.name", l->class_name, sizeof l->class_name);
    header(m, "mr.attempts", l->attempts, sizeof l->attempts);
    header(m, "__connect.errors.partition", partition, sizeof partition);
    l->same_partition = atoi(partition) == m->partition;
}

static int count_letters(struct letters *l)
{
    for (int32_t p = 0; p < 4; p++) {
        mock_read(&mock, "dlq.test", p, see_letter, l);
    }
    return l->n;
}

static void dead_letters_the_guilty_alone(bool batch)
{
    struct running r;
    struct letters letters = {0};
    put_records(&mock, "t", 0, 2000, 50, 4);
    running_init(&r, &mock, seen, 0, batch);
    r.act = reject_sevens;
    running_start(&r);
    assert_true(wait_until_seen(seen, 1980, 20000));
    mr_sleep_ms(500);
    running_stop(&r);
    assert_int_equal(seen->n, 1980);
    assert_key_order();
    assert_all_committed(4, 2000);
    assert_int_equal(count_letters(&letters), 20);
    assert_string_equal(letters.message, "no sevens");
    assert_string_equal(letters.topic, "t");
    assert_string_equal(letters.class_name, "reject");
    assert_string_equal(letters.attempts, "1");
    assert_true(letters.same_partition);
    running_end(&r);
}

static void test_rejected_records_are_dead_lettered(void **state)
{
    (void)state;
    dead_letters_the_guilty_alone(false);
}

static void test_a_batch_is_bisected(void **state)
{
    (void)state;
    dead_letters_the_guilty_alone(true);
}

static enum mr_status fail_sevens(struct running *r, const struct mr_record *record, struct mr_error *err)
{
    return reject_sevens(r, record, err) == MR_OK ? MR_OK
                                                  : mr_error_set(err, MR_CLASS_RETRY, 0, "sevens never work");
}

static void gives_up_after_attempts(bool batch)
{
    struct running r;
    struct letters letters = {0};
    put_records(&mock, "t", 0, 300, 50, 4);
    running_init(&r, &mock, seen, 0, batch);
    r.act = fail_sevens;
    running_start(&r);
    assert_true(wait_until_seen(seen, 297, 20000));
    mr_sleep_ms(500);
    running_stop(&r);
    assert_int_equal(seen->n, 297);
    assert_key_order();
    assert_all_committed(4, 300);
    assert_int_equal(count_letters(&letters), 3);
    assert_string_equal(letters.attempts, "3");
    assert_string_equal(letters.class_name, "retry");
    assert_true(atomic_load(&r.probes) > 0);
    running_end(&r);
}

static void test_failures_are_counted_while_probes_pass(void **state)
{
    (void)state;
    gives_up_after_attempts(false);
}

static void test_failures_in_batches_are_counted(void **state)
{
    (void)state;
    gives_up_after_attempts(true);
}

static enum mr_status fail_while_broken(struct running *r, const struct mr_record *record,
                                        struct mr_error *err)
{
    (void)record;
    if (atomic_load(&r->world_is_broken)) {
        return mr_error_set(err, MR_CLASS_RETRY, 0, "cannot reach it");
    }
    return MR_OK;
}

static void waits_for_the_world(bool batch)
{
    struct running r;
    struct letters letters = {0};
    struct mr_consumer_state consumer;
    put_records(&mock, "t", 0, 500, 50, 4);
    running_init(&r, &mock, seen, 0, batch);
    r.act = fail_while_broken;
    atomic_store(&r.world_is_broken, true);
    running_start(&r);
    mr_sleep_ms(3000);
    mr_consumer_state(r.consumer, &consumer);
    assert_true(consumer.waiting_for_world);
    assert_string_equal(consumer.why, "the world is broken");
    assert_int_equal(seen_count(seen), 0);
    /* Not a storm: nothing is handed out while it is known to be broken. */
    assert_true(atomic_load(&r.calls) <= 100);
    atomic_store(&r.world_is_broken, false);
    assert_true(wait_until_seen(seen, 500, 10000));
    running_stop(&r);
    for (size_t i = 0; i < seen->n; i++) {
        assert_int_equal(seen->list[i].attempt, 1);
    }
    assert_key_order();
    assert_all_committed(4, 500);
    assert_int_equal(count_letters(&letters), 0);
    running_end(&r);
}

static void test_a_broken_world_counts_nothing(void **state)
{
    (void)state;
    waits_for_the_world(false);
}

static void test_a_broken_world_counts_nothing_in_batches(void **state)
{
    (void)state;
    waits_for_the_world(true);
}

static enum mr_status be_fatal(struct running *r, const struct mr_record *record, struct mr_error *err)
{
    (void)r;
    (void)record;
    return mr_error_set(err, MR_CLASS_FATAL, 0, "no such bucket");
}

static void test_fatal_ends_the_run(void **state)
{
    (void)state;
    struct running r;
    put_records(&mock, "t", 0, 10, 5, 4);
    running_init(&r, &mock, seen, 0, false);
    r.act = be_fatal;
    running_start(&r);
    running_join(&r);
    assert_int_equal(r.status, MR_FAIL);
    assert_int_equal(r.err.class, MR_CLASS_FATAL);
    assert_string_equal(r.err.text, "no such bucket");
    assert_all_committed(4, 0);
    running_end(&r);
}

static void test_lost_records_are_fatal(void **state)
{
    (void)state;
    struct running r;
    put_records(&mock, "t", 0, 100, 1, 1);
    set_committed(&mock, "t", 0, 10);
    assert_int_equal(rd_kafka_mock_partition_delete_records(mock.cluster, "t", 0, 50),
                     RD_KAFKA_RESP_ERR_NO_ERROR);
    running_init(&r, &mock, seen, 0, false);
    running_start(&r);
    running_join(&r);
    assert_int_equal(r.status, MR_FAIL);
    assert_int_equal(r.err.class, MR_CLASS_FATAL);
    assert_non_null(strstr(r.err.text, "t/0 is not on the log"));
    assert_int_equal(seen->n, 0);
    assert_int_equal(committed_offset(&mock, "t", 0), 10);
    running_end(&r);
}

static void test_starts_where_the_group_is(void **state)
{
    (void)state;
    struct running r;
    put_records(&mock, "t", 0, 200, 4, 4);
    set_committed(&mock, "t", 0, 0);
    set_committed(&mock, "t", 1, 20);
    set_committed(&mock, "t", 2, 50);
    running_init(&r, &mock, seen, 0, false);
    running_start(&r);
    assert_true(wait_until_seen(seen, 50 + 30 + 0 + 50, 10000));
    mr_sleep_ms(200);
    running_stop(&r);
    assert_int_equal(seen->n, 130);
    assert_all_committed(4, 200);
    running_end(&r);
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, open_all, close_all)
    const struct CMUnitTest tests[] = {
        T(test_every_record_once_and_in_order_of_its_key),
        T(test_every_record_once_in_batches),
        T(test_rejected_records_are_dead_lettered),
        T(test_a_batch_is_bisected),
        T(test_failures_are_counted_while_probes_pass),
        T(test_failures_in_batches_are_counted),
        T(test_a_broken_world_counts_nothing),
        T(test_a_broken_world_counts_nothing_in_batches),
        T(test_fatal_ends_the_run),
        T(test_lost_records_are_fatal),
        T(test_starts_where_the_group_is),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
