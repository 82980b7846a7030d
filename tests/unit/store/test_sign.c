/* AWS's published examples of Signature Version 4 for S3 (AWS docs, "Signature Calculations for the
 * Authorization Header" and "Authenticating Requests: Using Query Parameters"), with the keys they use. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "store/sign.h"

#define STAMP "20130524T000000Z"
#define EMPTY "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"

static const struct mr_sign_key example = {"AKIAIOSFODNN7EXAMPLE", "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY",
                                           "us-east-1"};

static struct mr_sign_request request(const char *method, const char *path, const char *payload)
{
    struct mr_sign_request rq = {.method = method, .path = path, .payload = payload};
    mr_sign_add(&rq.headers, "x-amz-date", STAMP);
    mr_sign_add(&rq.headers, "x-amz-content-sha256", payload);
    mr_sign_add(&rq.headers, "host", "examplebucket.s3.amazonaws.com");
    return rq;
}

static void assert_authorization(const struct mr_sign_request *rq, const char *expected)
{
    struct mr_buf out;
    mr_buf_init(&out, 4096);
    assert_int_equal(mr_sign_authorization(&example, rq, STAMP, &out), MR_OK);
    assert_string_equal(out.data, expected);
    mr_buf_free(&out);
}

#define CREDENTIAL "AWS4-HMAC-SHA256 Credential=AKIAIOSFODNN7EXAMPLE/20130524/us-east-1/s3/aws4_request,"

static void get_object(void **state)
{
    (void)state;
    struct mr_sign_request rq = request("GET", "/test.txt", EMPTY);
    mr_sign_add(&rq.headers, "range", "bytes=0-9");
    assert_authorization(&rq, CREDENTIAL
                         "SignedHeaders=host;range;x-amz-content-sha256;x-amz-date,"
                         "Signature=f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41");
}

static void put_object(void **state)
{
    (void)state;
    struct mr_buf path;
    mr_buf_init(&path, 256);
    assert_int_equal(mr_sign_encode(&path, mr_span_of("/test$file.text"), true), MR_OK);
    assert_string_equal(path.data, "/test%24file.text");
    struct mr_sign_request rq =
        request("PUT", path.data, "44ce7dd67c959e0d3524ffac1771dfbba87d2b6b4b4e99e42034a8b803f8b072");
    mr_sign_add(&rq.headers, "date", "Fri, 24 May 2013 00:00:00 GMT");
    mr_sign_add(&rq.headers, "x-amz-storage-class", "REDUCED_REDUNDANCY");
    assert_authorization(&rq, CREDENTIAL
                         "SignedHeaders=date;host;x-amz-content-sha256;x-amz-date;x-amz-storage-class,"
                         "Signature=98ad721746da40c64f1a55b78f14c238d841ea1380cd77a1b5971af0ece108bd");
    mr_buf_free(&path);
}

static void get_bucket_lifecycle(void **state)
{
    (void)state;
    struct mr_sign_request rq = request("GET", "/", EMPTY);
    mr_sign_add(&rq.query, "lifecycle", "");
    assert_authorization(&rq, CREDENTIAL
                         "SignedHeaders=host;x-amz-content-sha256;x-amz-date,"
                         "Signature=fea454ca298b7da1c68078a5d1bdbfbbe0d65c699e0f91ac7a200a0136783543");
}

static void list_objects(void **state)
{
    (void)state;
    struct mr_sign_request rq = request("GET", "/", EMPTY);
    mr_sign_add(&rq.query, "prefix", "J");
    mr_sign_add(&rq.query, "max-keys", "2");
    assert_authorization(&rq, CREDENTIAL
                         "SignedHeaders=host;x-amz-content-sha256;x-amz-date,"
                         "Signature=34b48302e7b5fa45bde8084f4b7868a86f0a534bc59db6670ed5711ef69dc6f7");
}

static void presigned_get(void **state)
{
    (void)state;
    struct mr_sign_request rq = {.method = "GET", .path = "/test.txt", .payload = MR_SIGN_UNSIGNED};
    mr_sign_add(&rq.headers, "host", "examplebucket.s3.amazonaws.com");
    struct mr_buf out;
    mr_buf_init(&out, 4096);
    assert_int_equal(mr_sign_presigned(&example, &rq, STAMP, 86400, &out), MR_OK);
    assert_string_equal(out.data,
                        "X-Amz-Algorithm=AWS4-HMAC-SHA256"
                        "&X-Amz-Credential=AKIAIOSFODNN7EXAMPLE%2F20130524%2Fus-east-1%2Fs3%2Faws4_request"
                        "&X-Amz-Date=20130524T000000Z&X-Amz-Expires=86400&X-Amz-SignedHeaders=host"
                        "&X-Amz-Signature=aeeed9bbccd4d02ee5c0109b86d86835f995330da4c265957d157751f604d404");
    mr_buf_free(&out);
}

static void stamp_of_a_time(void **state)
{
    (void)state;
    char stamp[MR_SIGN_STAMP_SIZE];
    assert_string_equal(mr_sign_stamp(1369353600LL * 1000000, stamp), STAMP);
}

static void encoding_keeps_what_rfc_3986_keeps(void **state)
{
    (void)state;
    struct mr_buf out;
    mr_buf_init(&out, 256);
    assert_int_equal(mr_sign_encode(&out, mr_span_of("aZ09-._~/ +\xc3\xa9%"), false), MR_OK);
    assert_string_equal(out.data, "aZ09-._~%2F%20%2B%C3%A9%25");
    mr_buf_free(&out);
    mr_buf_init(&out, 4);
    assert_int_equal(mr_sign_encode(&out, mr_span_of("12345"), false), MR_FAIL);
    mr_buf_free(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(get_object),
        cmocka_unit_test(put_object),
        cmocka_unit_test(list_objects),
        cmocka_unit_test(get_bucket_lifecycle),
        cmocka_unit_test(presigned_get),
        cmocka_unit_test(stamp_of_a_time),
        cmocka_unit_test(encoding_keeps_what_rfc_3986_keeps),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
