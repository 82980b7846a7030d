/* Access tokens: "s" and header, newline, claims make a token that is signed with our key, so that what lies
 * behind the signature is reached; anything else is a token as it came, which no one can have signed. */
#include <sodium.h>

#include "base/digest.h"
#include "http/token.h"
#include "target.h"

#define KEY      "0123456789abcdef0123456789abcdef"
#define TEXT_MAX 8192

static const struct mr_token_key *the_key(void)
{
    static struct mr_token_key *key;
    static struct mr_config cfg;
    if (!key) {
        struct mr_error err;
        cfg.jwt_key = KEY;
        cfg.jwt_kid = "k1";
        cfg.jwt_issuer = "millrace";
        cfg.jwt_audience = "millrace";
        must(mr_token_key_open(&cfg, &key, &err) == MR_OK, "the key opens");
    }
    return key;
}

static void add_part(struct mr_buf *out, const void *p, size_t n)
{
    char text[sodium_base64_ENCODED_LEN(TEXT_MAX, sodium_base64_VARIANT_URLSAFE_NO_PADDING)];
    sodium_bin2base64(text, sizeof text, p, n, sodium_base64_VARIANT_URLSAFE_NO_PADDING);
    must(mr_buf_puts(out, text) == MR_OK, "there is room");
}

static void sign(struct mr_span claims, struct mr_buf *token)
{
    uint8_t signature[MR_SHA256_SIZE];
    struct mr_span header = take_until(&claims, '\n');
    add_part(token, header.p, header.len);
    must(mr_buf_puts(token, ".") == MR_OK, "there is room");
    add_part(token, claims.p, claims.len);
    mr_hmac_sha256(KEY, strlen(KEY), token->data, token->len, signature);
    must(mr_buf_puts(token, ".") == MR_OK, "there is room");
    add_part(token, signature, sizeof signature);
}

static void try_own(struct mr_span bytes)
{
    struct mr_uuid user = {{0}}, got;
    struct mr_error err;
    struct mr_buf token;
    memcpy(user.b, bytes.p, bytes.len < sizeof user.b ? bytes.len : sizeof user.b);
    mr_buf_init(&token, TEXT_MAX);
    must(mr_token_make(the_key(), user, 60000, &token, &err) == MR_OK &&
             mr_token_check(the_key(), token.data, &got, &err) == MR_OK && mr_uuid_eq(user, got),
         "check(make(user)) == user");
    mr_buf_free(&token);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct mr_span input = {(const char *)data, size};
    struct mr_error err = {0};
    struct mr_uuid user;
    struct mr_buf token;
    const struct mr_token_key *key = the_key();
    if (size == 0 || size > TEXT_MAX)
        return 0;
    mr_buf_init(&token, 4 * TEXT_MAX);
    bool is_signed = *input.p == 's';
    if (is_signed) {
        take_byte(&input);
        sign(input, &token);
    } else {
        must(mr_buf_add(&token, input.p, input.len) == MR_OK, "there is room");
    }
    char *text = text_of(mr_buf_span(&token));
    if (mr_token_check(key, text, &user, &err) != MR_OK)
        must(err.class == MR_CLASS_REJECT && err.code == 401, "a refusal is a 401");
    else
        must(is_signed, "no token is taken that was not signed");
    free(text);
    mr_buf_free(&token);
    try_own(input);
    return 0;
}
