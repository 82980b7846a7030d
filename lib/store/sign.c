#include "store/sign.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/digest.h"

#define ALGORITHM     "AWS4-HMAC-SHA256"
#define CANONICAL_MAX 65536
#define SCOPE_SIZE    128
#define DATE_LEN      8

void mr_sign_add(struct mr_sign_list *list, const char *name, const char *value)
{
    if (list->n == MR_SIGN_PAIRS_MAX)
        abort();
    list->pairs[list->n++] = (struct mr_sign_pair){name, value};
}

static bool unreserved(unsigned char c)
{
    return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' ||
           c == '.' || c == '_' || c == '~';
}

enum mr_status mr_sign_encode(struct mr_buf *out, struct mr_span text, bool keep_slash)
{
    static const char digits[] = "0123456789ABCDEF";
    for (size_t i = 0; i < text.len; i++) {
        unsigned char c = (unsigned char)text.p[i];
        bool plain = unreserved(c) || (keep_slash && c == '/');
        const char escaped[3] = {'%', digits[c >> 4], digits[c & 15]};
        if (mr_buf_add(out, plain ? &text.p[i] : escaped, plain ? 1 : 3) != MR_OK)
            return MR_FAIL;
    }
    return MR_OK;
}

const char *mr_sign_stamp(int64_t wall_us, char out[MR_SIGN_STAMP_SIZE])
{
    time_t seconds = (time_t)(wall_us / 1000000);
    struct tm tm;
    gmtime_r(&seconds, &tm);
    if (strftime(out, MR_SIGN_STAMP_SIZE, "%Y%m%dT%H%M%SZ", &tm) == 0)
        out[0] = '\0'; /* a year past 9999 */
    return out;
}

/* The signature sorts encoded names; our parameter names need no encoding, so their own order is the same. */
static int by_name(const void *a, const void *b)
{
    return strcmp(((const struct mr_sign_pair *)a)->name, ((const struct mr_sign_pair *)b)->name);
}

static struct mr_sign_list sorted(const struct mr_sign_list *list)
{
    struct mr_sign_list copy = *list;
    qsort(copy.pairs, copy.n, sizeof copy.pairs[0], by_name);
    return copy;
}

enum mr_status mr_sign_query(struct mr_buf *out, const struct mr_sign_list *query)
{
    struct mr_sign_list list = sorted(query);
    for (size_t i = 0; i < list.n; i++) {
        if ((i > 0 && mr_buf_add(out, "&", 1) != MR_OK) ||
            mr_sign_encode(out, mr_span_of(list.pairs[i].name), false) != MR_OK ||
            mr_buf_add(out, "=", 1) != MR_OK ||
            mr_sign_encode(out, mr_span_of(list.pairs[i].value), false) != MR_OK)
            return MR_FAIL;
    }
    return MR_OK;
}

static enum mr_status signed_names(struct mr_buf *out, const struct mr_sign_list *headers)
{
    struct mr_sign_list list = sorted(headers);
    for (size_t i = 0; i < list.n; i++) {
        if ((i > 0 && mr_buf_add(out, ";", 1) != MR_OK) || mr_buf_puts(out, list.pairs[i].name) != MR_OK)
            return MR_FAIL;
    }
    return MR_OK;
}

static enum mr_status canonical_request(const struct mr_sign_request *rq, struct mr_buf *out)
{
    if (mr_buf_printf(out, "%s\n%s\n", rq->method, rq->path) != MR_OK ||
        mr_sign_query(out, &rq->query) != MR_OK || mr_buf_add(out, "\n", 1) != MR_OK)
        return MR_FAIL;
    struct mr_sign_list headers = sorted(&rq->headers);
    for (size_t i = 0; i < headers.n; i++) {
        if (mr_buf_printf(out, "%s:%s\n", headers.pairs[i].name, headers.pairs[i].value) != MR_OK)
            return MR_FAIL;
    }
    if (mr_buf_add(out, "\n", 1) != MR_OK || signed_names(out, &rq->headers) != MR_OK)
        return MR_FAIL;
    return mr_buf_printf(out, "\n%s", rq->payload);
}

static void signing_key(const struct mr_sign_key *key, const char *stamp, uint8_t out[MR_SHA256_SIZE])
{
    char first[4 + 256];
    int n = snprintf(first, sizeof first, "AWS4%s", key->secret_key);
    size_t len = n < (int)sizeof first ? (size_t)n : sizeof first - 1;
    mr_hmac_sha256(first, len, stamp, DATE_LEN, out);
    mr_hmac_sha256(out, MR_SHA256_SIZE, key->region, strlen(key->region), out);
    mr_hmac_sha256(out, MR_SHA256_SIZE, "s3", 2, out);
    mr_hmac_sha256(out, MR_SHA256_SIZE, "aws4_request", 12, out);
}

static void scope_of(const struct mr_sign_key *key, const char *stamp, char out[SCOPE_SIZE])
{
    snprintf(out, SCOPE_SIZE, "%.8s/%s/s3/aws4_request", stamp, key->region);
}

static enum mr_status signature(const struct mr_sign_key *key, const struct mr_sign_request *rq,
                                const char *stamp, char out[MR_SHA256_HEX_SIZE])
{
    struct mr_buf canonical;
    mr_buf_init(&canonical, CANONICAL_MAX);
    if (canonical_request(rq, &canonical) != MR_OK) {
        mr_buf_free(&canonical);
        return MR_FAIL;
    }
    uint8_t digest[MR_SHA256_SIZE];
    mr_sha256(canonical.data, canonical.len, digest);
    mr_buf_free(&canonical);

    char scope[SCOPE_SIZE], hex[MR_SHA256_HEX_SIZE], text[512];
    scope_of(key, stamp, scope);
    int n = snprintf(text, sizeof text, ALGORITHM "\n%s\n%s\n%s", stamp, scope,
                     mr_hex(digest, sizeof digest, hex));
    uint8_t derived[MR_SHA256_SIZE];
    signing_key(key, stamp, derived);
    mr_hmac_sha256(derived, sizeof derived, text, (size_t)n, digest);
    mr_hex(digest, sizeof digest, out);
    return MR_OK;
}

enum mr_status mr_sign_authorization(const struct mr_sign_key *key, const struct mr_sign_request *rq,
                                     const char *stamp, struct mr_buf *out)
{
    char scope[SCOPE_SIZE], hex[MR_SHA256_HEX_SIZE];
    scope_of(key, stamp, scope);
    if (signature(key, rq, stamp, hex) != MR_OK ||
        mr_buf_printf(out, ALGORITHM " Credential=%s/%s,SignedHeaders=", key->access_key, scope) != MR_OK ||
        signed_names(out, &rq->headers) != MR_OK)
        return MR_FAIL;
    return mr_buf_printf(out, ",Signature=%s", hex);
}

enum mr_status mr_sign_presigned(const struct mr_sign_key *key, const struct mr_sign_request *rq,
                                 const char *stamp, int64_t ttl_s, struct mr_buf *out)
{
    char scope[SCOPE_SIZE], credential[SCOPE_SIZE + 256], ttl[24], hex[MR_SHA256_HEX_SIZE];
    scope_of(key, stamp, scope);
    snprintf(credential, sizeof credential, "%s/%s", key->access_key, scope);
    snprintf(ttl, sizeof ttl, "%lld", (long long)ttl_s);

    struct mr_buf names;
    mr_buf_init(&names, 1024);
    struct mr_sign_request full = *rq;
    enum mr_status status = signed_names(&names, &rq->headers);
    if (status == MR_OK) {
        mr_sign_add(&full.query, "X-Amz-Algorithm", ALGORITHM);
        mr_sign_add(&full.query, "X-Amz-Credential", credential);
        mr_sign_add(&full.query, "X-Amz-Date", stamp);
        mr_sign_add(&full.query, "X-Amz-Expires", ttl);
        mr_sign_add(&full.query, "X-Amz-SignedHeaders", names.data ? names.data : "");
        status = signature(key, &full, stamp, hex);
    }
    if (status == MR_OK)
        status = mr_sign_query(out, &full.query);
    if (status == MR_OK)
        status = mr_buf_printf(out, "&X-Amz-Signature=%s", hex);
    mr_buf_free(&names);
    return status;
}
