#include "metrics/metrics.h"

#include <math.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "support/child.h"
#include "support/cmocka.h"

static struct child result;

/* Metrics are one per process: each case has a process of its own, which prints them. */
static const char *text_after(void (*fn)(void *))
{
    child_run(fn, NULL, &result);
    assert_int_equal(result.signal, 0);
    assert_int_equal(result.exit_status, 0);
    return result.out;
}

/* Without process_*, which differ every time. */
static void print_own(void)
{
    struct mr_buf text;
    mr_buf_init(&text, 1 << 20);
    if (mr_metrics_text(&text) != MR_OK)
        abort();
    char *process = strstr(text.data, "# HELP process_");
    fwrite(text.data, 1, (size_t)(process - text.data), stdout);
    mr_buf_free(&text);
}

static void update_nothing(void *ctx)
{
    (void)ctx;
    print_own();
}

static void what_was_not_touched_is_not_there(void **state)
{
    (void)state;
    assert_string_equal(text_after(update_nothing), "");
}

static void update_counters(void *ctx)
{
    (void)ctx;
    mr_metric_add(MR_M_http_shed, NULL, 2);
    mr_metric_add(MR_M_http_shed, "ignored", 3);
    mr_metric_add(MR_M_http_requests, "200", 1);
    mr_metric_add(MR_M_http_requests, "503", 1);
    mr_metric_add(MR_M_http_requests, "200", 4);
    mr_metric_set(MR_M_consumer_lag, "file.uploaded/3", 17);
    mr_metric_set(MR_M_consumer_lag, "file.uploaded/3", -1);
    mr_metric_set(MR_M_http_inflight, NULL, 5);
    mr_metric_add(MR_M_http_inflight, NULL, -5);
    mr_metric_add(MR_M_rebalances, NULL, 1);
    print_own();
}

static void counters_and_gauges_exactly(void **state)
{
    (void)state;
    assert_string_equal(text_after(update_counters),
                        "# HELP mr_http_requests_total Requests answered, by status.\n"
                        "# TYPE mr_http_requests_total counter\n"
                        "mr_http_requests_total{status=\"200\"} 5\n"
                        "mr_http_requests_total{status=\"503\"} 1\n"
                        "# HELP mr_http_requests_inflight Requests waiting or being handled.\n"
                        "# TYPE mr_http_requests_inflight gauge\n"
                        "mr_http_requests_inflight 0\n"
                        "# HELP mr_http_shed_total Requests answered 503 because the pool was full.\n"
                        "# TYPE mr_http_shed_total counter\n"
                        "mr_http_shed_total 5\n"
                        "# HELP mr_consumer_lag Records behind the high watermark, by topic/partition.\n"
                        "# TYPE mr_consumer_lag gauge\n"
                        "mr_consumer_lag{partition=\"file.uploaded/3\"} -1\n"
                        "# HELP mr_consumer_rebalances_total Rebalance callbacks: assign, revoke, lost.\n"
                        "# TYPE mr_consumer_rebalances_total counter\n"
                        "mr_consumer_rebalances_total{kind=\"\"} 1\n");
}

static void update_histogram(void *ctx)
{
    (void)ctx;
    mr_metric_observe(MR_M_handler_seconds, NULL, 0.001); /* a bound belongs to its bucket */
    mr_metric_observe(MR_M_handler_seconds, NULL, 0.0011);
    mr_metric_observe(MR_M_handler_seconds, NULL, 0.5);
    mr_metric_observe(MR_M_handler_seconds, NULL, 60);
    mr_metric_observe(MR_M_handler_seconds, NULL, 61);
    mr_metric_observe(MR_M_handler_seconds, NULL, -3); /* counts as 0 */
    mr_metric_observe(MR_M_handler_seconds, NULL, NAN);
    mr_metric_observe(MR_M_handler_seconds, NULL, INFINITY);
    print_own();
}

static void histograms_exactly(void **state)
{
    (void)state;
    assert_string_equal(text_after(update_histogram),
                        "# HELP mr_consumer_handler_seconds Time of one handler call.\n"
                        "# TYPE mr_consumer_handler_seconds histogram\n"
                        "mr_consumer_handler_seconds_bucket{le=\"0.001\"} 2\n"
                        "mr_consumer_handler_seconds_bucket{le=\"0.0025\"} 3\n"
                        "mr_consumer_handler_seconds_bucket{le=\"0.005\"} 3\n"
                        "mr_consumer_handler_seconds_bucket{le=\"0.01\"} 3\n"
                        "mr_consumer_handler_seconds_bucket{le=\"0.025\"} 3\n"
                        "mr_consumer_handler_seconds_bucket{le=\"0.05\"} 3\n"
                        "mr_consumer_handler_seconds_bucket{le=\"0.1\"} 3\n"
                        "mr_consumer_handler_seconds_bucket{le=\"0.25\"} 3\n"
                        "mr_consumer_handler_seconds_bucket{le=\"0.5\"} 4\n"
                        "mr_consumer_handler_seconds_bucket{le=\"1\"} 4\n"
                        "mr_consumer_handler_seconds_bucket{le=\"2.5\"} 4\n"
                        "mr_consumer_handler_seconds_bucket{le=\"5\"} 4\n"
                        "mr_consumer_handler_seconds_bucket{le=\"10\"} 4\n"
                        "mr_consumer_handler_seconds_bucket{le=\"30\"} 4\n"
                        "mr_consumer_handler_seconds_bucket{le=\"60\"} 5\n"
                        "mr_consumer_handler_seconds_bucket{le=\"+Inf\"} 6\n"
                        "mr_consumer_handler_seconds_sum 121.5021\n"
                        "mr_consumer_handler_seconds_count 6\n");
}

static void update_labelled_histogram(void *ctx)
{
    (void)ctx;
    mr_metric_observe(MR_M_http_seconds, "GET /files", 2);
    print_own();
}

static void a_label_stands_before_the_bound(void **state)
{
    (void)state;
    const char *text = text_after(update_labelled_histogram);
    assert_non_null(strstr(text, "\nmr_http_request_seconds_bucket{route=\"GET /files\",le=\"1\"} 0\n"));
    assert_non_null(strstr(text, "\nmr_http_request_seconds_sum{route=\"GET /files\"} 2\n"));
    assert_non_null(strstr(text, "\nmr_http_request_seconds_count{route=\"GET /files\"} 1\n"));
}

static void update_odd_labels(void *ctx)
{
    (void)ctx;
    mr_metric_add(MR_M_records, "a\\b\"c\nd", 1);
    print_own();
}

static void labels_are_escaped(void **state)
{
    (void)state;
    assert_non_null(strstr(text_after(update_odd_labels), "{topic=\"a\\\\b\\\"c\\nd\"} 1\n"));
}

static void update_too_many_labels(void *ctx)
{
    (void)ctx;
    for (int round = 0; round < 2; round++) {
        for (int i = 0; i < 250; i++) {
            char label[16];
            snprintf(label, sizeof(label), "t%d", i);
            mr_metric_add(MR_M_records, label, 1);
        }
    }
    print_own();
}

static void too_many_labels_count_as_other(void **state)
{
    (void)state;
    const char *text = text_after(update_too_many_labels);
    int lines = 0;
    for (const char *p = text; (p = strstr(p, "{topic=")); p++)
        lines++;
    assert_int_equal(lines, 201);
    assert_non_null(strstr(text, "{topic=\"t199\"} 2\n"));
    assert_null(strstr(text, "\"t200\""));
    assert_non_null(strstr(text, "{topic=\"other\"} 100\n"));
}

static void update_and_forget(void *ctx)
{
    (void)ctx;
    mr_metric_set(MR_M_consumer_lag, "a/0", 1);
    mr_metric_set(MR_M_consumer_lag, "a/1", 2);
    mr_metric_forget(MR_M_consumer_lag, "a/0");
    mr_metric_forget(MR_M_consumer_lag, "a/7");
    print_own();
}

static void what_is_gone_can_be_forgotten(void **state)
{
    (void)state;
    const char *text = text_after(update_and_forget);
    assert_null(strstr(text, "a/0"));
    assert_non_null(strstr(text, "{partition=\"a/1\"} 2\n"));
}

enum { THREADS = 4, EACH = 5000 };

static void *update_many(void *ctx)
{
    (void)ctx;
    for (int i = 0; i < EACH; i++) {
        char label[16];
        snprintf(label, sizeof(label), "t%d", i % 7);
        mr_metric_add(MR_M_http_shed, NULL, 1);
        mr_metric_add(MR_M_records, label, 1);
        mr_metric_observe(MR_M_handler_seconds, NULL, 0.25);
        mr_metric_set(MR_M_consumer_lag, label, i);
        if (i % 100 == 0)
            mr_metric_forget(MR_M_consumer_lag, label);
    }
    return NULL;
}

static void update_from_threads(void *ctx)
{
    (void)ctx;
    pthread_t threads[THREADS];
    struct mr_buf text;
    mr_buf_init(&text, 1 << 20);
    for (int i = 0; i < THREADS; i++)
        pthread_create(&threads[i], NULL, update_many, NULL);
    for (int i = 0; i < 20; i++) {
        mr_buf_reset(&text);
        if (mr_metrics_text(&text) != MR_OK)
            abort();
    }
    for (int i = 0; i < THREADS; i++)
        pthread_join(threads[i], NULL);
    mr_buf_free(&text);
    print_own();
}

static void no_update_is_lost_between_threads(void **state)
{
    (void)state;
    const char *text = text_after(update_from_threads);
    assert_non_null(strstr(text, "\nmr_http_shed_total 20000\n"));
    assert_non_null(strstr(text, "\nmr_consumer_handler_seconds_count 20000\n"));
    assert_non_null(strstr(text, "\nmr_consumer_handler_seconds_sum 5000\n"));
    long sum = 0;
    for (const char *p = text; (p = strstr(p, "mr_consumer_records_total{")); p++)
        sum += strtol(strchr(p, ' '), NULL, 10);
    assert_int_equal(sum, THREADS * EACH);
}

static double value_of(const char *text, const char *name)
{
    char line[64];
    snprintf(line, sizeof(line), "\n%s ", name);
    const char *at = strstr(text, line);
    assert_non_null(at);
    return strtod(at + strlen(line), NULL);
}

static void the_process_is_measured(void **state)
{
    (void)state;
    struct mr_buf text;
    mr_buf_init(&text, 1 << 20);
    assert_int_equal(mr_metrics_text(&text), MR_OK);
    double now = (double)mr_wall_us() / 1e6;
    double started = value_of(text.data, "process_start_time_seconds");
    assert_true(started > now - 600 && started < now + 1);
    assert_true(value_of(text.data, "process_resident_memory_bytes") > 1e6);
    assert_true(value_of(text.data, "process_virtual_memory_bytes") > 1e6);
    assert_true(value_of(text.data, "process_cpu_seconds_total") >= 0);
    assert_true(value_of(text.data, "process_max_fds") >= 3);
    double fds = value_of(text.data, "process_open_fds");
    int extra = dup(0);
    mr_buf_reset(&text);
    assert_int_equal(mr_metrics_text(&text), MR_OK);
    assert_true(value_of(text.data, "process_open_fds") == fds + 1);
    close(extra);
    mr_buf_free(&text);
}

static void update_and_fill(void *ctx)
{
    (void)ctx;
    struct mr_buf text;
    enum mr_status status = MR_FAIL;
    update_counters(NULL);
    update_histogram(NULL);
    for (size_t max = 0; status != MR_OK; max++) {
        mr_buf_init(&text, max);
        status = mr_metrics_text(&text);
        mr_buf_free(&text);
    }
}

/* The text is refused whole at every ceiling that is too small. */
static void every_ceiling(void **state)
{
    (void)state;
    text_after(update_and_fill);
}

static void print_markdown(void *ctx)
{
    (void)ctx;
    mr_metrics_markdown(stdout);
}

static void markdown_has_every_metric(void **state)
{
    (void)state;
    const char *text = text_after(print_markdown);
#define MR_METRIC(kind, id, name, label, prose) assert_non_null(strstr(text, "| `" name "` | "));
#include "metrics/metrics.def"
#undef MR_METRIC
    assert_non_null(
        strstr(text, "| `mr_http_requests_total` | counter | `status` | Requests answered, by status. |\n"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_was_not_touched_is_not_there),
        cmocka_unit_test(counters_and_gauges_exactly),
        cmocka_unit_test(histograms_exactly),
        cmocka_unit_test(a_label_stands_before_the_bound),
        cmocka_unit_test(labels_are_escaped),
        cmocka_unit_test(too_many_labels_count_as_other),
        cmocka_unit_test(what_is_gone_can_be_forgotten),
        cmocka_unit_test(no_update_is_lost_between_threads),
        cmocka_unit_test(the_process_is_measured),
        cmocka_unit_test(every_ceiling),
        cmocka_unit_test(markdown_has_every_metric),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
