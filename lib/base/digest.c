#include "base/digest.h"

#include <limits.h>
#include <openssl/core_names.h>
#include <openssl/evp.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

/* Fetched once: looking an algorithm up by name costs more than hashing a short message (OpenSSL 3,
 * EVP_MD_fetch(3)). They live as long as the process. */
static EVP_MD *sha256;
static EVP_MAC_CTX *hmac_template;
static pthread_once_t fetched = PTHREAD_ONCE_INIT;

/* What fails here is memory or a libcrypto without SHA-256; a wrong digest would be worse than the end. */
static void must(bool ok)
{
    if (!ok)
        abort();
}

static void fetch(void)
{
    sha256 = EVP_MD_fetch(NULL, "SHA2-256", NULL);
    must(sha256 != NULL);
    EVP_MAC *mac = EVP_MAC_fetch(NULL, "HMAC", NULL);
    must(mac != NULL);
    hmac_template = EVP_MAC_CTX_new(mac);
    EVP_MAC_free(mac);
    char digest[] = "SHA2-256";
    const OSSL_PARAM params[] = {OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST, digest, 0),
                                 OSSL_PARAM_construct_end()};
    must(hmac_template && EVP_MAC_CTX_set_params(hmac_template, params) == 1);
}

static const EVP_MD *sha256_md(void)
{
    pthread_once(&fetched, fetch);
    return sha256;
}

void mr_sha256(const void *p, size_t n, uint8_t out[MR_SHA256_SIZE])
{
    must(EVP_Digest(p, n, out, NULL, sha256_md(), NULL) == 1);
}

void mr_hmac_sha256(const void *key, size_t key_len, const void *p, size_t n, uint8_t out[MR_SHA256_SIZE])
{
    pthread_once(&fetched, fetch);
    EVP_MAC_CTX *ctx = EVP_MAC_CTX_dup(hmac_template);
    size_t len = 0;
    /* A NULL key means "keep the one set before" to OpenSSL; an empty key is a key. */
    must(ctx && EVP_MAC_init(ctx, key_len ? key : "", key_len, NULL) == 1 &&
         EVP_MAC_update(ctx, n ? p : (const void *)"", n) == 1 &&
         EVP_MAC_final(ctx, out, &len, MR_SHA256_SIZE) == 1 && len == MR_SHA256_SIZE);
    EVP_MAC_CTX_free(ctx);
}

struct mr_sha256 {
    EVP_MD_CTX *ctx;
};

struct mr_sha256 *mr_sha256_start(void)
{
    struct mr_sha256 *s = malloc(sizeof(*s));
    must(s != NULL);
    s->ctx = EVP_MD_CTX_new();
    must(s->ctx && EVP_DigestInit_ex(s->ctx, sha256_md(), NULL) == 1);
    return s;
}

void mr_sha256_update(struct mr_sha256 *s, const void *p, size_t n)
{
    must(EVP_DigestUpdate(s->ctx, p, n) == 1);
}

void mr_sha256_finish(struct mr_sha256 **s, uint8_t out[MR_SHA256_SIZE])
{
    must(EVP_DigestFinal_ex((*s)->ctx, out, NULL) == 1);
    EVP_MD_CTX_free((*s)->ctx);
    free(*s);
    *s = NULL;
}

const char *mr_hex(const void *p, size_t n, char *out)
{
    static const char alphabet[] = "0123456789abcdef";
    const uint8_t *bytes = p;
    for (size_t i = 0; i < n; i++) {
        out[2 * i] = alphabet[bytes[i] >> 4];
        out[2 * i + 1] = alphabet[bytes[i] & 0x0f];
    }
    out[2 * n] = '\0';
    return out;
}

/* A digit's value with bit 4 set; 0 for what is no digit. A table, because branches on random digits are
 * mispredicted half the time, and every event on the log has five UUIDs. */
static const uint8_t hex_digit[256] = {
    ['0'] = 0x10, ['1'] = 0x11, ['2'] = 0x12, ['3'] = 0x13, ['4'] = 0x14, ['5'] = 0x15,
    ['6'] = 0x16, ['7'] = 0x17, ['8'] = 0x18, ['9'] = 0x19, ['a'] = 0x1a, ['b'] = 0x1b,
    ['c'] = 0x1c, ['d'] = 0x1d, ['e'] = 0x1e, ['f'] = 0x1f, ['A'] = 0x1a, ['B'] = 0x1b,
    ['C'] = 0x1c, ['D'] = 0x1d, ['E'] = 0x1e, ['F'] = 0x1f,
};

bool mr_unhex(struct mr_span text, void *out, size_t n)
{
    if (text.len / 2 != n || text.len % 2 != 0)
        return false;
    uint8_t *bytes = out;
    unsigned all = 0x10;
    for (size_t i = 0; i < n; i++) {
        unsigned high = hex_digit[(uint8_t)text.p[2 * i]];
        unsigned low = hex_digit[(uint8_t)text.p[2 * i + 1]];
        all &= high & low;
        bytes[i] = (uint8_t)(high << 4 | (low & 0x0f));
    }
    return all != 0;
}

static const char base64_alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

const char *mr_base64(const void *p, size_t n, char *out)
{
    const uint8_t *in = p;
    char *o = out;
    for (size_t i = 0; i < n; i += 3) {
        size_t have = n - i;
        uint32_t group = (uint32_t)in[i] << 16 | (have > 1 ? (uint32_t)in[i + 1] << 8 : 0) |
                         (have > 2 ? (uint32_t)in[i + 2] : 0);
        *o++ = base64_alphabet[group >> 18];
        *o++ = base64_alphabet[group >> 12 & 63];
        *o++ = have > 1 ? base64_alphabet[group >> 6 & 63] : '=';
        *o++ = have > 2 ? base64_alphabet[group & 63] : '=';
    }
    *o = '\0';
    return out;
}

static int base64_value(char c)
{
    const char *at = c ? strchr(base64_alphabet, c) : NULL;
    return at ? (int)(at - base64_alphabet) : -1;
}

/* One group of four characters that stands for `bytes` (1..3) bytes. The bits that padding leaves over must
 * be zero, so that one value has one text. */
static bool unbase64_group(const char *in, size_t bytes, uint8_t *out)
{
    uint32_t group = 0;
    for (size_t i = 0; i < 4; i++) {
        int value = i <= bytes ? base64_value(in[i]) : (in[i] == '=' ? 0 : -1);
        if (value < 0)
            return false;
        group = group << 6 | (uint32_t)value;
    }
    if ((group & (0xffffffu >> (8 * bytes))) != 0)
        return false;
    for (size_t i = 0; i < bytes; i++)
        out[i] = (uint8_t)(group >> (16 - 8 * i));
    return true;
}

bool mr_unbase64(struct mr_span text, void *out, size_t n)
{
    if (text.len % 4 != 0 || text.len / 4 != n / 3 + (n % 3 != 0))
        return false;
    uint8_t *o = out;
    for (size_t i = 0; i < n; i += 3) {
        if (!unbase64_group(text.p + i / 3 * 4, n - i < 3 ? n - i : 3, o + i))
            return false;
    }
    return true;
}
