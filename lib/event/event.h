/* The events of the log (schemas/<Name>.avsc) as C structs, and their bytes in the Confluent wire format:
 * 0x00, 4-byte big-endian schema id, Avro binary body (Avro 1.11 specification, "Binary encoding").
 *
 * Bytes from the log are hostile. Decoding walks the writer's schema over the bytes with every length checked
 * (negative, past the end, over the ceilings below) and resolves it to the reader's fields by name; strings
 * in a decoded event are spans into the caller's bytes and live as long as they do. Any thread may call. */
#ifndef MR_EVENT_EVENT_H
#define MR_EVENT_EVENT_H

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/digest.h"
#include "base/error.h"
#include "base/id.h"
#include "base/span.h"

#define MR_EVENT_STRING_MAX     65536   /* bytes of one string */
#define MR_EVENT_BYTES_MAX      1048576 /* bytes of one event: the broker's message.max.bytes */
#define MR_EVENT_ATTRIBUTES_MAX 32

struct mr_file_uploaded {
    struct mr_uuid event_id;
    int64_t occurred_at_us;
    struct mr_uuid upload_id;
    struct mr_uuid file_id;
    int64_t version; /* >= 1, checked */
    struct mr_uuid owner_id;
    struct mr_uuid user_id;
    struct mr_span path;
    int64_t size; /* >= 0, checked */
    struct mr_span content_type;
    uint8_t content_hash[MR_SHA256_SIZE];
    struct mr_span s3_bucket;
    struct mr_span s3_key;
    struct mr_span s3_etag;
    struct mr_span origin;
};

struct mr_attribute {
    struct mr_span name;
    struct mr_span value;
};

struct mr_file_processed {
    struct mr_uuid event_id;
    struct mr_uuid file_id;
    int64_t version;
    struct mr_span s3_key;
    uint8_t content_hash[MR_SHA256_SIZE];
    struct mr_span stage;
    struct mr_span outcome;
    struct mr_span verdict; /* p == NULL: null; the same for reason and engine */
    struct mr_span reason;
    struct mr_span engine;
    int32_t attempt;
    int64_t next_retry_at_us; /* 0: null */
    int64_t started_at_us;
    int64_t finished_at_us; /* 0: null */
    struct mr_attribute attributes[MR_EVENT_ATTRIBUTES_MAX];
    int n_attributes;
};

enum mr_event_type { MR_EVENT_FILE_UPLOADED, MR_EVENT_FILE_PROCESSED, MR_EVENT_TYPE_COUNT };

/* The reader's schemas, read from MR_SCHEMAS_DIR at start, and the registry. */
struct mr_codec;

/* registry_url may be NULL: then only bytes framed with ids given to mr_codec_know() can be decoded (tests,
 * fuzz). Fails FATAL when a schema file is missing or is not the record this program was built for. */
enum mr_status mr_codec_open(const char *schemas_dir, const char *registry_url, struct mr_codec **out,
                             struct mr_error *err);
void mr_codec_close(struct mr_codec **codec);

/* Registers nothing: looks up the id of our schema under `<topic>-value` and remembers it. RETRY when the
 * registry is away, FATAL when the subject or this schema is not there (say: run `mr-admin schemas apply`).
 */
enum mr_status mr_codec_use_topic(struct mr_codec *codec, enum mr_event_type type, const char *topic,
                                  struct mr_error *err);
/* Puts a writer's schema in the cache under an id, as if the registry had said so. */
enum mr_status mr_codec_know(struct mr_codec *codec, uint32_t id, const char *schema_json,
                             struct mr_error *err);

/* Says what id our own schema has under a topic, as if mr_codec_use_topic() had looked it up (tests, fuzz,
 * bench). */
enum mr_status mr_codec_set_topic(struct mr_codec *codec, enum mr_event_type type, const char *topic,
                                  uint32_t id, struct mr_error *err);

/* Appends the framed bytes to out (which stays as it was on MR_FAIL); the id is that of
 * mr_codec_use_topic(topic). Strings must be UTF-8. */
enum mr_status mr_encode_file_uploaded(struct mr_codec *codec, const char *topic,
                                       const struct mr_file_uploaded *e, struct mr_buf *out,
                                       struct mr_error *err);
enum mr_status mr_encode_file_processed(struct mr_codec *codec, const char *topic,
                                        const struct mr_file_processed *e, struct mr_buf *out,
                                        struct mr_error *err);

/* REJECT: these bytes can never be decoded (the text says why and where). RETRY: the registry, needed for an
 * id not seen before, is away; an id the registry does not know is REJECT. */
enum mr_status mr_decode_file_uploaded(struct mr_codec *codec, struct mr_span bytes,
                                       struct mr_file_uploaded *e, struct mr_error *err);
enum mr_status mr_decode_file_processed(struct mr_codec *codec, struct mr_span bytes,
                                        struct mr_file_processed *e, struct mr_error *err);

/* The registry answers. */
enum mr_status mr_codec_probe(struct mr_codec *codec, struct mr_error *err);

#endif
