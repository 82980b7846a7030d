/* Events that several tests use, and how they are compared. */
#ifndef MR_TEST_EVENTS_H
#define MR_TEST_EVENTS_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
/* cmocka.h needs what is above. */
#include <cmocka.h>

#include "event/event.h"

static inline struct mr_uuid test_uuid(unsigned n)
{
    struct mr_uuid id;
    char text[MR_UUID_TEXT_SIZE];
    snprintf(text, sizeof text, "0190163d-8694-739b-aea5-96%010x", n);
    assert_true(mr_uuid_parse(mr_span_of(text), &id));
    return id;
}

static inline void test_hash(uint8_t out[MR_SHA256_SIZE])
{
    for (uint8_t i = 0; i < MR_SHA256_SIZE; i++) {
        out[i] = i;
    }
}

/* The very events of make_vectors.py. */
static inline struct mr_file_uploaded test_uploaded(void)
{
    struct mr_file_uploaded e = {
        .event_id = test_uuid(0),
        .occurred_at_us = 1767225600123456,
        .upload_id = test_uuid(1),
        .file_id = test_uuid(2),
        .version = 300,
        .owner_id = test_uuid(3),
        .user_id = test_uuid(4),
        .path = mr_span_of("/Fotos/Übersicht 2026/日本.jpg"),
        .size = 53687091200,
        .content_type = mr_span_of("image/jpeg"),
        .s3_bucket = mr_span_of("millrace"),
        .s3_key = mr_span_of("objects/ab/cd"),
        .s3_etag = mr_span_of("d41d8cd98f00b204e9800998ecf8427e-6400"),
        .origin = mr_span_of("RESTORE"),
    };
    test_hash(e.content_hash);
    return e;
}

static inline struct mr_file_processed test_processed(void)
{
    struct mr_file_processed e = {
        .event_id = test_uuid(0),
        .file_id = test_uuid(2),
        .version = 1,
        .s3_key = mr_span_of("objects/ab/cd"),
        .stage = mr_span_of("SCAN"),
        .outcome = mr_span_of("OK"),
        .verdict = mr_span_of("CLEAN"),
        .engine = mr_span_of("clamav 1.0.7"),
        .attempt = 2,
        .started_at_us = 1767225600000000,
        .finished_at_us = 1767225600000001,
        .attributes = {{mr_span_of("width"), mr_span_of("4000")}, {mr_span_of("höhe"), mr_span_of("3000")}},
        .n_attributes = 2,
    };
    test_hash(e.content_hash);
    return e;
}

static inline void assert_span(struct mr_span got, struct mr_span want)
{
    assert_int_equal(got.p == NULL, want.p == NULL);
    assert_int_equal(got.len, want.len);
    if (got.len > 0) {
        assert_memory_equal(got.p, want.p, want.len);
    }
}

static inline void assert_uploaded(const struct mr_file_uploaded *got, const struct mr_file_uploaded *want)
{
    assert_true(mr_uuid_eq(got->event_id, want->event_id));
    assert_int_equal(got->occurred_at_us, want->occurred_at_us);
    assert_true(mr_uuid_eq(got->upload_id, want->upload_id));
    assert_true(mr_uuid_eq(got->file_id, want->file_id));
    assert_int_equal(got->version, want->version);
    assert_true(mr_uuid_eq(got->owner_id, want->owner_id));
    assert_true(mr_uuid_eq(got->user_id, want->user_id));
    assert_span(got->path, want->path);
    assert_int_equal(got->size, want->size);
    assert_span(got->content_type, want->content_type);
    assert_memory_equal(got->content_hash, want->content_hash, MR_SHA256_SIZE);
    assert_span(got->s3_bucket, want->s3_bucket);
    assert_span(got->s3_key, want->s3_key);
    assert_span(got->s3_etag, want->s3_etag);
    assert_span(got->origin, want->origin);
}

static inline void assert_processed(const struct mr_file_processed *got, const struct mr_file_processed *want)
{
    assert_true(mr_uuid_eq(got->event_id, want->event_id));
    assert_true(mr_uuid_eq(got->file_id, want->file_id));
    assert_int_equal(got->version, want->version);
    assert_span(got->s3_key, want->s3_key);
    assert_memory_equal(got->content_hash, want->content_hash, MR_SHA256_SIZE);
    assert_span(got->stage, want->stage);
    assert_span(got->outcome, want->outcome);
    assert_span(got->verdict, want->verdict);
    assert_span(got->reason, want->reason);
    assert_span(got->engine, want->engine);
    assert_int_equal(got->attempt, want->attempt);
    assert_int_equal(got->next_retry_at_us, want->next_retry_at_us);
    assert_int_equal(got->started_at_us, want->started_at_us);
    assert_int_equal(got->finished_at_us, want->finished_at_us);
    assert_int_equal(got->n_attributes, want->n_attributes);
    for (int i = 0; i < want->n_attributes; i++) {
        assert_span(got->attributes[i].name, want->attributes[i].name);
        assert_span(got->attributes[i].value, want->attributes[i].value);
    }
}

static inline struct mr_codec *test_codec(void)
{
    struct mr_codec *codec;
    struct mr_error err;
    if (mr_codec_open(MR_SOURCE_DIR "/schemas", NULL, &codec, &err) != MR_OK) {
        fail_msg("%s", err.text);
    }
    return codec;
}

/* The caller frees what is returned. */
static inline struct mr_span test_unhex(const char *hex)
{
    size_t n = strlen(hex) / 2;
    char *bytes = malloc(n);
    assert_non_null(bytes);
    assert_true(mr_unhex(mr_span_of(hex), bytes, n));
    return (struct mr_span){bytes, n};
}

#endif
