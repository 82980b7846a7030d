#include "http/token.h"

#include <errno.h>
#include <jansson.h>
#include <jwt.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"

#define KEY_MIN        32
#define TOKEN_MAX      4096
#define LEEWAY_SECONDS 5

struct mr_token_key {
    const struct mr_config *cfg; /* strings live as long as the process */
    const unsigned char *key;
    int len;
};

enum mr_status mr_token_key_open(const struct mr_config *cfg, struct mr_token_key **out, struct mr_error *err)
{
    size_t len = strlen(cfg->jwt_key);
    if (len < KEY_MIN || len > 4096)
        return mr_error_set(err, MR_CLASS_FATAL, 0, "jwt.key must have at least %d bytes, it has %zu",
                            KEY_MIN, len);
    struct mr_token_key *key = calloc(1, sizeof(*key));
    if (!key || sodium_init() < 0) {
        free(key);
        return mr_error_set(err, MR_CLASS_FATAL, ENOMEM, "read jwt.key: out of memory");
    }
    key->cfg = cfg;
    key->key = (const unsigned char *)cfg->jwt_key;
    key->len = (int)len;
    *out = key;
    return MR_OK;
}

void mr_token_key_close(struct mr_token_key **key)
{
    free(*key);
    *key = NULL;
}

static bool add_claims(jwt_t *jwt, const struct mr_config *cfg, struct mr_uuid user_id, int64_t now,
                       int64_t ttl)
{
    char sub[MR_UUID_TEXT_SIZE];
    return jwt_add_header(jwt, "kid", cfg->jwt_kid) == 0 && jwt_add_grant(jwt, "iss", cfg->jwt_issuer) == 0 &&
           jwt_add_grant(jwt, "aud", cfg->jwt_audience) == 0 &&
           jwt_add_grant(jwt, "sub", mr_uuid_format(user_id, sub)) == 0 &&
           jwt_add_grant_int(jwt, "iat", now) == 0 && jwt_add_grant_int(jwt, "nbf", now) == 0 &&
           jwt_add_grant_int(jwt, "exp", now + ttl) == 0;
}

enum mr_status mr_token_make(const struct mr_token_key *key, struct mr_uuid user_id, int64_t ttl_ms,
                             struct mr_buf *out, struct mr_error *err)
{
    jwt_t *jwt = NULL;
    char *text = NULL;
    if (jwt_new(&jwt) == 0 && jwt_set_alg(jwt, JWT_ALG_HS256, key->key, key->len) == 0 &&
        add_claims(jwt, key->cfg, user_id, mr_wall_us() / 1000000, ttl_ms / 1000))
        text = jwt_encode_str(jwt);
    enum mr_status status = MR_OK;
    if (!text)
        status = mr_error_set(err, MR_CLASS_RETRY, ENOMEM, "sign an access token: out of memory");
    else if (mr_buf_puts(out, text) != MR_OK)
        status =
            mr_error_set(err, MR_CLASS_REJECT, 0, "sign an access token: it has %zu bytes", strlen(text));
    free(text);
    jwt_free(jwt);
    return status;
}

/* One part of a token as a JSON object; NULL when it is none. */
static json_t *part_json(const char *p, size_t n)
{
    unsigned char bytes[TOKEN_MAX];
    size_t len = 0;
    if (sodium_base642bin(bytes, sizeof(bytes), p, n, NULL, &len, NULL,
                          sodium_base64_VARIANT_URLSAFE_NO_PADDING) != 0)
        return NULL;
    json_t *json = json_loadb((const char *)bytes, len, JSON_REJECT_DUPLICATES, NULL);
    if (json_is_object(json))
        return json;
    json_decref(json);
    return NULL;
}

static bool is_text(const json_t *object, const char *name, const char *want)
{
    const char *have = json_string_value(json_object_get(object, name));
    return have && strcmp(have, want) == 0;
}

/* The algorithm is ours to choose, never the token's; "crit" would name extensions that we do not know. */
static bool header_fits(const struct mr_token_key *key, const char *p, size_t n)
{
    json_t *header = part_json(p, n);
    bool fits = header && is_text(header, "alg", "HS256") && is_text(header, "kid", key->cfg->jwt_kid) &&
                !json_object_get(header, "crit") &&
                (!json_object_get(header, "typ") || is_text(header, "typ", "JWT"));
    json_decref(header);
    return fits;
}

static bool signature_fits(const struct mr_token_key *key, const char *token)
{
    jwt_t *jwt = NULL;
    bool fits = jwt_decode(&jwt, token, key->key, key->len) == 0 && jwt_get_alg(jwt) == JWT_ALG_HS256;
    jwt_free(jwt);
    return fits;
}

static enum mr_status refuse(struct mr_error *err, const char *why)
{
    return mr_error_set(err, MR_CLASS_REJECT, 401, "the access token %s", why);
}

static enum mr_status check_claims(const struct mr_token_key *key, const json_t *claims,
                                   struct mr_uuid *user_id, struct mr_error *err)
{
    int64_t now = mr_wall_us() / 1000000;
    const json_t *exp = json_object_get(claims, "exp"), *nbf = json_object_get(claims, "nbf");
    const json_t *sub = json_object_get(claims, "sub");
    struct mr_span subject = {json_string_value(sub), json_string_length(sub)};
    if (!json_is_integer(exp) || (nbf && !json_is_integer(nbf)))
        return refuse(err, "is not valid");
    if (json_integer_value(exp) <= now - LEEWAY_SECONDS)
        return refuse(err, "has expired");
    if (nbf && json_integer_value(nbf) > now + LEEWAY_SECONDS)
        return refuse(err, "is not valid yet");
    if (!is_text(claims, "iss", key->cfg->jwt_issuer) || !is_text(claims, "aud", key->cfg->jwt_audience))
        return refuse(err, "was not made for this service");
    if (!subject.p || !mr_uuid_parse(subject, user_id))
        return refuse(err, "is not valid");
    return MR_OK;
}

enum mr_status mr_token_check(const struct mr_token_key *key, const char *token, struct mr_uuid *user_id,
                              struct mr_error *err)
{
    size_t len = strlen(token);
    const char *first = strchr(token, '.');
    const char *second = first ? strchr(first + 1, '.') : NULL;
    if (len > TOKEN_MAX || !second || strchr(second + 1, '.'))
        return refuse(err, "is not valid");
    if (!header_fits(key, token, (size_t)(first - token)) || !signature_fits(key, token))
        return refuse(err, "is not valid");
    json_t *claims = part_json(first + 1, (size_t)(second - first - 1));
    enum mr_status status = claims ? check_claims(key, claims, user_id, err) : refuse(err, "is not valid");
    json_decref(claims);
    return status;
}
