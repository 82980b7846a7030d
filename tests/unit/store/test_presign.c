/* Presigned URLs name the public endpoint; settings that cannot work are refused by name. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "store/store.h"

static struct mr_config settings(const char *endpoint, const char *public_endpoint)
{
    return (struct mr_config){.s3_endpoint = endpoint,
                              .s3_public_endpoint = public_endpoint,
                              .s3_bucket = "bucket",
                              .s3_region = "us-east-1",
                              .s3_access_key = "key",
                              .s3_secret_key = "secret"};
}

static struct mr_store *open_store(const char *endpoint, const char *public_endpoint)
{
    struct mr_config cfg = settings(endpoint, public_endpoint);
    struct mr_store *s = NULL;
    struct mr_error err;
    assert_int_equal(mr_store_open(&cfg, &s, &err), MR_OK);
    return s;
}

static void part_urls_sign_length_and_checksum(void **state)
{
    (void)state;
    struct mr_store *s = open_store("http://127.0.0.1:9000", "https://files.example.org/");
    uint8_t sha256[MR_SHA256_SIZE];
    struct mr_buf url;
    struct mr_error err;
    mr_buf_init(&url, 8192);
    mr_sha256("x", 1, sha256);
    assert_int_equal(mr_store_presign_part(s, "files/a b", "id+/=", 3, 77, sha256, 900000, &url, &err),
                     MR_OK);
    assert_non_null(strstr(url.data, "https://files.example.org/bucket/files/a%20b?"));
    assert_non_null(strstr(url.data, "X-Amz-SignedHeaders=content-length%3Bhost%3Bx-amz-checksum-sha256"));
    assert_non_null(strstr(url.data, "X-Amz-Expires=900&"));
    assert_non_null(strstr(url.data, "partNumber=3&uploadId=id%2B%2F%3D"));
    mr_buf_free(&url);
    mr_store_close(&s);
    assert_null(s);
}

static void get_urls_say_attachment(void **state)
{
    (void)state;
    struct mr_store *s = open_store("http://127.0.0.1:9000", "");
    struct mr_buf url;
    struct mr_error err;
    mr_buf_init(&url, 8192);
    assert_int_equal(
        mr_store_presign_get(s, "files/1", "na\"\xc3\xafve.txt", "text/plain", 60000, &url, &err), MR_OK);
    assert_non_null(strstr(url.data, "http://127.0.0.1:9000/bucket/files/1?"));
    assert_non_null(strstr(url.data,
                           "response-content-disposition=attachment%3B%20filename%3D%22na__ve.txt%22%3B%20"
                           "filename%2A%3DUTF-8%27%27na%2522%25C3%25AFve.txt&"));
    assert_non_null(strstr(url.data, "response-content-type=text%2Fplain"));
    mr_buf_free(&url);
    mr_store_close(&s);
}

static void bad_endpoints_are_named(void **state)
{
    (void)state;
    static const char *const bad[] = {"", "127.0.0.1:9000", "ftp://a", "http://a/b", "http://", "http://a:b"};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        struct mr_config cfg = settings(bad[i], "");
        struct mr_store *s = NULL;
        struct mr_error err;
        assert_int_equal(mr_store_open(&cfg, &s, &err), MR_FAIL);
        assert_int_equal(err.class, MR_CLASS_FATAL);
        assert_non_null(strstr(err.text, "s3.endpoint"));
        assert_null(s);
    }
}

static void a_store_that_is_away_is_worth_a_retry(void **state)
{
    (void)state;
    struct mr_store *s = open_store("http://127.0.0.1:1", "");
    struct mr_error err;
    assert_int_equal(mr_store_probe(s, &err), MR_FAIL);
    assert_int_equal(err.class, MR_CLASS_RETRY);
    mr_store_close(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(part_urls_sign_length_and_checksum),
        cmocka_unit_test(get_urls_say_attachment),
        cmocka_unit_test(bad_endpoints_are_named),
        cmocka_unit_test(a_store_that_is_away_is_worth_a_retry),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
