/* Several consumers of a group, and brokers that fail. */
#include "running.h"

#define PARTITIONS 8

static struct mock mock;
static struct seen *seen;

static int open_all(void **state)
{
    (void)state;
    mock_open(&mock);
    mock_topic(&mock, "t", PARTITIONS);
    mock_topic(&mock, "retry.test", 1); /* so that rebalances are about topic t */
    mock_topic(&mock, "dlq.test", 1);
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

static int64_t all_committed(void)
{
    int64_t sum = 0;
    for (int32_t p = 0; p < PARTITIONS; p++) {
        int64_t offset = committed_offset(&mock, "t", p);
        sum += offset > 0 ? offset : 0;
    }
    return sum;
}

static bool wait_until_committed(int64_t n, int64_t timeout_ms)
{
    for (int64_t end = mr_mono_ms() + timeout_ms; mr_mono_ms() < end; mr_sleep_ms(200)) {
        if (all_committed() == n) {
            return true;
        }
    }
    return false;
}

/* How many of the values 0..n-1 were handled at least once. */
static int distinct(int n)
{
    int found = 0;
    char *flags = calloc((size_t)n, 1);
    assert_non_null(flags);
    pthread_mutex_lock(&seen->lock);
    for (size_t i = 0; i < seen->n; i++) {
        int value = atoi(seen->list[i].value);
        assert_in_range(value, 0, n - 1);
        found += flags[value] == 0;
        flags[value] = 1;
    }
    pthread_mutex_unlock(&seen->lock);
    free(flags);
    return found;
}

static bool wait_until_distinct(int n, int64_t timeout_ms)
{
    for (int64_t end = mr_mono_ms() + timeout_ms; mr_mono_ms() < end; mr_sleep_ms(20)) {
        if (distinct(n) == n) {
            return true;
        }
    }
    return false;
}

static bool wait_until_assigned(struct running *r, int n, int64_t timeout_ms)
{
    struct mr_consumer_state state;
    for (int64_t end = mr_mono_ms() + timeout_ms; mr_mono_ms() < end; mr_sleep_ms(10)) {
        mr_consumer_state(r->consumer, &state);
        if (state.assigned == n) {
            return true;
        }
    }
    return false;
}

/* All partitions are assigned, and to each some. */
static bool wait_until_shared(struct running *r, int n, int64_t timeout_ms)
{
    struct mr_consumer_state state;
    for (int64_t end = mr_mono_ms() + timeout_ms; mr_mono_ms() < end; mr_sleep_ms(10)) {
        int assigned = 0;
        bool all = true;
        for (int i = 0; i < n; i++) {
            mr_consumer_state(r[i].consumer, &state);
            assigned += state.assigned;
            all = all && state.assigned > 0;
        }
        if (all && assigned == PARTITIONS + 1) {
            return true;
        }
    }
    return false;
}

struct filler {
    pthread_t thread;
    atomic_bool stop;
    int put;
};

/* 8 records every 10 ms, one to each partition. */
static void *fill(void *arg)
{
    struct filler *f = arg;
    struct mr_producer *p;
    struct mr_error err;
    struct mr_producer_options options = {.brokers = mock.brokers, .client_id = "filler"};
    assert_int_equal(mr_producer_open(&options, &p, &err), MR_OK);
    while (!atomic_load(&f->stop)) {
        struct mr_outgoing out[PARTITIONS];
        char key[PARTITIONS][24];
        char value[PARTITIONS][24];
        for (int i = 0; i < PARTITIONS; i++, f->put++) {
            snprintf(key[i], sizeof key[i], "k%d", f->put % (5 * PARTITIONS));
            snprintf(value[i], sizeof value[i], "%d", f->put);
            out[i] = (struct mr_outgoing){
                .topic = "t", .partition = i, .key = mr_span_of(key[i]), .value = mr_span_of(value[i])};
        }
        assert_int_equal(mr_producer_send_wait(p, out, PARTITIONS, &err), MR_OK);
        mr_sleep_ms(10);
    }
    mr_producer_close(&p, 1000);
    return NULL;
}

/* The longest time in which `by` handled nothing of a partition that was its own all the while. */
static int64_t longest_pause(int by, int32_t partition, int64_t from_ms, int64_t to_ms)
{
    int64_t last = from_ms;
    int64_t longest = 0;
    for (size_t i = 0; i < seen->n; i++) {
        const struct seen_record *s = &seen->list[i];
        if (s->by == by && s->partition == partition && s->at_ms >= from_ms && s->at_ms <= to_ms) {
            longest = s->at_ms - last > longest ? s->at_ms - last : longest;
            last = s->at_ms;
        }
    }
    return to_ms - last > longest ? to_ms - last : longest;
}

/* A first record does not count: it may be one that comes back late from a partition that is gone. */
static bool handled_after(int by, int32_t partition, int64_t from_ms)
{
    for (size_t i = seen->n; i > 0; i--) {
        const struct seen_record *s = &seen->list[i - 1];
        if (s->by == by && s->partition == partition && s->offset > 0) {
            return s->at_ms >= from_ms;
        }
    }
    return false;
}

static void test_one_three_one(void **state)
{
    (void)state;
    static struct running r[3];
    struct filler filler = {0};
    for (int i = 0; i < 3; i++) {
        running_init(&r[i], &mock, seen, i, i == 1);
    }
    pthread_create(&filler.thread, NULL, fill, &filler);
    running_start(&r[0]);
    assert_true(wait_until_assigned(&r[0], PARTITIONS + 1, 10000));
    assert_true(wait_until_seen(seen, 200, 10000));
    int64_t grown_ms = mr_mono_ms();
    running_start(&r[1]);
    running_start(&r[2]);
    assert_true(wait_until_shared(r, 3, 30000));
    mr_sleep_ms(500);
    int64_t settled_ms = mr_mono_ms();
    running_stop(&r[2]);
    running_stop(&r[1]);
    assert_true(wait_until_assigned(&r[0], PARTITIONS + 1, 20000));
    atomic_store(&filler.stop, true);
    pthread_join(filler.thread, NULL);
    assert_true(wait_until_distinct(filler.put, 20000));
    running_stop(&r[0]);
    assert_int_equal(all_committed(), filler.put);
    int kept = 0;
    for (int32_t p = 0; p < PARTITIONS; p++) {
        if (handled_after(0, p, settled_ms) && longest_pause(0, p, grown_ms, settled_ms) < 1000) {
            kept++;
        }
    }
    /* Of 9 partitions 3 stay, of which one may be the retry topic's. */
    printf("redelivered %zu of %d, kept without a pause of a second: %d\n", seen->n - (size_t)filler.put,
           filler.put, kept);
    assert_true(kept >= 2);
    for (int i = 0; i < 3; i++) {
        running_end(&r[i]);
    }
}

static atomic_bool hung_may_end;

static enum mr_status hang_on_first(struct running *r, const struct mr_record *record, struct mr_error *err)
{
    (void)err;
    for (int i = 0; i < 4000 && r->id == 0 && record->offset == 0 && !atomic_load(&hung_may_end); i++) {
        mr_sleep_ms(10);
    }
    return MR_OK;
}

static int first_records_by_second(void)
{
    int n = 0;
    pthread_mutex_lock(&seen->lock);
    for (size_t i = 0; i < seen->n; i++) {
        n += seen->list[i].by == 1 && seen->list[i].offset == 0;
    }
    pthread_mutex_unlock(&seen->lock);
    return n;
}

/* Every partition's first record hangs for longer than a revocation waits: what is revoked goes on elsewhere,
 * what is kept goes on meanwhile, and what comes back late commits nothing. */
static void test_a_revocation_does_not_wait_for_ever(void **state)
{
    (void)state;
    static struct running r[2];
    struct filler filler = {0};
    atomic_store(&hung_may_end, false);
    for (int i = 0; i < 2; i++) {
        running_init(&r[i], &mock, seen, i, false);
        r[i].act = hang_on_first;
        r[i].cfg.consumer_threads = 2 * PARTITIONS;
    }
    pthread_create(&filler.thread, NULL, fill, &filler);
    running_start(&r[0]);
    assert_true(wait_until_seen(seen, 400, 10000));
    int64_t grown_ms = mr_mono_ms();
    running_start(&r[1]);
    assert_true(wait_until_shared(r, 2, 30000));
    for (int64_t end = mr_mono_ms() + 20000; first_records_by_second() < 3 && mr_mono_ms() < end;) {
        mr_sleep_ms(10);
    }
    int64_t settled_ms = mr_mono_ms();
    /* The second one handled records that the first one was still busy with. */
    assert_true(first_records_by_second() >= 3);
    mr_sleep_ms(500);
    atomic_store(&hung_may_end, true);
    atomic_store(&filler.stop, true);
    pthread_join(filler.thread, NULL);
    assert_true(wait_until_distinct(filler.put, 30000));
    assert_true(wait_until_committed(filler.put, 30000)); /* what changed hands is handled again first */
    running_stop(&r[1]);
    running_stop(&r[0]);
    for (int32_t p = 0; p < PARTITIONS; p++) {
        if (handled_after(0, p, settled_ms)) {
            /* The mock answers a fetch that came before its records only after half a second: once before,
             * once after. */
            assert_in_range(longest_pause(0, p, grown_ms, settled_ms), 0, 1000 + 2 * 500);
        }
    }
    running_end(&r[0]);
    running_end(&r[1]);
}

static void test_broker_errors_are_ridden_out(void **state)
{
    (void)state;
    struct running r;
    put_records(&mock, "t", 0, 1000, 100, PARTITIONS);
    running_init(&r, &mock, seen, 0, false);
    rd_kafka_mock_push_request_errors(mock.cluster, 10 /* FindCoordinator */, 2,
                                      RD_KAFKA_RESP_ERR_COORDINATOR_NOT_AVAILABLE,
                                      RD_KAFKA_RESP_ERR_COORDINATOR_NOT_AVAILABLE);
    rd_kafka_mock_push_request_errors(mock.cluster, 9 /* OffsetFetch */, 2,
                                      RD_KAFKA_RESP_ERR_COORDINATOR_LOAD_IN_PROGRESS,
                                      RD_KAFKA_RESP_ERR_NOT_COORDINATOR);
    rd_kafka_mock_push_request_errors(mock.cluster, 1 /* Fetch */, 3,
                                      RD_KAFKA_RESP_ERR_NOT_LEADER_FOR_PARTITION,
                                      RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART, RD_KAFKA_RESP_ERR__TRANSPORT);
    rd_kafka_mock_push_request_errors(mock.cluster, 8 /* OffsetCommit */, 3,
                                      RD_KAFKA_RESP_ERR_COORDINATOR_NOT_AVAILABLE,
                                      RD_KAFKA_RESP_ERR_REBALANCE_IN_PROGRESS, RD_KAFKA_RESP_ERR__TRANSPORT);
    rd_kafka_mock_push_request_errors(mock.cluster, 12 /* Heartbeat */, 1, RD_KAFKA_RESP_ERR_NOT_COORDINATOR);
    running_start(&r);
    assert_true(wait_until_distinct(1000, 30000));
    mr_sleep_ms(1500);
    running_stop(&r);
    assert_int_equal(all_committed(), 1000);
    running_end(&r);
}

/* The coordinator forgets the member: the assignment is lost, nothing of it is committed, and it comes back.
 */
static void test_a_lost_assignment_comes_back(void **state)
{
    (void)state;
    struct running r;
    struct filler filler = {0};
    running_init(&r, &mock, seen, 0, false);
    pthread_create(&filler.thread, NULL, fill, &filler);
    running_start(&r);
    assert_true(wait_until_seen(seen, 100, 10000));
    rd_kafka_mock_push_request_errors(mock.cluster, 12 /* Heartbeat */, 2,
                                      RD_KAFKA_RESP_ERR_UNKNOWN_MEMBER_ID,
                                      RD_KAFKA_RESP_ERR_ILLEGAL_GENERATION);
    mr_sleep_ms(4000);
    atomic_store(&filler.stop, true);
    pthread_join(filler.thread, NULL);
    assert_true(wait_until_distinct(filler.put, 20000));
    /* The mock rebalances once more when it drops the member that it was made to forget. */
    assert_true(wait_until_committed(filler.put, 30000));
    running_stop(&r);
    running_end(&r);
}

static void test_a_broker_that_goes_and_returns(void **state)
{
    (void)state;
    struct running r;
    put_records(&mock, "t", 0, 500, 100, PARTITIONS);
    running_init(&r, &mock, seen, 0, true);
    running_start(&r);
    assert_true(wait_until_distinct(500, 20000));
    mock_away(&mock);
    mr_sleep_ms(2000);
    mock_back(&mock);
    put_records(&mock, "t", 500, 500, 100, PARTITIONS);
    assert_true(wait_until_distinct(1000, 30000));
    mr_sleep_ms(500);
    running_stop(&r);
    assert_int_equal(all_committed(), 1000);
    running_end(&r);
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, open_all, close_all)
    const struct CMUnitTest tests[] = {
        T(test_one_three_one),
        T(test_a_revocation_does_not_wait_for_ever),
        T(test_broker_errors_are_ridden_out),
        T(test_a_lost_assignment_comes_back),
        T(test_a_broker_that_goes_and_returns),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
