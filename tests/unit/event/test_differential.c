/* Our codec against avro-c, an implementation of others, on the same bytes. It is only given bytes that our
 * decoder took: it trusts lengths. */
#include "events.h"

#include <avro.h>

#include "../stream/random.h"
#include "vectors.h"

#define ROUNDS    2000
#define MUTATIONS 100000

struct peer {
    avro_schema_t schema;
    avro_value_iface_t *class;
};

static struct mr_codec *codec;
static struct peer uploaded_peer;
static struct peer processed_peer;
static struct peer wider_uploaded_peer;
static struct peer wider_processed_peer;

static void open_peer(struct peer *p, const char *schema)
{
    assert_int_equal(avro_schema_from_json_length(schema, strlen(schema), &p->schema), 0);
    p->class = avro_generic_class_from_schema(p->schema);
    assert_non_null(p->class);
}

static void close_peer(struct peer *p)
{
    avro_value_iface_decref(p->class);
    avro_schema_decref(p->schema);
}

static int open_all(void **state)
{
    (void)state;
    struct mr_error err;
    codec = test_codec();
    open_peer(&uploaded_peer, uploaded_schema);
    open_peer(&processed_peer, processed_schema);
    open_peer(&wider_uploaded_peer, wider_uploaded_schema);
    open_peer(&wider_processed_peer, wider_processed_schema);
    assert_int_equal(mr_codec_set_topic(codec, MR_EVENT_FILE_UPLOADED, "u", UPLOADED_ID, &err), MR_OK);
    assert_int_equal(mr_codec_set_topic(codec, MR_EVENT_FILE_PROCESSED, "p", PROCESSED_ID, &err), MR_OK);
    assert_int_equal(mr_codec_know(codec, WIDER_UPLOADED_ID, wider_uploaded_schema, &err), MR_OK);
    assert_int_equal(mr_codec_know(codec, WIDER_PROCESSED_ID, wider_processed_schema, &err), MR_OK);
    return 0;
}

static int close_all(void **state)
{
    (void)state;
    close_peer(&uploaded_peer);
    close_peer(&processed_peer);
    close_peer(&wider_uploaded_peer);
    close_peer(&wider_processed_peer);
    mr_codec_close(&codec);
    return 0;
}

/* Random UTF-8 of code points of every length. */
static struct mr_span random_text(char *out, size_t size)
{
    static const char *const pieces[] = {
        "a", "Z", "/", " ", "é", "ß", "日", "本", "€", "😀", "\xf4\x8f\xbf\xbf"};
    size_t n = random_below(20);
    out[0] = '\0';
    for (size_t i = 0; i < n && strlen(out) + 5 < size; i++) {
        strcat(out, pieces[random_below(sizeof pieces / sizeof pieces[0])]);
    }
    return mr_span_of(out);
}

static int64_t random_number(int64_t least)
{
    int64_t n = (int64_t)(random_next() >> random_below(64));
    n = random_below(2) && least < 0 ? -n : n;
    return n < least ? least : n;
}

static struct mr_uuid random_uuid(void)
{
    struct mr_uuid id;
    for (size_t i = 0; i < sizeof id.b; i++) {
        id.b[i] = (uint8_t)random_next();
    }
    return id;
}

static struct mr_file_uploaded random_uploaded(char text[6][128])
{
    struct mr_file_uploaded e = {
        .event_id = random_uuid(),
        .occurred_at_us = random_number(INT64_MIN + 1),
        .upload_id = random_uuid(),
        .file_id = random_uuid(),
        .version = random_number(1),
        .owner_id = random_uuid(),
        .user_id = random_uuid(),
        .path = random_text(text[0], 128),
        .size = random_number(0),
        .content_type = random_text(text[1], 128),
        .s3_bucket = random_text(text[2], 128),
        .s3_key = random_text(text[3], 128),
        .s3_etag = random_text(text[4], 128),
        .origin = random_text(text[5], 128),
    };
    for (size_t i = 0; i < sizeof e.content_hash; i++) {
        e.content_hash[i] = (uint8_t)random_next();
    }
    return e;
}

static struct mr_span random_or_null(char *out, size_t size)
{
    return random_below(3) == 0 ? (struct mr_span){NULL, 0} : random_text(out, size);
}

static struct mr_file_processed random_processed(char text[80][128])
{
    static const char *const names[] = {"a", "b", "c", "d", "e", "f", "g", "h"};
    struct mr_file_processed e = {
        .event_id = random_uuid(),
        .file_id = random_uuid(),
        .version = random_number(1),
        .s3_key = random_text(text[0], 128),
        .stage = random_text(text[1], 128),
        .outcome = random_text(text[2], 128),
        .verdict = random_or_null(text[3], 128),
        .reason = random_or_null(text[4], 128),
        .engine = random_or_null(text[5], 128),
        .attempt = (int32_t)random_next(),
        .next_retry_at_us = random_below(2) ? random_number(1) : 0,
        .started_at_us = random_number(INT64_MIN + 1),
        .finished_at_us = random_below(2) ? random_number(1) : 0,
        .n_attributes = (int)random_below(9),
    };
    for (int i = 0; i < e.n_attributes; i++) {
        e.attributes[i] = (struct mr_attribute){mr_span_of(names[i]), random_text(text[10 + i], 128)};
    }
    for (size_t i = 0; i < sizeof e.content_hash; i++) {
        e.content_hash[i] = (uint8_t)random_next();
    }
    return e;
}

static avro_value_t field(const avro_value_t *record, const char *name)
{
    avro_value_t v;
    assert_int_equal(avro_value_get_by_name(record, name, &v, NULL), 0);
    return v;
}

static void same_text(const avro_value_t *v, struct mr_span want)
{
    const char *p;
    size_t size;
    avro_value_t branch = *v;
    if (avro_value_get_type(v) == AVRO_UNION) {
        int which;
        assert_int_equal(avro_value_get_discriminant(v, &which), 0);
        assert_int_equal(which == 0, want.p == NULL);
        if (which == 0) {
            return;
        }
        assert_int_equal(avro_value_get_current_branch(v, &branch), 0);
    }
    assert_int_equal(avro_value_get_string(&branch, &p, &size), 0);
    assert_int_equal(size - 1, want.len); /* avro-c counts the NUL */
    assert_memory_equal(p, want.p, want.len);
}

static void same_uuid(const avro_value_t *v, struct mr_uuid want)
{
    const char *p;
    size_t size;
    struct mr_uuid got;
    assert_int_equal(avro_value_get_string(v, &p, &size), 0);
    assert_true(mr_uuid_parse(mr_span_of(p), &got));
    assert_true(mr_uuid_eq(got, want));
}

static void same_long(const avro_value_t *v, int64_t want)
{
    int64_t n = 0;
    avro_value_t branch = *v;
    if (avro_value_get_type(v) == AVRO_UNION) {
        int which;
        assert_int_equal(avro_value_get_discriminant(v, &which), 0);
        if (which == 0) {
            assert_int_equal(want, 0);
            return;
        }
        assert_int_equal(avro_value_get_current_branch(v, &branch), 0);
    }
    assert_int_equal(avro_value_get_long(&branch, &n), 0);
    assert_true(n == want);
}

static void same_hash(const avro_value_t *v, const uint8_t *want)
{
    const void *p;
    size_t size;
    assert_int_equal(avro_value_get_fixed(v, &p, &size), 0);
    assert_int_equal(size, MR_SHA256_SIZE);
    assert_memory_equal(p, want, MR_SHA256_SIZE);
}

#define SAME(how, name, member)                                                                              \
    do {                                                                                                     \
        avro_value_t value_of_field = field(record, name);                                                   \
        how(&value_of_field, e->member);                                                                     \
    } while (0)

static void same_uploaded(const avro_value_t *record, const struct mr_file_uploaded *e)
{
    SAME(same_uuid, "event_id", event_id);
    SAME(same_long, "occurred_at", occurred_at_us);
    SAME(same_uuid, "upload_id", upload_id);
    SAME(same_uuid, "file_id", file_id);
    SAME(same_long, "version", version);
    SAME(same_uuid, "owner_id", owner_id);
    SAME(same_uuid, "user_id", user_id);
    SAME(same_text, "path", path);
    SAME(same_long, "size", size);
    SAME(same_text, "content_type", content_type);
    SAME(same_hash, "content_hash", content_hash);
    SAME(same_text, "s3_bucket", s3_bucket);
    SAME(same_text, "s3_key", s3_key);
    SAME(same_text, "s3_etag", s3_etag);
    SAME(same_text, "origin", origin);
}

/* avro-c keeps one of several attributes of the same name; then there is nothing to compare one by one. */
static void same_attributes(const avro_value_t *map, const struct mr_file_processed *e)
{
    size_t n;
    assert_int_equal(avro_value_get_size(map, &n), 0);
    if (n != (size_t)e->n_attributes) {
        assert_true(n < (size_t)e->n_attributes);
        return;
    }
    for (size_t i = 0; i < n; i++) {
        avro_value_t v;
        const char *name;
        assert_int_equal(avro_value_get_by_index(map, i, &v, &name), 0);
        /* avro-c's names end at a NUL. */
        assert_int_equal(strlen(name), strnlen(e->attributes[i].name.p, e->attributes[i].name.len));
        assert_memory_equal(name, e->attributes[i].name.p, strlen(name));
        same_text(&v, e->attributes[i].value);
    }
}

static void same_processed(const avro_value_t *record, const struct mr_file_processed *e)
{
    int32_t attempt;
    avro_value_t v = field(record, "attempt");
    SAME(same_uuid, "event_id", event_id);
    SAME(same_uuid, "file_id", file_id);
    SAME(same_long, "version", version);
    SAME(same_text, "s3_key", s3_key);
    SAME(same_hash, "content_hash", content_hash);
    SAME(same_text, "stage", stage);
    SAME(same_text, "outcome", outcome);
    SAME(same_text, "verdict", verdict);
    SAME(same_text, "reason", reason);
    SAME(same_text, "engine", engine);
    assert_int_equal(avro_value_get_int(&v, &attempt), 0);
    assert_int_equal(attempt, e->attempt);
    SAME(same_long, "next_retry_at", next_retry_at_us);
    SAME(same_long, "started_at", started_at_us);
    SAME(same_long, "finished_at", finished_at_us);
    v = field(record, "attributes");
    same_attributes(&v, e);
}

/* Reads the whole body with avro-c; the caller gives the value back. */
static avro_value_t peer_reads(const struct peer *p, struct mr_span framed)
{
    avro_value_t v;
    assert_int_equal(avro_generic_value_new(p->class, &v), 0);
    avro_reader_t reader = avro_reader_memory(framed.p + 5, (int64_t)framed.len - 5);
    if (avro_value_read(reader, &v) != 0) {
        fail_msg("avro-c does not read what we read: %s", avro_strerror());
    }
    char rest;
    assert_int_not_equal(avro_read(reader, &rest, 1), 0);
    avro_reader_free(reader);
    return v;
}

static void test_avro_c_reads_what_we_write(void **state)
{
    (void)state;
    static char text[80][128];
    struct mr_error err;
    struct mr_buf out;
    mr_buf_init(&out, MR_EVENT_BYTES_MAX);
    for (int i = 0; i < ROUNDS; i++) {
        struct mr_file_uploaded up = random_uploaded(text);
        mr_buf_reset(&out);
        assert_int_equal(mr_encode_file_uploaded(codec, "u", &up, &out, &err), MR_OK);
        avro_value_t v = peer_reads(&uploaded_peer, mr_buf_span(&out));
        same_uploaded(&v, &up);
        avro_value_decref(&v);
        struct mr_file_uploaded back;
        assert_int_equal(mr_decode_file_uploaded(codec, mr_buf_span(&out), &back, &err), MR_OK);
        assert_uploaded(&back, &up);

        struct mr_file_processed done = random_processed(text);
        mr_buf_reset(&out);
        assert_int_equal(mr_encode_file_processed(codec, "p", &done, &out, &err), MR_OK);
        v = peer_reads(&processed_peer, mr_buf_span(&out));
        same_processed(&v, &done);
        avro_value_decref(&v);
        struct mr_file_processed again;
        assert_int_equal(mr_decode_file_processed(codec, mr_buf_span(&out), &again, &err), MR_OK);
        assert_processed(&again, &done);
    }
    mr_buf_free(&out);
}

static void mutate(char *bytes, size_t *n, size_t size)
{
    for (size_t changes = 1 + random_below(3); changes > 0; changes--) {
        size_t at = 5 + random_below(*n - 5);
        switch (random_below(5)) {
        case 0:
            bytes[at] = (char)random_next();
            break;
        case 1:
            bytes[at] ^= (char)(1 << random_below(8));
            break;
        case 2:
            memmove(bytes + at, bytes + at + 1, *n - at - 1);
            *n -= *n > 6;
            break;
        case 3:
            if (*n < size) {
                memmove(bytes + at + 1, bytes + at, *n - at);
                *n += 1;
            }
            break;
        default:
            bytes[at] = (char)(bytes[at] + (random_below(2) ? 1 : -1));
        }
    }
}

/* Whatever is done to good bytes: they are refused, or read as avro-c reads them. */
static void mutations(const char *hex, const struct peer *p, bool uploaded)
{
    struct mr_span good = test_unhex(hex);
    int taken = 0;
    for (int i = 0; i < MUTATIONS; i++) {
        size_t n = good.len;
        char *bytes = malloc(good.len + 8);
        assert_non_null(bytes);
        memcpy(bytes, good.p, n);
        mutate(bytes, &n, good.len + 8);
        bytes = realloc(bytes, n); /* so that a sanitizer sees a read past the end */
        struct mr_error err = {0};
        struct mr_file_uploaded up;
        struct mr_file_processed done;
        struct mr_span framed = {bytes, n};
        enum mr_status status = uploaded ? mr_decode_file_uploaded(codec, framed, &up, &err)
                                         : mr_decode_file_processed(codec, framed, &done, &err);
        if (status == MR_OK) {
            avro_value_t v = peer_reads(p, framed);
            if (uploaded) {
                same_uploaded(&v, &up);
            } else {
                same_processed(&v, &done);
            }
            avro_value_decref(&v);
            taken++;
        } else {
            assert_int_equal(err.class, MR_CLASS_REJECT);
        }
        free(bytes);
    }
    assert_in_range(taken, MUTATIONS / 100, MUTATIONS - MUTATIONS / 100);
    free((void *)good.p);
}

static void test_mutations_of_our_own_schemas(void **state)
{
    (void)state;
    mutations(uploaded_hex, &uploaded_peer, true);
    mutations(processed_hex, &processed_peer, false);
}

static void test_mutations_of_wider_schemas(void **state)
{
    (void)state;
    mutations(wider_uploaded_hex, &wider_uploaded_peer, true);
    mutations(wider_processed_hex, &wider_processed_peer, false);
}

int main(void)
{
    random_seed();
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_avro_c_reads_what_we_write),
        cmocka_unit_test(test_mutations_of_our_own_schemas),
        cmocka_unit_test(test_mutations_of_wider_schemas),
    };
    return cmocka_run_group_tests(tests, open_all, close_all);
}
