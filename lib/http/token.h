/* Access tokens: JWT (RFC 7519), HS256, one key. The header's alg and kid are matched to the configuration
 * before the signature is looked at, exp/nbf/iss/aud are checked here: libjwt 1.10.2 accepts an HS256 token
 * signed with an RS256 public key, and expired ones. Any thread may call. */
#ifndef MR_HTTP_TOKEN_H
#define MR_HTTP_TOKEN_H

#include "base/buf.h"
#include "base/config.h"
#include "base/error.h"
#include "base/id.h"

struct mr_token_key;

/* FATAL when the key is shorter than 32 bytes. */
enum mr_status mr_token_key_open(const struct mr_config *cfg, struct mr_token_key **out,
                                 struct mr_error *err);
void mr_token_key_close(struct mr_token_key **key);

enum mr_status mr_token_make(const struct mr_token_key *key, struct mr_uuid user_id, int64_t ttl_ms,
                             struct mr_buf *out, struct mr_error *err);
/* REJECT with a text fit for the client ("token has expired"); never says more than that about the key. */
enum mr_status mr_token_check(const struct mr_token_key *key, const char *token, struct mr_uuid *user_id,
                              struct mr_error *err);

#endif
