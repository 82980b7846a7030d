#include "events.h"

#include "event/registry.h"
#include "registry_double.h"
#include "vectors.h"

#include <jansson.h>

static struct registry_double registry;
static struct mr_registry *client;
static struct mr_codec *codec;

static int open_all(void **state)
{
    (void)state;
    struct mr_error err;
    registry_start(&registry);
    assert_int_equal(mr_registry_open(registry.url, &client, &err), MR_OK);
    assert_int_equal(mr_codec_open(MR_SOURCE_DIR "/schemas", registry.url, &codec, &err), MR_OK);
    return 0;
}

static int close_all(void **state)
{
    (void)state;
    mr_registry_close(&client);
    mr_codec_close(&codec);
    registry_stop(&registry);
    return 0;
}

static void asked(const char *line)
{
    pthread_mutex_lock(&registry.lock);
    assert_string_equal(registry.last, line);
    pthread_mutex_unlock(&registry.lock);
}

static void test_schema_by_id(void **state)
{
    (void)state;
    struct mr_error err;
    struct mr_buf text;
    mr_buf_init(&text, 1000);
    registry_answers(&registry, 200, "{\"schema\":\"\\\"int\\\"\"}");
    assert_int_equal(mr_registry_schema(client, 42, &text, &err), MR_OK);
    assert_string_equal(text.data, "\"int\"");
    asked("GET /base/schemas/ids/42 HTTP/1.1");
    mr_buf_free(&text);
}

/* Which answers say something about the schema, and which about the server. */
static void test_refusals(void **state)
{
    (void)state;
    static const struct {
        int status;
        const char *body;
        enum mr_error_class class;
    } cases[] = {
        {404, "{\"error_code\":40403,\"message\":\"Schema not found\"}", MR_CLASS_REJECT},
        {404, "{\"error_code\":404}", MR_CLASS_REJECT},
        {404, "{\"message\":\"Could not find resource for full path\",\"error_code\":0}", MR_CLASS_RETRY},
        {404, "<html>nginx</html>", MR_CLASS_RETRY},
        {409, "{\"error_code\":409,\"message\":\"Incompatible\"}", MR_CLASS_REJECT},
        {422, "{\"error_code\":42201,\"message\":\"Invalid schema\"}", MR_CLASS_REJECT},
        {401, "{\"error_code\":401}", MR_CLASS_FATAL},
        {403, "", MR_CLASS_FATAL},
        {429, "{\"error_code\":429}", MR_CLASS_RETRY},
        {500, "{\"error_code\":50001}", MR_CLASS_RETRY},
        {502, "bad gateway", MR_CLASS_RETRY},
        {200, "not json", MR_CLASS_RETRY},
        {200, "{}", MR_CLASS_RETRY},
        {200, "{\"id\":-1}", MR_CLASS_RETRY},
        {200, "{\"id\":\"7\"}", MR_CLASS_RETRY},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct mr_error err = {0};
        uint32_t id;
        registry_answers(&registry, cases[i].status, cases[i].body);
        assert_int_equal(mr_registry_register(client, "a b-value", "\"int\"", &id, &err), MR_FAIL);
        if (err.class != cases[i].class) {
            fail_msg("case %zu: %s: %s", i, mr_error_class_name(err.class), err.text);
        }
    }
    asked("POST /base/subjects/a%20b-value/versions HTTP/1.1");
}

static void test_compatibility(void **state)
{
    (void)state;
    struct mr_error err;
    struct mr_buf reason;
    int compatible = 0;
    mr_buf_init(&reason, 1000);
    registry_answers(&registry, 404, "{\"error_code\":40401,\"message\":\"Subject not found\"}");
    assert_int_equal(mr_registry_compatible(client, "s", "\"int\"", &compatible, &reason, &err), MR_OK);
    assert_true(compatible);
    registry_answers(&registry, 500, "{\"error_code\":50001}");
    assert_int_equal(mr_registry_compatible(client, "s", "\"int\"", &compatible, &reason, &err), MR_FAIL);
    assert_int_equal(err.class, MR_CLASS_RETRY);

    registry_answers(&registry, 200, "{\"compatibility\":\"FULL\",\"compatibilityLevel\":\"FULL\"}");
    assert_int_equal(mr_registry_set_compatibility(client, "s", "FULL", &err), MR_OK);
    assert_int_equal(mr_registry_set_compatibility(client, "s", "NONE", &err), MR_FAIL);
    assert_int_equal(err.class, MR_CLASS_FATAL);
    mr_buf_free(&reason);
}

static void test_nobody_there(void **state)
{
    (void)state;
    struct mr_error err;
    struct mr_registry *nobody;
    assert_int_equal(mr_registry_open("http://127.0.0.1:1/", &nobody, &err), MR_OK);
    assert_int_equal(mr_registry_probe(nobody, &err), MR_FAIL);
    assert_int_equal(err.class, MR_CLASS_RETRY);
    mr_registry_close(&nobody);
    registry_answers(&registry, 200, "[\"AVRO\"]");
    assert_int_equal(mr_registry_probe(client, &err), MR_OK);
    mr_registry_close(&client); /* the double serves one connection at a time */
    assert_int_equal(mr_codec_probe(codec, &err), MR_OK);
}

static void test_a_topic_needs_its_schema(void **state)
{
    (void)state;
    struct mr_error err;
    registry_answers(&registry, 404, "{\"error_code\":40401,\"message\":\"Subject not found\"}");
    assert_int_equal(mr_codec_use_topic(codec, MR_EVENT_FILE_UPLOADED, "file.uploaded", &err), MR_FAIL);
    assert_int_equal(err.class, MR_CLASS_FATAL);
    assert_non_null(strstr(err.text, "mr-admin schemas apply"));
    registry_answers(&registry, 503, "");
    assert_int_equal(mr_codec_use_topic(codec, MR_EVENT_FILE_UPLOADED, "file.uploaded", &err), MR_FAIL);
    assert_int_equal(err.class, MR_CLASS_RETRY);
    registry_answers(&registry, 200, "{\"id\":7}");
    assert_int_equal(mr_codec_use_topic(codec, MR_EVENT_FILE_UPLOADED, "file.uploaded", &err), MR_OK);
    asked("POST /base/subjects/file.uploaded-value HTTP/1.1");

    struct mr_buf out;
    struct mr_file_uploaded e = test_uploaded();
    struct mr_span want = test_unhex(uploaded_hex);
    mr_buf_init(&out, MR_EVENT_BYTES_MAX);
    assert_int_equal(mr_encode_file_uploaded(codec, "file.uploaded", &e, &out, &err), MR_OK);
    assert_span(mr_buf_span(&out), want);
    free((void *)want.p);
    mr_buf_free(&out);
}

static enum mr_status decode(const char *hex, struct mr_error *err)
{
    struct mr_file_uploaded e;
    struct mr_span bytes = test_unhex(hex);
    enum mr_status status = mr_decode_file_uploaded(codec, bytes, &e, err);
    free((void *)bytes.p);
    return status;
}

static void answer_with_schema(const char *schema)
{
    json_t *object = json_pack("{s:s}", "schema", schema);
    char *text = json_dumps(object, JSON_COMPACT);
    registry_answers(&registry, 200, text);
    free(text);
    json_decref(object);
}

static void test_an_id_is_asked_for_once(void **state)
{
    (void)state;
    struct mr_error err;
    answer_with_schema(uploaded_schema);
    assert_int_equal(decode(uploaded_hex, &err), MR_OK);
    registry_answers(&registry, 500, "");
    assert_int_equal(decode(uploaded_hex, &err), MR_OK);
    assert_int_equal(atomic_load(&registry.requests), 1);
}

static void test_unknown_ids_do_not_hammer(void **state)
{
    (void)state;
    struct mr_error err;
    registry_answers(&registry, 404, "{\"error_code\":40403,\"message\":\"Schema not found\"}");
    for (int i = 0; i < 100; i++) {
        assert_int_equal(decode(uploaded_hex, &err), MR_FAIL);
        assert_int_equal(err.class, MR_CLASS_REJECT);
        assert_string_equal(err.text, "schema id 7 is not known to the registry");
    }
    assert_int_equal(atomic_load(&registry.requests), 1);
    /* No registry numbers schemas so high. */
    assert_int_equal(decode("00fffffffe00", &err), MR_FAIL);
    assert_int_equal(err.class, MR_CLASS_REJECT);
    assert_int_equal(atomic_load(&registry.requests), 1);
}

static void test_a_registry_that_is_away_is_no_reason_to_reject(void **state)
{
    (void)state;
    struct mr_error err;
    registry_answers(&registry, 503, "");
    for (int i = 0; i < 100; i++) {
        assert_int_equal(decode(uploaded_hex, &err), MR_FAIL);
        assert_int_equal(err.class, MR_CLASS_RETRY);
    }
    assert_in_range(atomic_load(&registry.requests), 1, 3);
    registry_answers(&registry, 200, "[]");
    assert_int_equal(mr_codec_probe(codec, &err), MR_OK); /* which also ends the quiet time */
    answer_with_schema(uploaded_schema);
    assert_int_equal(decode(uploaded_hex, &err), MR_OK);
}

static void test_what_is_no_avro_is_remembered(void **state)
{
    (void)state;
    struct mr_error err;
    answer_with_schema("syntax = \"proto3\";");
    for (int i = 0; i < 10; i++) {
        assert_int_equal(decode(uploaded_hex, &err), MR_FAIL);
        assert_int_equal(err.class, MR_CLASS_REJECT);
    }
    assert_int_equal(atomic_load(&registry.requests), 1);
}

static void *decode_many(void *arg)
{
    (void)arg;
    struct mr_error err;
    for (int i = 0; i < 200; i++) {
        assert_int_equal(decode(uploaded_hex, &err), MR_OK);
        assert_int_equal(decode(wider_uploaded_hex, &err), MR_FAIL);
    }
    return NULL;
}

/* Many threads meet an id that is new at once; the wider event has an id whose schema is another one's here.
 */
static void test_threads_ask_once(void **state)
{
    (void)state;
    pthread_t threads[8];
    answer_with_schema(uploaded_schema);
    for (int i = 0; i < 8; i++) {
        assert_int_equal(pthread_create(&threads[i], NULL, decode_many, NULL), 0);
    }
    for (int i = 0; i < 8; i++) {
        pthread_join(threads[i], NULL);
    }
    assert_int_equal(atomic_load(&registry.requests), 2);
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, open_all, close_all)
    const struct CMUnitTest tests[] = {
        T(test_schema_by_id),
        T(test_refusals),
        T(test_compatibility),
        T(test_nobody_there),
        T(test_a_topic_needs_its_schema),
        T(test_an_id_is_asked_for_once),
        T(test_unknown_ids_do_not_hammer),
        T(test_a_registry_that_is_away_is_no_reason_to_reject),
        T(test_what_is_no_avro_is_remembered),
        T(test_threads_ask_once),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
