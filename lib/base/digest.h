/* SHA-256 (FIPS 180-4, by OpenSSL, which uses the CPU's SHA extensions), hex and base64. */
#ifndef MR_BASE_DIGEST_H
#define MR_BASE_DIGEST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/span.h"

#define MR_SHA256_SIZE        32
#define MR_SHA256_HEX_SIZE    65
#define MR_SHA256_BASE64_SIZE 45

void mr_sha256(const void *p, size_t n, uint8_t out[MR_SHA256_SIZE]);
void mr_hmac_sha256(const void *key, size_t key_len, const void *p, size_t n, uint8_t out[MR_SHA256_SIZE]);

struct mr_sha256; /* streaming; one thread at a time */
struct mr_sha256 *mr_sha256_start(void);
void mr_sha256_update(struct mr_sha256 *s, const void *p, size_t n);
void mr_sha256_finish(struct mr_sha256 **s, uint8_t out[MR_SHA256_SIZE]); /* frees */

/* `out` has 2 * n + 1 bytes; lower case. Returns out. */
const char *mr_hex(const void *p, size_t n, char *out);
/* Exactly 2 * n hex digits, either case. */
bool mr_unhex(struct mr_span text, void *out, size_t n);

/* Standard alphabet with padding (RFC 4648 section 4). `out` has 4 * ((n + 2) / 3) + 1 bytes. */
const char *mr_base64(const void *p, size_t n, char *out);
/* Fails unless the text decodes to exactly n bytes. */
bool mr_unbase64(struct mr_span text, void *out, size_t n);

#endif
