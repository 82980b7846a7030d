#include "base/digest.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "support/cmocka.h"

static void assert_digest(const uint8_t digest[MR_SHA256_SIZE], const char *expected)
{
    char hex[MR_SHA256_HEX_SIZE];
    assert_string_equal(mr_hex(digest, MR_SHA256_SIZE, hex), expected);
}

/* FIPS 180-4 examples. */
static void sha256_vectors(void **state)
{
    (void)state;
    uint8_t out[MR_SHA256_SIZE];
    const char *two_blocks = "abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq";
    mr_sha256("abc", 3, out);
    assert_digest(out, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    mr_sha256("", 0, out);
    assert_digest(out, "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
    mr_sha256(two_blocks, strlen(two_blocks), out);
    assert_digest(out, "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1");
}

static void streaming_gives_the_same(void **state)
{
    (void)state;
    char block[1000];
    uint8_t out[MR_SHA256_SIZE];
    memset(block, 'a', sizeof(block));
    struct mr_sha256 *s = mr_sha256_start();
    for (int i = 0; i < 1000; i++)
        mr_sha256_update(s, block, sizeof(block));
    mr_sha256_update(s, "", 0);
    mr_sha256_finish(&s, out);
    assert_null(s);
    assert_digest(out, "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0");
}

/* RFC 4231 test cases 1, 2 and 6, and the empty key and message. */
static void hmac_vectors(void **state)
{
    (void)state;
    uint8_t out[MR_SHA256_SIZE], key[131];
    memset(key, 0x0b, 20);
    mr_hmac_sha256(key, 20, "Hi There", 8, out);
    assert_digest(out, "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7");
    mr_hmac_sha256("Jefe", 4, "what do ya want for nothing?", 28, out);
    assert_digest(out, "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843");
    memset(key, 0xaa, sizeof(key));
    mr_hmac_sha256(key, sizeof(key), "Test Using Larger Than Block-Size Key - Hash Key First", 54, out);
    assert_digest(out, "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54");
    mr_hmac_sha256(NULL, 0, NULL, 0, out);
    assert_digest(out, "b613679a0814d9ec772f95d778c35fc5ff1697c493715653c6c712144292c5ad");
}

static void hex_both_ways(void **state)
{
    (void)state;
    char text[9];
    uint8_t out[4] = {0};
    assert_string_equal(mr_hex("\x00\xff\x10\xab", 4, text), "00ff10ab");
    assert_string_equal(mr_hex("", 0, text), "");
    assert_true(mr_unhex(mr_span_of("00fF10Ab"), out, 4));
    assert_memory_equal(out, "\x00\xff\x10\xab", 4);
    assert_false(mr_unhex(mr_span_of("00ff10a"), out, 4));
    assert_false(mr_unhex(mr_span_of("00ff10abc"), out, 4));
    assert_false(mr_unhex(mr_span_of("00ff10ag"), out, 4));
    assert_false(mr_unhex(mr_span_of("00ff10 b"), out, 4));
    assert_true(mr_unhex(mr_span_of(""), out, 0));
}

/* RFC 4648 section 10. */
static void base64_vectors(void **state)
{
    (void)state;
    static const char *const cases[][2] = {{"", ""},
                                           {"f", "Zg=="},
                                           {"fo", "Zm8="},
                                           {"foo", "Zm9v"},
                                           {"foob", "Zm9vYg=="},
                                           {"fooba", "Zm9vYmE="},
                                           {"foobar", "Zm9vYmFy"}};
    for (size_t i = 0; i < CASES(cases); i++) {
        char text[16], back[16];
        size_t n = strlen(cases[i][0]);
        assert_string_equal(mr_base64(cases[i][0], n, text), cases[i][1]);
        assert_true(mr_unbase64(mr_span_of(text), back, n));
        assert_memory_equal(back, cases[i][0], n);
        assert_false(mr_unbase64(mr_span_of(text), back, n + 3));
        if (n > 0)
            assert_false(mr_unbase64(mr_span_of(text), back, n - 1));
    }
}

static void base64_refuses(void **state)
{
    (void)state;
    static const char *const cases[] = {"Zm9v====", "Zm9vYm=",  "Zm9vYmF",  "Zm9v Ym=", "Zm9vYh==",
                                        "Zm9vY===", "Zm9v=m==", "Zm9vY-==", "Zm9vYmE\n"};
    for (size_t i = 0; i < CASES(cases); i++) {
        char out[16];
        assert_false(mr_unbase64(mr_span_of(cases[i]), out, 4));
        assert_false(mr_unbase64(mr_span_of(cases[i]), out, 5));
    }
}

static void base64_of_every_length(void **state)
{
    (void)state;
    uint8_t bytes[100], back[100];
    char text[140];
    for (size_t i = 0; i < sizeof(bytes); i++)
        bytes[i] = (uint8_t)(i * 37 + 200);
    for (size_t n = 0; n <= sizeof(bytes); n++) {
        mr_base64(bytes, n, text);
        assert_int_equal(strlen(text), 4 * ((n + 2) / 3));
        assert_true(mr_unbase64(mr_span_of(text), back, n));
        assert_memory_equal(back, bytes, n);
    }
}

static void *hash_many(void *ctx)
{
    uint8_t out[MR_SHA256_SIZE];
    for (int i = 0; i < 2000; i++) {
        mr_sha256(&i, sizeof(i), out);
        mr_hmac_sha256(out, sizeof(out), ctx, 4, out);
    }
    return NULL;
}

static void any_thread_may_hash(void **state)
{
    (void)state;
    pthread_t threads[4];
    for (size_t i = 0; i < CASES(threads); i++)
        assert_int_equal(pthread_create(&threads[i], NULL, hash_many, "data"), 0);
    for (size_t i = 0; i < CASES(threads); i++)
        pthread_join(threads[i], NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(any_thread_may_hash), /* first: it also races for the first fetch */
        cmocka_unit_test(sha256_vectors),         cmocka_unit_test(streaming_gives_the_same),
        cmocka_unit_test(hmac_vectors),           cmocka_unit_test(hex_both_ways),
        cmocka_unit_test(base64_vectors),         cmocka_unit_test(base64_refuses),
        cmocka_unit_test(base64_of_every_length),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
