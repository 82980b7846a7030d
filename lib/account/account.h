/* Accounts: what a password and an e-mail address must look like, argon2id hashes (RFC 9106, by libsodium),
 * and the rows of `users` and `invites`. mr-api and `mr-admin user` both go through here, so that an account
 * is the same whoever made it. Any thread may call; a hash takes 64 MiB and some 100 ms of one core, the
 * caller bounds how many run at once. */
#ifndef MR_ACCOUNT_ACCOUNT_H
#define MR_ACCOUNT_ACCOUNT_H

#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"
#include "base/id.h"
#include "base/span.h"
#include "db/db.h"

#define MR_ACCOUNT_HASH_SIZE    128 /* crypto_pwhash_STRBYTES */
#define MR_ACCOUNT_EMAIL_MAX    254 /* RFC 5321, 4.5.3.1.3 less the angle brackets */
#define MR_ACCOUNT_NAME_MAX     200
#define MR_ACCOUNT_PASSWORD_MIN 8
#define MR_ACCOUNT_PASSWORD_MAX 1024
#define MR_INVITE_TOKEN_SIZE    44 /* 32 random bytes in URL-safe base64 without padding, and a NUL */

/* REJECT with a text for the user: no single @ with something on both sides, white space, control characters,
 * invalid UTF-8, too long. Length is counted in bytes. */
enum mr_status mr_account_check_email(struct mr_span email, struct mr_error *err);
enum mr_status mr_account_check_name(struct mr_span name, struct mr_error *err); /* empty is fine */
enum mr_status mr_account_check_password(struct mr_span password, struct mr_error *err);

/* Salted: another string each time. RETRY when there is no memory for it. */
enum mr_status mr_account_hash(struct mr_span password, char out[MR_ACCOUNT_HASH_SIZE], struct mr_error *err);
bool mr_account_verify(struct mr_span password, const char *hash);
/* As long as mr_account_verify() takes, always false: for a user that does not exist. */
bool mr_account_verify_nobody(struct mr_span password);

/* Inserts the user under a new id. REJECT with code mr_sqlstate("23505") when the address (in any case) is
 * taken. `email` and `name` have passed their checks. */
enum mr_status mr_account_create(struct mr_db *db, struct mr_span email, struct mr_span name,
                                 const char *hash, struct mr_uuid *user_id, struct mr_error *err);

/* Of SQL: the user of that expression may do anything at all. Part of whatever decides permission, so that an
 * account loses everything at once when it is disabled, however long its token is still good. */
#define MR_ACCOUNT_ENABLED(user_id)                                                                          \
    "exists (select from users enabled where enabled.user_id = " user_id " and enabled.disabled_at is null)"
/* The same as a question of its own, for where no query comes first; no such user: not enabled. */
enum mr_status mr_account_enabled(struct mr_db *db, struct mr_uuid user_id, bool *enabled,
                                  struct mr_error *err);

/* A one-time invitation, for one address or (email.p == NULL) for whoever has it; only its SHA-256 is kept.
 */
enum mr_status mr_account_invite(struct mr_db *db, struct mr_span email, int64_t ttl_ms,
                                 char token[MR_INVITE_TOKEN_SIZE], struct mr_error *err);
/* Uses the invitation up for that user; call it in the transaction that made the user. REJECT (code 0) when
 * it is unknown, used, expired or for another address. */
enum mr_status mr_account_redeem(struct mr_db *db, struct mr_span token, struct mr_span email,
                                 struct mr_uuid user_id, struct mr_error *err);

#endif
