#include "events.h"

#include "event/headers.h"

static void expect(const struct mr_headers *h, const char *name, const char *value)
{
    assert_span(mr_headers_get(h, name), mr_span_of(value));
}

static void test_an_event_has_its_headers(void **state)
{
    (void)state;
    struct mr_headers h;
    const char *trace = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
    mr_headers_init(&h);
    assert_int_equal(
        mr_headers_event(&h, "io.millrace.FileUploaded", "mr-upload", test_uuid(7), 1767225600123456, trace),
        MR_OK);
    assert_int_equal(h.n, 7);
    expect(&h, "ce_id", "0190163d-8694-739b-aea5-960000000007");
    expect(&h, "ce_type", "io.millrace.FileUploaded");
    expect(&h, "ce_source", "/millrace/mr-upload");
    expect(&h, "ce_specversion", "1.0");
    expect(&h, "ce_time", "2026-01-01T00:00:00.123456Z");
    expect(&h, "content-type", "application/avro");
    expect(&h, "traceparent", trace);
    assert_span(mr_headers_get(&h, "nothing"), (struct mr_span){NULL, 0});
}

static bool is_trace(const char *t)
{
    return strlen(t) == 55 && memcmp(t, "00-", 3) == 0 && t[35] == '-' && t[52] == '-' &&
           strspn(t + 3, "0123456789abcdef") == 32 && strspn(t + 36, "0123456789abcdef") == 16 &&
           strcmp(t + 53, "01") == 0;
}

static void test_traces(void **state)
{
    (void)state;
    char one[MR_TRACEPARENT_SIZE];
    char two[MR_TRACEPARENT_SIZE];
    mr_traceparent_new(one);
    mr_traceparent_new(two);
    assert_true(is_trace(one));
    assert_true(is_trace(two));
    assert_string_not_equal(one, two);
    mr_traceparent_child(mr_span_of(one), two);
    assert_true(is_trace(two));
    assert_memory_equal(one, two, 35);
    assert_string_not_equal(one, two);
    static const char *const malformed[] = {
        "",
        "00-",
        "00-4BF92F3577B34DA6A3CE929D0E0E4736-00f067aa0ba902b7-01",
        "00-00000000000000000000000000000000-00f067aa0ba902b7-01",
        "00-4bf92f3577b34da6a3ce929d0e0e4736-0000000000000000-01",
        "ff-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
        "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01-more",
        "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-0x",
    };
    for (size_t i = 0; i < sizeof malformed / sizeof malformed[0]; i++) {
        struct mr_headers h;
        mr_traceparent_child(mr_span_of(malformed[i]), two);
        assert_true(is_trace(two));
        mr_headers_init(&h);
        assert_int_equal(mr_headers_event(&h, "t", "p", test_uuid(1), 0, malformed[i]), MR_OK);
        struct mr_span made = mr_headers_get(&h, "traceparent");
        assert_int_equal(made.len, 55);
        assert_false(mr_span_is(made, malformed[i]));
    }
}

static void test_a_set_has_room_for_so_many(void **state)
{
    (void)state;
    struct mr_headers h;
    char big[2048];
    memset(big, 'x', sizeof big);
    mr_headers_init(&h);
    for (int i = 0; i < MR_HEADERS_MAX; i++) {
        assert_int_equal(mr_headers_add(&h, "n", mr_span_of("v")), MR_OK);
    }
    assert_int_equal(mr_headers_add(&h, "n", mr_span_of("v")), MR_FAIL);
    mr_headers_init(&h);
    assert_int_equal(mr_headers_add(&h, "n", (struct mr_span){big, sizeof big}), MR_OK);
    assert_int_equal(mr_headers_add(&h, "n", mr_span_of("v")), MR_FAIL);
    assert_int_equal(mr_headers_add(&h, "n", (struct mr_span){NULL, 0}), MR_OK);
    assert_int_equal(h.n, 2);
}

static void test_json_and_back(void **state)
{
    (void)state;
    struct mr_headers h;
    struct mr_headers back;
    struct mr_error err;
    struct mr_buf json;
    mr_buf_init(&json, 10000);
    mr_headers_init(&h);
    assert_int_equal(mr_headers_add(&h, "ce_id", mr_span_of("ä \"quoted\" \\ \n")), MR_OK);
    assert_int_equal(mr_headers_add(&h, "empty", mr_span_of("")), MR_OK);
    assert_int_equal(mr_headers_to_json(&h, &json), MR_OK);
    assert_int_equal(mr_headers_from_json(&back, mr_buf_span(&json), &err), MR_OK);
    memset(json.data, 0, json.len); /* the set owns its text */
    assert_int_equal(back.n, 2);
    expect(&back, "ce_id", "ä \"quoted\" \\ \n");
    expect(&back, "empty", "");
    mr_buf_free(&json);

    mr_headers_init(&h);
    assert_int_equal(mr_headers_add(&h, "null", (struct mr_span){NULL, 0}), MR_OK);
    assert_int_equal(mr_headers_to_json(&h, &json), MR_FAIL);
    mr_headers_init(&h);
    assert_int_equal(mr_headers_add(&h, "binary", mr_span_of("\xff\xfe")), MR_OK);
    assert_int_equal(mr_headers_to_json(&h, &json), MR_FAIL);
}

static void test_json_that_is_none(void **state)
{
    (void)state;
    static const char *const bad[] = {
        "", "[]", "\"x\"", "{\"a\":1}", "{\"a\":null}", "{\"a\":\"b\",\"a\":\"c\"}", "{"};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        struct mr_headers h;
        struct mr_error err = {0};
        assert_int_equal(mr_headers_from_json(&h, mr_span_of(bad[i]), &err), MR_FAIL);
        assert_int_equal(err.class, MR_CLASS_REJECT);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_an_event_has_its_headers),   cmocka_unit_test(test_traces),
        cmocka_unit_test(test_a_set_has_room_for_so_many), cmocka_unit_test(test_json_and_back),
        cmocka_unit_test(test_json_that_is_none),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
