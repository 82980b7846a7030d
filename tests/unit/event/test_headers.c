/* Headers of a record: what a set keeps, which trace goes on, and the way through the database's JSON. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "event/headers.h"

#define TRACE "0af7651916cd43dd8448eb211c80319c"
#define SPAN  "b7ad6b7169203331"

static struct mr_headers h;
static struct mr_error err;

static int fresh(void **state)
{
    (void)state;
    mr_headers_init(&h);
    return 0;
}

static bool has(const char *name, const char *value)
{
    return mr_span_is(mr_headers_get(&h, name), value);
}

static void test_the_last_of_a_name_counts(void **state)
{
    (void)state;
    assert_null(mr_headers_get(&h, "a").p);
    char value[] = "first";
    assert_int_equal(mr_headers_add(&h, "a", mr_span_of(value)), MR_OK);
    memset(value, 'x', sizeof value - 1); /* it was copied */
    assert_true(has("a", "first"));
    assert_int_equal(mr_headers_add(&h, "a", mr_span_of("second")), MR_OK);
    assert_true(has("a", "second"));
    assert_int_equal(mr_headers_add(&h, "a", (struct mr_span){NULL, 0}), MR_OK);
    assert_null(mr_headers_get(&h, "a").p);
    assert_null(mr_headers_get(&h, "A").p);
}

static void test_a_full_set_takes_no_more(void **state)
{
    (void)state;
    for (int i = 0; i < MR_HEADERS_MAX; i++)
        assert_int_equal(mr_headers_add(&h, "n", mr_span_of("v")), MR_OK);
    assert_int_equal(mr_headers_add(&h, "n", mr_span_of("v")), MR_FAIL);
    assert_int_equal(h.n, MR_HEADERS_MAX);
    mr_headers_init(&h);
    static char large[sizeof h.store];
    assert_int_equal(mr_headers_add(&h, "n", (struct mr_span){large, sizeof large - 1}), MR_OK);
    assert_int_equal(mr_headers_add(&h, "n", mr_span_of("vv")), MR_FAIL);
    assert_int_equal(mr_headers_add(&h, "n", mr_span_of("v")), MR_OK);
}

static bool is_new_trace(struct mr_span t)
{
    return t.len == MR_TRACEPARENT_SIZE - 1 && memcmp(t.p, "00-", 3) == 0 &&
           memcmp(t.p + 3, TRACE, 32) != 0 && memcmp(t.p + 52, "-01", 3) == 0;
}

static void test_an_event_bears_what_cloudevents_wants(void **state)
{
    (void)state;
    struct mr_uuid id;
    const char *const text = "0190a7f0-1b2c-7def-8123-456789abcdef";
    assert_true(mr_uuid_parse(mr_span_of(text), &id));
    assert_int_equal(mr_headers_event(&h, "io.millrace.FileUploaded", "mr-upload", id, 1700000000123456,
                                      "00-" TRACE "-" SPAN "-00"),
                     MR_OK);
    assert_int_equal(h.n, 7);
    assert_true(has("ce_id", text));
    assert_true(has("ce_type", "io.millrace.FileUploaded"));
    assert_true(has("ce_source", "/millrace/mr-upload"));
    assert_true(has("ce_specversion", "1.0"));
    assert_int_equal(strncmp(mr_headers_get(&h, "ce_time").p, "2023-11-14T22:13:20.123", 23), 0);
    assert_true(has("content-type", "application/avro"));
    assert_true(has("traceparent", "00-" TRACE "-" SPAN "-00"));
}

static void test_a_wrong_trace_is_replaced(void **state)
{
    (void)state;
    const char *const wrong[] = {NULL,
                                 "",
                                 "00-" TRACE "-" SPAN,
                                 "01-" TRACE "-" SPAN "-01",
                                 "00-" TRACE "-" SPAN "-01-x",
                                 "00-0AF7651916CD43DD8448EB211C80319C-" SPAN "-01",
                                 "00-00000000000000000000000000000000-" SPAN "-01",
                                 "00-" TRACE "-0000000000000000-01",
                                 "00-" TRACE "-" SPAN "\r\n1"};
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        mr_headers_init(&h);
        assert_int_equal(mr_headers_event(&h, "t", "p", (struct mr_uuid){{0}}, 0, wrong[i]), MR_OK);
        assert_true(is_new_trace(mr_headers_get(&h, "traceparent")));
    }
}

/* Flags of which we know one bit; a later specification may set others. */
static void test_flags_that_are_not_known_yet(void **state)
{
    (void)state;
    const char *const trace = "00-" TRACE "-" SPAN "-0f";
    assert_int_equal(mr_headers_event(&h, "t", "p", (struct mr_uuid){{0}}, 0, trace), MR_OK);
    assert_true(has("traceparent", trace));
}

static void test_a_child_keeps_the_trace(void **state)
{
    (void)state;
    char child[MR_TRACEPARENT_SIZE], other[MR_TRACEPARENT_SIZE];
    mr_traceparent_child(mr_span_of("00-" TRACE "-" SPAN "-00"), child);
    mr_traceparent_child(mr_span_of("00-" TRACE "-" SPAN "-00"), other);
    assert_int_equal(strlen(child), MR_TRACEPARENT_SIZE - 1);
    assert_memory_equal(child, "00-" TRACE "-", 36);
    assert_memory_not_equal(child + 36, SPAN, 16);
    assert_memory_not_equal(child + 36, other + 36, 16);
    assert_string_equal(child + 52, "-00");
    mr_traceparent_child(mr_span_of("nonsense"), child);
    assert_true(is_new_trace(mr_span_of(child)));
}

static void test_json_and_back(void **state)
{
    (void)state;
    struct mr_buf json;
    mr_buf_init(&json, 1 << 16);
    assert_int_equal(mr_headers_add(&h, "ce_id", mr_span_of("old")), MR_OK);
    assert_int_equal(mr_headers_add(&h, "note", mr_span_of("\"quoted\" \xc3\xab \\ \n")), MR_OK);
    assert_int_equal(mr_headers_add(&h, "ce_id", mr_span_of("new")), MR_OK);
    assert_int_equal(mr_headers_add(&h, "empty", mr_span_of("")), MR_OK);
    assert_int_equal(mr_headers_to_json(&h, &json), MR_OK);
    mr_headers_init(&h);
    assert_int_equal(mr_headers_from_json(&h, mr_buf_span(&json), &err), MR_OK);
    memset(json.data, 'x', json.len); /* names and values were copied */
    mr_buf_free(&json);
    assert_int_equal(h.n, 3);
    assert_true(has("ce_id", "new"));
    assert_true(has("note", "\"quoted\" \xc3\xab \\ \n"));
    assert_true(has("empty", ""));
}

static void test_what_is_no_text_is_not_written(void **state)
{
    (void)state;
    struct mr_buf json;
    mr_buf_init(&json, 1 << 16);
    assert_int_equal(mr_headers_add(&h, "n", mr_span_of("\xff")), MR_OK);
    assert_int_equal(mr_headers_to_json(&h, &json), MR_FAIL);
    mr_headers_init(&h);
    assert_int_equal(mr_headers_add(&h, "n", (struct mr_span){NULL, 0}), MR_OK);
    assert_int_equal(mr_headers_to_json(&h, &json), MR_FAIL);
    mr_buf_free(&json);
}

static void test_other_json_is_refused(void **state)
{
    (void)state;
    const char *const bad[] = {"",
                               "[]",
                               "\"a\"",
                               "{\"a\":1}",
                               "{\"a\":null}",
                               "{\"a\":{}}",
                               "{\"a\":\"b\"",
                               "null",
                               "{\"a\":\"b\",\"a\":\"c\"}"};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        mr_headers_init(&h);
        if (mr_headers_from_json(&h, mr_span_of(bad[i]), &err) == MR_OK)
            fail_msg("taken: `%s`", bad[i]);
        assert_int_equal(err.class, MR_CLASS_REJECT);
    }
    char many[1024] = "{";
    for (int i = 0; i <= MR_HEADERS_MAX; i++)
        snprintf(many + strlen(many), sizeof many - strlen(many), "\"n%d\":\"v\"%c", i,
                 i < MR_HEADERS_MAX ? ',' : '}');
    assert_int_equal(mr_headers_from_json(&h, mr_span_of(many), &err), MR_FAIL);
    assert_int_equal(err.class, MR_CLASS_REJECT);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(test_the_last_of_a_name_counts, fresh),
        cmocka_unit_test_setup(test_a_full_set_takes_no_more, fresh),
        cmocka_unit_test_setup(test_an_event_bears_what_cloudevents_wants, fresh),
        cmocka_unit_test_setup(test_a_wrong_trace_is_replaced, fresh),
        cmocka_unit_test_setup(test_flags_that_are_not_known_yet, fresh),
        cmocka_unit_test_setup(test_a_child_keeps_the_trace, fresh),
        cmocka_unit_test_setup(test_json_and_back, fresh),
        cmocka_unit_test_setup(test_what_is_no_text_is_not_written, fresh),
        cmocka_unit_test_setup(test_other_json_is_refused, fresh),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
