/* Records taken in: what is an upload, a report, a purge, and what can never be applied. */
#include <stdlib.h>
#include <string.h>

#include "support/cmocka.h"
#include "workers/metadata/item.h"

#define UPLOADED_ID  11
#define PROCESSED_ID 12
#define FILE_ID      "0190b8a4-7c5e-7d3a-8b1f-2a6c9e4d5f70"

static struct mr_codec *codec;
static struct mr_error err;

static int start(void **state)
{
    (void)state;
    if (mr_codec_open(MR_SOURCE_DIR "/schemas", NULL, &codec, &err) != MR_OK ||
        mr_codec_set_topic(codec, MR_EVENT_FILE_UPLOADED, "file.uploaded", UPLOADED_ID, &err) != MR_OK ||
        mr_codec_set_topic(codec, MR_EVENT_FILE_PROCESSED, "file.processed", PROCESSED_ID, &err) != MR_OK)
        fail_msg("%s", err.text);
    return 0;
}

static int stop(void **state)
{
    (void)state;
    mr_codec_close(&codec);
    return 0;
}

static struct mr_uuid file_id(void)
{
    struct mr_uuid id;
    assert_true(mr_uuid_parse(mr_span_of(FILE_ID), &id));
    return id;
}

static struct mr_file_uploaded an_upload(void)
{
    return (struct mr_file_uploaded){
        .occurred_at_us = 1780000000000000,
        .file_id = file_id(),
        .version = 3,
        .path = mr_span_of("/a"),
        .size = 7,
        .content_type = mr_span_of("text/plain"),
        .s3_bucket = mr_span_of("millrace"),
        .s3_key = mr_span_of("objects/a"),
        .s3_etag = mr_span_of("e"),
        .origin = mr_span_of("UPLOAD"),
    };
}

static struct mr_file_processed a_report(void)
{
    return (struct mr_file_processed){
        .file_id = file_id(),
        .version = 3,
        .s3_key = mr_span_of("objects/a"),
        .stage = mr_span_of("SCAN"),
        .outcome = mr_span_of("OK"),
        .attempt = 1,
        .started_at_us = 1780000000000000,
    };
}

static enum mr_status decode(const char *topic, const char *key, struct mr_span value,
                             struct mr_metadata_item *out)
{
    struct mr_metadata_item *item = NULL;
    const struct mr_record r = {
        .topic = topic, .origin_topic = topic, .key = mr_span_of(key), .value = value};
    mr_error_clear(&err);
    enum mr_status status = mr_metadata_decode(codec, &r, &item, &err);
    assert_true((status == MR_OK) == (item != NULL));
    if (item && out)
        *out = *item;
    free(item);
    return status;
}

static enum mr_status decode_upload(const struct mr_file_uploaded *e, const char *key,
                                    struct mr_metadata_item *out)
{
    struct mr_buf bytes;
    mr_buf_init(&bytes, 65536);
    if (mr_encode_file_uploaded(codec, "file.uploaded", e, &bytes, &err) != MR_OK)
        fail_msg("encode: %s", err.text);
    enum mr_status status = decode("file.uploaded", key, mr_buf_span(&bytes), out);
    mr_buf_free(&bytes);
    return status;
}

static enum mr_status decode_report(const struct mr_file_processed *e, struct mr_metadata_item *out)
{
    struct mr_buf bytes;
    mr_buf_init(&bytes, 65536);
    if (mr_encode_file_processed(codec, "file.processed", e, &bytes, &err) != MR_OK)
        fail_msg("encode: %s", err.text);
    enum mr_status status = decode("file.processed", FILE_ID, mr_buf_span(&bytes), out);
    mr_buf_free(&bytes);
    return status;
}

static void refused(enum mr_status status, const char *words)
{
    assert_int_equal(status, MR_FAIL);
    assert_int_equal(err.class, MR_CLASS_REJECT);
    if (!strstr(err.text, words))
        fail_msg("`%s` does not say `%s`", err.text, words);
}

static void takes_uploads_and_reports(void **state)
{
    (void)state;
    struct mr_metadata_item item;
    struct mr_file_uploaded upload = an_upload();
    struct mr_file_processed report = a_report();
    assert_int_equal(decode_upload(&upload, FILE_ID, &item), MR_OK);
    assert_int_equal(item.kind, MR_METADATA_UPLOADED);
    assert_int_equal(item.uploaded.version, 3);
    assert_int_equal(decode_report(&report, &item), MR_OK);
    assert_int_equal(item.kind, MR_METADATA_PROCESSED);
    assert_int_equal(mr_metadata_reported_us(&item.processed), report.started_at_us);
    report.finished_at_us = report.started_at_us + 5;
    assert_int_equal(decode_report(&report, &item), MR_OK);
    assert_int_equal(mr_metadata_reported_us(&item.processed), report.finished_at_us);
}

static void ignores_an_unknown_outcome_and_keeps_an_unknown_stage(void **state)
{
    (void)state;
    struct mr_metadata_item item;
    struct mr_file_processed report = a_report();
    report.outcome = mr_span_of("PONDERING");
    assert_int_equal(decode_report(&report, &item), MR_OK);
    assert_int_equal(item.kind, MR_METADATA_IGNORED);
    report = a_report();
    report.stage = mr_span_of("TRANSCRIBE");
    assert_int_equal(decode_report(&report, &item), MR_OK);
    assert_int_equal(item.kind, MR_METADATA_PROCESSED);
}

static void a_null_value_is_a_purge_of_uploads_only(void **state)
{
    (void)state;
    const struct mr_span null = {NULL, 0};
    struct mr_metadata_item item;
    assert_int_equal(decode("file.uploaded", FILE_ID, null, &item), MR_OK);
    assert_int_equal(item.kind, MR_METADATA_PURGED);
    assert_int_equal(decode("file.backfill", FILE_ID, null, &item), MR_OK);
    refused(decode("file.processed", FILE_ID, null, NULL), "null");
    refused(decode("file.uploaded", "no id", null, NULL), "file_id");
    refused(decode("file.uploaded", FILE_ID, (struct mr_span){"", 0}, NULL), "0 bytes");
    refused(decode("cdc.files", FILE_ID, null, NULL), "cdc.files");
}

static void the_key_is_the_events_file_id(void **state)
{
    (void)state;
    struct mr_file_uploaded upload = an_upload();
    assert_int_equal(decode_upload(&upload, "0190B8A4-7C5E-7D3A-8B1F-2A6C9E4D5F70", NULL), MR_OK);
    refused(decode_upload(&upload, "0190b8a4-7c5e-7d3a-8b1f-2a6c9e4d5f71", NULL), "key");
    refused(decode_upload(&upload, "", NULL), "key");
}

static void what_postgresql_cannot_hold_is_refused(void **state)
{
    (void)state;
    struct mr_file_uploaded upload = an_upload();
    upload.path = (struct mr_span){"/a\0b", 4};
    refused(decode_upload(&upload, FILE_ID, NULL), "path");
    upload.path = mr_span_of("../../etc/passwd");
    refused(decode_upload(&upload, FILE_ID, NULL), "path");
    upload = an_upload();
    upload.occurred_at_us = INT64_MAX;
    refused(decode_upload(&upload, FILE_ID, NULL), "occurred_at");
    upload.occurred_at_us = -1;
    refused(decode_upload(&upload, FILE_ID, NULL), "occurred_at");
    upload = an_upload();
    upload.version = INT64_C(1000000000000000000);
    refused(decode_upload(&upload, FILE_ID, NULL), "version");

    struct mr_file_processed report = a_report();
    report.reason = (struct mr_span){"\0", 1};
    refused(decode_report(&report, NULL), "reason contains a NUL");
    report = a_report();
    report.next_retry_at_us = INT64_MIN;
    refused(decode_report(&report, NULL), "next_retry_at");
    report = a_report();
    report.attributes[0] = (struct mr_attribute){mr_span_of("k"), {"\0", 1}};
    report.n_attributes = 1;
    refused(decode_report(&report, NULL), "attributes");
}

int main(void)
{
    const struct CMUnitTest cases[] = {
        cmocka_unit_test(takes_uploads_and_reports),
        cmocka_unit_test(ignores_an_unknown_outcome_and_keeps_an_unknown_stage),
        cmocka_unit_test(a_null_value_is_a_purge_of_uploads_only),
        cmocka_unit_test(the_key_is_the_events_file_id),
        cmocka_unit_test(what_postgresql_cannot_hold_is_refused),
    };
    return cmocka_run_group_tests(cases, start, stop);
}
