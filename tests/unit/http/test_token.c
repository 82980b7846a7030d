/* Access tokens that were made elsewhere: signed by hand, so that every kind of forgery can be tried. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/digest.h"
#include "http/token.h"

#define KEY  "an HS256 key of more than 32 bytes"
#define USER "0190a5b2-7c3e-7f00-8000-000000000001"

static struct mr_config cfg = {
    .jwt_key = KEY, .jwt_kid = "k1", .jwt_issuer = "millrace", .jwt_audience = "files"};
static struct mr_token_key *key;

static void base64url(const void *p, size_t n, char *out, size_t size)
{
    sodium_bin2base64(out, size, p, n, sodium_base64_VARIANT_URLSAFE_NO_PADDING);
}

/* header.payload.signature under any key; the answer lives until the next call. */
static const char *sign_with(const char *header, const char *claims, const void *secret, size_t len)
{
    static char token[32768];
    char part[16384];
    uint8_t mac[MR_SHA256_SIZE];
    base64url(header, strlen(header), token, sizeof(token));
    strcat(token, ".");
    base64url(claims, strlen(claims), part, sizeof(part));
    strcat(token, part);
    mr_hmac_sha256(secret, len, token, strlen(token), mac);
    base64url(mac, sizeof(mac), part, sizeof(part));
    strcat(token, ".");
    return strcat(token, part);
}

static const char *sign(const char *header, const char *claims)
{
    return sign_with(header, claims, KEY, strlen(KEY));
}

static const char *claims_at(int64_t nbf_in, int64_t exp_in)
{
    static char claims[512];
    long long now = (long long)(mr_wall_us() / 1000000);
    snprintf(claims, sizeof(claims),
             "{\"iss\":\"millrace\",\"aud\":\"files\",\"sub\":\"%s\",\"nbf\":%lld,\"exp\":%lld}", USER,
             now + nbf_in, now + exp_in);
    return claims;
}

#define HEADER "{\"alg\":\"HS256\",\"typ\":\"JWT\",\"kid\":\"k1\"}"

static void taken(const char *token)
{
    struct mr_uuid id;
    struct mr_error err = {0};
    char text[MR_UUID_TEXT_SIZE];
    if (mr_token_check(key, token, &id, &err) != MR_OK)
        fail_msg("%s: %s", token, err.text);
    assert_string_equal(mr_uuid_format(id, text), USER);
}

static void refused(const char *token, const char *why)
{
    struct mr_uuid id;
    struct mr_error err = {0};
    if (mr_token_check(key, token, &id, &err) != MR_FAIL)
        fail_msg("taken: %s", token);
    assert_int_equal(err.class, MR_CLASS_REJECT);
    if (!strstr(err.text, why))
        fail_msg("%s, wanted %s", err.text, why);
    assert_null(strstr(err.text, KEY));
}

static void test_ours(void **state)
{
    (void)state;
    struct mr_uuid id = mr_uuid_v7(), back;
    struct mr_error err = {0};
    struct mr_buf token;
    mr_buf_init(&token, 2048);
    assert_int_equal(mr_token_make(key, id, 60000, &token, &err), MR_OK);
    assert_int_equal(mr_token_check(key, token.data, &back, &err), MR_OK);
    assert_true(mr_uuid_eq(id, back));
    mr_buf_free(&token);
    mr_buf_init(&token, 10);
    assert_int_equal(mr_token_make(key, id, 60000, &token, &err), MR_FAIL);
    mr_buf_free(&token);
    taken(sign(HEADER, claims_at(0, 60)));
    taken(sign("{\"alg\":\"HS256\",\"kid\":\"k1\"}", claims_at(0, 60)));
}

static void test_time(void **state)
{
    (void)state;
    taken(sign(HEADER, claims_at(-60, -3)));
    taken(sign(HEADER, claims_at(3, 60)));
    refused(sign(HEADER, claims_at(-60, -7)), "has expired");
    refused(sign(HEADER, claims_at(-60, -86400)), "has expired");
    refused(sign(HEADER, claims_at(8, 60)), "not valid yet");
}

static void test_header(void **state)
{
    (void)state;
    const char *const bad[] = {
        "{\"alg\":\"none\",\"kid\":\"k1\"}",
        "{\"alg\":\"None\",\"kid\":\"k1\"}",
        "{\"alg\":\"hs256\",\"kid\":\"k1\"}",
        "{\"alg\":\"HS512\",\"kid\":\"k1\"}",
        "{\"alg\":\"RS256\",\"kid\":\"k1\"}",
        "{\"alg\":[\"HS256\"],\"kid\":\"k1\"}",
        "{\"kid\":\"k1\"}",
        "{\"alg\":\"HS256\"}",
        "{\"alg\":\"HS256\",\"kid\":\"k2\"}",
        "{\"alg\":\"HS256\",\"kid\":1}",
        "{\"alg\":\"HS256\",\"kid\":\"k1\",\"typ\":\"JWE\"}",
        "{\"alg\":\"HS256\",\"kid\":\"k1\",\"crit\":[\"exp\"]}",
        "{\"alg\":\"none\",\"alg\":\"HS256\",\"kid\":\"k1\"}",
        "[\"HS256\"]",
        "",
    };
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        refused(sign(bad[i], claims_at(0, 60)), "is not valid");
    char unsigned_[2048];
    snprintf(unsigned_, sizeof(unsigned_), "%s", sign("{\"alg\":\"none\",\"kid\":\"k1\"}", claims_at(0, 60)));
    strrchr(unsigned_, '.')[1] = '\0';
    refused(unsigned_, "is not valid");
}

/* The attack: the verifier's key is an RSA public key, and the forger signs with its text as an HS256 secret.
 * Ours is a secret, so what is left to try is a token whose header says RS256. */
static void test_other_key(void **state)
{
    (void)state;
    const char *pem =
        "-----BEGIN PUBLIC KEY-----\nMFwwDQYJKoZIhvcNAQEBBQADSwAwSAJBAK\n-----END PUBLIC KEY-----\n";
    refused(sign_with(HEADER, claims_at(0, 60), pem, strlen(pem)), "is not valid");
    refused(sign_with(HEADER, claims_at(0, 60), "", 0), "is not valid");
    refused(sign_with(HEADER, claims_at(0, 60), KEY, strlen(KEY) - 1), "is not valid");
    refused(sign_with("{\"alg\":\"RS256\",\"kid\":\"k1\"}", claims_at(0, 60), KEY, strlen(KEY)),
            "is not valid");
}

static void test_claims(void **state)
{
    (void)state;
    static const struct {
        const char *claims, *why;
    } bad[] = {
        {"{\"aud\":\"files\",\"sub\":\"" USER "\",\"exp\":9999999999}", "not made for this service"},
        {"{\"iss\":\"x\",\"aud\":\"files\",\"sub\":\"" USER "\",\"exp\":9999999999}",
         "not made for this service"},
        {"{\"iss\":\"millrace\",\"sub\":\"" USER "\",\"exp\":9999999999}", "not made for this service"},
        {"{\"iss\":\"millrace\",\"aud\":\"other\",\"sub\":\"" USER "\",\"exp\":9999999999}",
         "not made for this service"},
        {"{\"iss\":\"millrace\",\"aud\":[\"files\"],\"sub\":\"" USER "\",\"exp\":9999999999}",
         "not made for this service"},
        {"{\"iss\":\"millrace\",\"aud\":\"files\",\"sub\":\"" USER "\"}", "is not valid"},
        {"{\"iss\":\"millrace\",\"aud\":\"files\",\"sub\":\"" USER "\",\"exp\":\"9999999999\"}",
         "is not valid"},
        {"{\"iss\":\"millrace\",\"aud\":\"files\",\"sub\":\"" USER "\",\"exp\":9999999999,\"nbf\":\"0\"}",
         "is not valid"},
        {"{\"iss\":\"millrace\",\"aud\":\"files\",\"sub\":\"" USER "\",\"exp\":-9999999999}", "has expired"},
        {"{\"iss\":\"millrace\",\"aud\":\"files\",\"exp\":9999999999}", "is not valid"},
        {"{\"iss\":\"millrace\",\"aud\":\"files\",\"sub\":\"root\",\"exp\":9999999999}", "is not valid"},
        {"{\"iss\":\"millrace\",\"aud\":\"files\",\"sub\":7,\"exp\":9999999999}", "is not valid"},
        {"[]", "is not valid"},
        {"nonsense", "is not valid"},
    };
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        refused(sign(HEADER, bad[i].claims), bad[i].why);
}

static void test_mangled(void **state)
{
    (void)state;
    char good[2048], token[2048];
    snprintf(good, sizeof(good), "%s", sign(HEADER, claims_at(0, 60)));
    size_t len = strlen(good);
    for (size_t i = 0; i < len; i++) { /* every truncation */
        snprintf(token, sizeof(token), "%.*s", (int)i, good);
        refused(token, "is not valid");
    }
    for (size_t i = 0; i < len; i++) { /* every byte changed */
        memcpy(token, good, len + 1);
        token[i] = token[i] == 'A' ? 'B' : 'A';
        refused(token, "is not valid");
    }
    const char *const tails[] = {".", "=", " ", "A", ".AAAA", "\n"};
    for (size_t i = 0; i < sizeof(tails) / sizeof(tails[0]); i++) {
        snprintf(token, sizeof(token), "%s%s", good, tails[i]);
        refused(token, "is not valid");
    }
    refused("", "is not valid");
    refused("..", "is not valid");
    refused("...", "is not valid");
    refused("\xff\xfe.\xff.\xff", "is not valid");
}

static void test_long(void **state)
{
    (void)state;
    static char claims[10240], token[20480];
    memset(token, 'A', 10240);
    token[10240] = '\0';
    refused(token, "is not valid");
    token[3000] = token[6000] = '.';
    refused(token, "is not valid");
    snprintf(claims, sizeof(claims), "{\"x\":\"%0*d\",\"iss\":\"millrace\"}", 8000, 0);
    refused(sign(HEADER, claims), "is not valid");
}

static void test_key(void **state)
{
    (void)state;
    struct mr_config other = cfg;
    struct mr_token_key *none = NULL;
    struct mr_error err = {0};
    other.jwt_key = "0123456789012345678901234567890";
    assert_int_equal(mr_token_key_open(&other, &none, &err), MR_FAIL);
    assert_int_equal(err.class, MR_CLASS_FATAL);
    assert_non_null(strstr(err.text, "jwt.key"));
    assert_null(strstr(err.text, other.jwt_key));
    assert_null(none);
}

static int set_up(void **state)
{
    (void)state;
    struct mr_error err = {0};
    return mr_token_key_open(&cfg, &key, &err) == MR_OK ? 0 : -1;
}

static int tear_down(void **state)
{
    (void)state;
    mr_token_key_close(&key);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_ours),      cmocka_unit_test(test_time),   cmocka_unit_test(test_header),
        cmocka_unit_test(test_other_key), cmocka_unit_test(test_claims), cmocka_unit_test(test_mangled),
        cmocka_unit_test(test_long),      cmocka_unit_test(test_key),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
