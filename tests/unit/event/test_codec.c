#include "events.h"
#include "vectors.h"

static struct mr_codec *codec;

static int open_codec(void **state)
{
    (void)state;
    codec = test_codec();
    return 0;
}

static int close_codec(void **state)
{
    (void)state;
    mr_codec_close(&codec);
    assert_null(codec);
    return 0;
}

static void know(uint32_t id, const char *schema)
{
    struct mr_error err;
    if (mr_codec_know(codec, id, schema, &err) != MR_OK) {
        fail_msg("%s", err.text);
    }
}

static void expect_uploaded(const char *hex, const struct mr_file_uploaded *want)
{
    struct mr_error err;
    struct mr_file_uploaded got;
    struct mr_span bytes = test_unhex(hex);
    if (mr_decode_file_uploaded(codec, bytes, &got, &err) != MR_OK) {
        fail_msg("%s", err.text);
    }
    assert_uploaded(&got, want);
    free((void *)bytes.p);
}

static void expect_processed(const char *hex, const struct mr_file_processed *want)
{
    struct mr_error err;
    struct mr_file_processed got;
    struct mr_span bytes = test_unhex(hex);
    if (mr_decode_file_processed(codec, bytes, &got, &err) != MR_OK) {
        fail_msg("%s", err.text);
    }
    assert_processed(&got, want);
    free((void *)bytes.p);
}

static void rejects(const char *bytes, size_t n, const char *why)
{
    struct mr_error err = {0};
    struct mr_file_uploaded e;
    char *exact = malloc(n ? n : 1); /* so that a sanitizer sees a read past the end */
    assert_non_null(exact);
    memcpy(exact, bytes, n);
    assert_int_equal(mr_decode_file_uploaded(codec, (struct mr_span){exact, n}, &e, &err), MR_FAIL);
    assert_int_equal(err.class, MR_CLASS_REJECT);
    if (!strstr(err.text, why)) {
        fail_msg("\"%s\" does not say \"%s\"", err.text, why);
    }
    free(exact);
}

static void test_encodes_what_fastavro_encodes(void **state)
{
    (void)state;
    struct mr_error err;
    struct mr_buf out;
    struct mr_file_uploaded up = test_uploaded();
    struct mr_file_processed done = test_processed();
    struct mr_span want_up = test_unhex(uploaded_hex);
    struct mr_span want_done = test_unhex(processed_hex);
    mr_buf_init(&out, MR_EVENT_BYTES_MAX);
    assert_int_equal(mr_codec_set_topic(codec, MR_EVENT_FILE_UPLOADED, "file.uploaded", UPLOADED_ID, &err),
                     MR_OK);
    assert_int_equal(mr_codec_set_topic(codec, MR_EVENT_FILE_PROCESSED, "file.processed", PROCESSED_ID, &err),
                     MR_OK);

    assert_int_equal(mr_encode_file_uploaded(codec, "file.uploaded", &up, &out, &err), MR_OK);
    assert_span(mr_buf_span(&out), want_up);
    mr_buf_reset(&out);
    assert_int_equal(mr_encode_file_processed(codec, "file.processed", &done, &out, &err), MR_OK);
    assert_span(mr_buf_span(&out), want_done);

    expect_uploaded(uploaded_hex, &up);
    expect_processed(processed_hex, &done);
    free((void *)want_up.p);
    free((void *)want_done.p);
    mr_buf_free(&out);
}

static void test_skips_what_it_does_not_know(void **state)
{
    (void)state;
    struct mr_file_uploaded up = test_uploaded();
    struct mr_file_processed done = test_processed();
    know(WIDER_UPLOADED_ID, wider_uploaded_schema);
    know(WIDER_PROCESSED_ID, wider_processed_schema);
    expect_uploaded(wider_uploaded_hex, &up);
    expect_processed(wider_processed_hex, &done);
}

static void test_promotes_and_takes_defaults(void **state)
{
    (void)state;
    struct mr_file_uploaded up = test_uploaded();
    up.origin = mr_span_of("UPLOAD");
    know(NARROWER_UPLOADED_ID, narrower_uploaded_schema);
    expect_uploaded(narrower_uploaded_hex, &up);
}

static void test_one_event_is_not_another(void **state)
{
    (void)state;
    struct mr_error err;
    struct mr_file_uploaded e;
    struct mr_span bytes = test_unhex(processed_hex);
    know(PROCESSED_ID, processed_schema);
    assert_int_equal(mr_decode_file_uploaded(codec, bytes, &e, &err), MR_FAIL);
    assert_int_equal(err.class, MR_CLASS_REJECT);
    assert_non_null(strstr(err.text, "not of record FileUploaded"));
    free((void *)bytes.p);
}

static void test_frames(void **state)
{
    (void)state;
    struct mr_error err;
    struct mr_file_uploaded e;
    know(UPLOADED_ID, uploaded_schema);
    rejects("", 0, "has no room");
    rejects("\0\0\0\0", 4, "has no room");
    rejects("{\"a\":1}", 7, "first byte is 0x7b");
    rejects("\0\0\0\0\x07", 5, "end inside a number");
    rejects("\0\xff\xff\xff\xff\0", 6, "schema id 4294967295 is not known");
    assert_int_equal(mr_decode_file_uploaded(codec, (struct mr_span){NULL, 0}, &e, &err), MR_FAIL);
    assert_int_equal(err.class, MR_CLASS_REJECT);
}

/* The shortest record that reaches what is tested: every field up to `version` as it should be. */
static size_t head(char *out, size_t n_uuids)
{
    struct mr_span whole = test_unhex(uploaded_hex);
    size_t at = 5 + 37 + 8 + n_uuids * 37;
    memcpy(out, whole.p, at);
    free((void *)whole.p);
    return at;
}

static void expect_after_head(const char *bytes, size_t n, const char *why)
{
    char value[1024];
    size_t at = head(value, 2);
    memcpy(value + at, bytes, n);
    rejects(value, at + n, why);
}

static void test_hostile_numbers_and_lengths(void **state)
{
    (void)state;
    know(UPLOADED_ID, uploaded_schema);
    /* The timestamp takes 8 bytes in the vector, which head() counts on. */
    expect_after_head("\x00", 1, "field version: a number below what it can be");
    expect_after_head("\x01", 1, "field version: a number below");
    expect_after_head("\xff\xff\xff\xff\xff\xff\xff\xff\xff\x02", 10, "more than 64 bits");
    expect_after_head("\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01", 11, "more than 64 bits");
    expect_after_head("\x80", 1, "end inside a number");
    expect_after_head("\x02\x01", 2, "field owner_id: a negative length");
    expect_after_head("\x02\x49", 2, "field owner_id: a negative length");
    expect_after_head("\x02\x7f", 2, "field owner_id: a negative length");
    expect_after_head("\x02\x7e", 2, "field owner_id: a length past the end");
    expect_after_head("\x02\xfe\xff\xff\xff\xff\xff\xff\xff\xff\x01", 11,
                      "field owner_id: a length past the end");
    expect_after_head("\x02\x08xxxx", 6, "field owner_id: text that is no UUID");
}

static void test_every_truncation_and_every_tail(void **state)
{
    (void)state;
    struct mr_span whole = test_unhex(uploaded_hex);
    char *longer = malloc(whole.len + 1);
    assert_non_null(longer);
    know(UPLOADED_ID, uploaded_schema);
    for (size_t n = 0; n < whole.len; n++) {
        rejects(whole.p, n, "");
    }
    memcpy(longer, whole.p, whole.len);
    longer[whole.len] = 0;
    rejects(longer, whole.len + 1, "1 bytes follow");
    free(longer);
    free((void *)whole.p);
}

static void test_strings_are_utf8(void **state)
{
    (void)state;
    struct mr_span whole = test_unhex(uploaded_hex);
    char *bytes = (char *)whole.p;
    know(UPLOADED_ID, uploaded_schema);
    char *slash = memmem(bytes, whole.len, "/Fotos", 6);
    assert_non_null(slash);
    static const char *const bad[] = {"\xff", "\xc0\xaf", "\xed\xa0\x80", "\xf4\x90\x80\x80", "\xe2\x82"};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        memcpy(slash, "/Fotos", 6);
        memcpy(slash + 1, bad[i], strlen(bad[i]));
        rejects(bytes, whole.len, "field path: a string that is not UTF-8");
    }
    free(bytes);
}

static void refuses_to_encode(struct mr_file_uploaded e, const char *why)
{
    struct mr_error err = {0};
    struct mr_buf out;
    mr_buf_init(&out, MR_EVENT_BYTES_MAX);
    assert_int_equal(mr_buf_puts(&out, "before"), MR_OK);
    assert_int_equal(mr_encode_file_uploaded(codec, "file.uploaded", &e, &out, &err), MR_FAIL);
    assert_int_equal(err.class, MR_CLASS_REJECT);
    if (!strstr(err.text, why)) {
        fail_msg("\"%s\" does not say \"%s\"", err.text, why);
    }
    assert_int_equal(out.len, 6);
    mr_buf_free(&out);
}

static void test_encoding_has_the_same_limits(void **state)
{
    (void)state;
    struct mr_error err;
    static char big[MR_EVENT_STRING_MAX + 1];
    memset(big, 'x', sizeof big);
    assert_int_equal(mr_codec_set_topic(codec, MR_EVENT_FILE_UPLOADED, "file.uploaded", 7, &err), MR_OK);
    struct mr_file_uploaded e = test_uploaded();
    e.version = 0;
    refuses_to_encode(e, "version");
    e = test_uploaded();
    e.size = -1;
    refuses_to_encode(e, "size");
    e = test_uploaded();
    e.path = mr_span_of("\xff");
    refuses_to_encode(e, "not UTF-8");
    e = test_uploaded();
    e.path = (struct mr_span){big, sizeof big};
    refuses_to_encode(e, "too long");
}

static void test_encoding_needs_a_topic(void **state)
{
    (void)state;
    struct mr_error err;
    struct mr_buf out;
    struct mr_file_uploaded e = test_uploaded();
    mr_buf_init(&out, 1000);
    assert_int_equal(mr_encode_file_uploaded(codec, "file.backfill", &e, &out, &err), MR_FAIL);
    assert_int_equal(err.class, MR_CLASS_FATAL);
    mr_buf_free(&out);
}

static void test_too_many_attributes(void **state)
{
    (void)state;
    struct mr_error err;
    struct mr_buf out;
    struct mr_file_processed e = test_processed();
    mr_buf_init(&out, MR_EVENT_BYTES_MAX);
    assert_int_equal(mr_codec_set_topic(codec, MR_EVENT_FILE_PROCESSED, "file.processed", PROCESSED_ID, &err),
                     MR_OK);
    e.n_attributes = 0;
    assert_int_equal(mr_encode_file_processed(codec, "file.processed", &e, &out, &err), MR_OK);
    struct mr_file_processed got;
    assert_int_equal(mr_decode_file_processed(codec, mr_buf_span(&out), &got, &err), MR_OK);
    assert_int_equal(got.n_attributes, 0);

    /* The map's end is the last byte; a block of 33 entries, and one of a negative count, stand in its place.
     */
    out.len--;
    assert_int_equal(mr_buf_add(&out, "\x42", 1), MR_OK);
    assert_int_equal(mr_decode_file_processed(codec, mr_buf_span(&out), &got, &err), MR_FAIL);
    assert_non_null(strstr(err.text, "too many attributes"));
    out.len--;
    assert_int_equal(mr_buf_add(&out, "\x01\x08\x02k\x02v\x00", 7), MR_OK);
    assert_int_equal(mr_decode_file_processed(codec, mr_buf_span(&out), &got, &err), MR_OK);
    assert_int_equal(got.n_attributes, 1);
    assert_span(got.attributes[0].value, mr_span_of("v"));
    out.len -= 7;
    assert_int_equal(mr_buf_add(&out, "\x01\x0a\x02k\x02v\x00", 7), MR_OK);
    assert_int_equal(mr_decode_file_processed(codec, mr_buf_span(&out), &got, &err), MR_FAIL);
    assert_non_null(strstr(err.text, "not as long as it says"));
    mr_buf_free(&out);
}

static void test_hostile_schemas_are_remembered(void **state)
{
    (void)state;
    struct mr_error err;
    assert_int_equal(mr_codec_know(codec, 99, "{\"type\":\"record\"}", &err), MR_FAIL);
    assert_int_equal(err.class, MR_CLASS_REJECT);
    rejects("\0\0\0\0\x63zzz", 8, "schema id 99: not an Avro schema");
    know(98, "\"string\"");
    rejects("\0\0\0\0\x62zzz", 8, "of string");
    know(97, "{\"type\":\"record\",\"name\":\"FileUploaded\",\"fields\":[]}");
    rejects("\0\0\0\0\x61", 5, "field event_id is missing and has no default");
    know(96, "{\"type\":\"record\",\"name\":\"FileUploaded\",\"fields\":[{\"name\":\"size\",\"type\":"
             "\"double\"}]}");
    rejects("\0\0\0\0\x60", 5, "field size has a type that does not fit");
}

/* Skipping: what costs no bytes may not cost time, and what is nested may not cost stack. */
static void test_bombs_in_unknown_fields(void **state)
{
    (void)state;
    know(95, "{\"type\":\"record\",\"name\":\"FileUploaded\",\"fields\":["
             "{\"name\":\"x\",\"type\":{\"type\":\"array\",\"items\":\"null\"}},"
             "{\"name\":\"y\",\"type\":{\"type\":\"record\",\"name\":\"R\",\"fields\":["
             "{\"name\":\"n\",\"type\":[\"null\",\"R\"]}]}},"
             "{\"name\":\"z\",\"type\":{\"type\":\"record\",\"name\":\"S\",\"fields\":[{\"name\":\"s\","
             "\"type\":\"S\"}]}},"
             "{\"name\":\"event_id\",\"type\":\"string\"},{\"name\":\"occurred_at\",\"type\":\"long\"},"
             "{\"name\":\"upload_id\",\"type\":\"string\"},{\"name\":\"file_id\",\"type\":\"string\"},"
             "{\"name\":\"version\",\"type\":\"long\"},{\"name\":\"owner_id\",\"type\":\"string\"},"
             "{\"name\":\"user_id\",\"type\":\"string\"},{\"name\":\"path\",\"type\":\"string\"},"
             "{\"name\":\"size\",\"type\":\"long\"},{\"name\":\"content_type\",\"type\":\"string\"},"
             "{\"name\":\"content_hash\",\"type\":{\"type\":\"fixed\",\"name\":\"Sha256\",\"size\":32}},"
             "{\"name\":\"s3_bucket\",\"type\":\"string\"},{\"name\":\"s3_key\",\"type\":\"string\"},"
             "{\"name\":\"s3_etag\",\"type\":\"string\"}]}");
    rejects("\0\0\0\0\x5f\xfe\xff\xff\xff\xff\xff\xff\xff\xff\x01", 15,
            "more values than its bytes can hold");
    rejects("\0\0\0\0\x5f\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01", 15, "end inside a number");
    rejects("\0\0\0\0\x5f\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01\x00", 16, "a block past the end");
    rejects("\0\0\0\0\x5f\x01\x01", 7, "a block past the end");
    rejects("\0\0\0\0\x5f\x01\x02", 7, "a block past the end");
    rejects("\0\0\0\0\x5f\x00\x04", 7, "an index that the schema does not have");
    rejects("\0\0\0\0\x5f\x00\x01", 7, "an index that the schema does not have");
    char deep[200] = "\0\0\0\0\x5f\x00";
    memset(deep + 6, 2, sizeof deep - 6);
    rejects(deep, sizeof deep, "field y: values nested too deep");
    rejects("\0\0\0\0\x5f\x00\x00", 7, "field z: values nested too deep");
}

static void test_schemas_at_open(void **state)
{
    (void)state;
    struct mr_error err;
    struct mr_codec *other;
    assert_int_equal(mr_codec_open("/nonexistent", NULL, &other, &err), MR_FAIL);
    assert_int_equal(err.class, MR_CLASS_FATAL);
    assert_null(other);
    assert_non_null(strstr(err.text, "/nonexistent/FileUploaded.avsc"));
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, open_codec, close_codec)
    const struct CMUnitTest tests[] = {
        T(test_encodes_what_fastavro_encodes),
        T(test_skips_what_it_does_not_know),
        T(test_promotes_and_takes_defaults),
        T(test_one_event_is_not_another),
        T(test_frames),
        T(test_hostile_numbers_and_lengths),
        T(test_every_truncation_and_every_tail),
        T(test_strings_are_utf8),
        T(test_encoding_has_the_same_limits),
        T(test_encoding_needs_a_topic),
        T(test_too_many_attributes),
        T(test_hostile_schemas_are_remembered),
        T(test_bombs_in_unknown_fields),
        T(test_schemas_at_open),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
