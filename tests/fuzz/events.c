#include "events.h"

#include "event/vectors.h"
#include "target.h"

#define TOPIC "fuzz"

static void know(struct mr_codec *codec, uint32_t id, const char *schema)
{
    struct mr_error err;
    must(mr_codec_know(codec, id, schema, &err) == MR_OK, "a schema of the tests is known");
}

struct mr_codec *fuzz_codec_open(void)
{
    struct mr_codec *codec;
    struct mr_error err;
    must(mr_codec_open(MR_SOURCE_DIR "/schemas", NULL, &codec, &err) == MR_OK, "the codec opens");
    know(codec, WIDER_UPLOADED_ID, wider_uploaded_schema);
    know(codec, WIDER_PROCESSED_ID, wider_processed_schema);
    know(codec, NARROWER_UPLOADED_ID, narrower_uploaded_schema);
    must(mr_codec_set_topic(codec, MR_EVENT_FILE_UPLOADED, TOPIC, UPLOADED_ID, &err) == MR_OK &&
             mr_codec_set_topic(codec, MR_EVENT_FILE_PROCESSED, TOPIC, PROCESSED_ID, &err) == MR_OK,
         "the topics are set");
    return codec;
}

static bool same_uploaded(const struct mr_file_uploaded *a, const struct mr_file_uploaded *b)
{
    return mr_uuid_eq(a->event_id, b->event_id) && a->occurred_at_us == b->occurred_at_us &&
           mr_uuid_eq(a->upload_id, b->upload_id) && mr_uuid_eq(a->file_id, b->file_id) &&
           a->version == b->version && mr_uuid_eq(a->owner_id, b->owner_id) &&
           mr_uuid_eq(a->user_id, b->user_id) && mr_span_eq(a->path, b->path) && a->size == b->size &&
           mr_span_eq(a->content_type, b->content_type) &&
           memcmp(a->content_hash, b->content_hash, MR_SHA256_SIZE) == 0 &&
           mr_span_eq(a->s3_bucket, b->s3_bucket) && mr_span_eq(a->s3_key, b->s3_key) &&
           mr_span_eq(a->s3_etag, b->s3_etag) && mr_span_eq(a->origin, b->origin);
}

static bool same_optional(struct mr_span a, struct mr_span b)
{
    return (a.p == NULL) == (b.p == NULL) && mr_span_eq(a, b);
}

static bool same_processed(const struct mr_file_processed *a, const struct mr_file_processed *b)
{
    if (a->n_attributes != b->n_attributes)
        return false;
    for (int i = 0; i < a->n_attributes; i++) {
        if (!mr_span_eq(a->attributes[i].name, b->attributes[i].name) ||
            !mr_span_eq(a->attributes[i].value, b->attributes[i].value))
            return false;
    }
    return mr_uuid_eq(a->event_id, b->event_id) && mr_uuid_eq(a->file_id, b->file_id) &&
           a->version == b->version && mr_span_eq(a->s3_key, b->s3_key) &&
           memcmp(a->content_hash, b->content_hash, MR_SHA256_SIZE) == 0 && mr_span_eq(a->stage, b->stage) &&
           mr_span_eq(a->outcome, b->outcome) && same_optional(a->verdict, b->verdict) &&
           same_optional(a->reason, b->reason) && same_optional(a->engine, b->engine) &&
           a->attempt == b->attempt && a->next_retry_at_us == b->next_retry_at_us &&
           a->started_at_us == b->started_at_us && a->finished_at_us == b->finished_at_us;
}

void fuzz_decode_uploaded(struct mr_codec *codec, struct mr_span bytes)
{
    struct mr_file_uploaded e, again;
    struct mr_error err;
    struct mr_buf out;
    if (mr_decode_file_uploaded(codec, bytes, &e, &err) != MR_OK) {
        must(err.class == MR_CLASS_REJECT && err.text[0], "a refusal says why");
        return;
    }
    must(e.version >= 1 && e.size >= 0, "numbers of a FileUploaded are in range");
    mr_buf_init(&out, 2 * MR_EVENT_BYTES_MAX);
    must(mr_encode_file_uploaded(codec, TOPIC, &e, &out, &err) == MR_OK, "what was decoded can be encoded");
    must(mr_decode_file_uploaded(codec, mr_buf_span(&out), &again, &err) == MR_OK &&
             same_uploaded(&e, &again),
         "decode(encode(e)) == e");
    mr_buf_free(&out);
}

void fuzz_decode_processed(struct mr_codec *codec, struct mr_span bytes)
{
    struct mr_file_processed e, again;
    struct mr_error err;
    struct mr_buf out;
    if (mr_decode_file_processed(codec, bytes, &e, &err) != MR_OK) {
        must(err.class == MR_CLASS_REJECT && err.text[0], "a refusal says why");
        return;
    }
    must(e.n_attributes >= 0 && e.n_attributes <= MR_EVENT_ATTRIBUTES_MAX, "attributes have a ceiling");
    mr_buf_init(&out, 2 * MR_EVENT_BYTES_MAX);
    must(mr_encode_file_processed(codec, TOPIC, &e, &out, &err) == MR_OK, "what was decoded can be encoded");
    must(mr_decode_file_processed(codec, mr_buf_span(&out), &again, &err) == MR_OK &&
             same_processed(&e, &again),
         "decode(encode(e)) == e");
    mr_buf_free(&out);
}
