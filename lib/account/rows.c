/* The rows of `users` and `invites`. */
#include <sodium.h>

#include "account/account.h"
#include "base/clock.h"

enum mr_status mr_account_create(struct mr_db *db, struct mr_span email, struct mr_span name,
                                 const char *hash, struct mr_uuid *user_id, struct mr_error *err)
{
    *user_id = mr_uuid_v7();
    struct mr_db_args args;
    mr_db_args_init(&args);
    mr_db_arg_uuid(&args, *user_id);
    mr_db_arg_span(&args, email);
    mr_db_arg_span(&args, name);
    mr_db_arg_text(&args, hash);
    /* DO NOTHING rather than a constraint error, so that the caller's transaction stays usable. */
    PGresult *res = NULL;
    if (mr_db_query(db,
                    "insert into users (user_id, email, name, password_hash) values ($1, $2, $3, $4) "
                    "on conflict do nothing returning user_id",
                    &args, &res, err) != MR_OK)
        return mr_error_prefix(err, "create account");
    bool taken = PQntuples(res) == 0;
    PQclear(res);
    if (taken)
        return mr_error_set(err, MR_CLASS_REJECT, mr_sqlstate("23505"),
                            "there is an account for %.*s already", (int)email.len, email.p);
    return MR_OK;
}

enum mr_status mr_account_enabled(struct mr_db *db, struct mr_uuid user_id, bool *enabled,
                                  struct mr_error *err)
{
    PGresult *res = NULL;
    struct mr_db_args args;
    mr_db_args_init(&args);
    mr_db_arg_uuid(&args, user_id);
    if (mr_db_query(db, "select " MR_ACCOUNT_ENABLED("$1"), &args, &res, err) != MR_OK)
        return mr_error_prefix(err, "look at the account");
    *enabled = mr_db_bool(res, 0, 0);
    PQclear(res);
    return MR_OK;
}

enum mr_status mr_account_invite(struct mr_db *db, struct mr_span email, int64_t ttl_ms,
                                 char token[MR_INVITE_TOKEN_SIZE], struct mr_error *err)
{
    unsigned char random[32];
    uint8_t digest[MR_SHA256_SIZE];
    if (sodium_init() < 0)
        return mr_error_set(err, MR_CLASS_FATAL, 0, "start libsodium: no source of randomness");
    randombytes_buf(random, sizeof(random));
    sodium_bin2base64(token, MR_INVITE_TOKEN_SIZE, random, sizeof(random),
                      sodium_base64_VARIANT_URLSAFE_NO_PADDING);
    mr_sha256(token, strlen(token), digest);
    struct mr_db_args args;
    mr_db_args_init(&args);
    mr_db_arg_bytes(&args, digest, sizeof(digest));
    if (email.p)
        mr_db_arg_span(&args, email);
    else
        mr_db_arg_null(&args);
    mr_db_arg_time(&args, mr_wall_us() + ttl_ms * 1000);
    if (mr_db_query(db, "insert into invites (token_sha256, email, expires_at) values ($1, $2::text, $3)",
                    &args, NULL, err) != MR_OK)
        return mr_error_prefix(err, "store invitation");
    return MR_OK;
}

enum mr_status mr_account_redeem(struct mr_db *db, struct mr_span token, struct mr_span email,
                                 struct mr_uuid user_id, struct mr_error *err)
{
    uint8_t digest[MR_SHA256_SIZE];
    mr_sha256(token.p, token.len, digest);
    struct mr_db_args args;
    mr_db_args_init(&args);
    mr_db_arg_bytes(&args, digest, sizeof(digest));
    mr_db_arg_span(&args, email);
    mr_db_arg_uuid(&args, user_id);
    PGresult *res = NULL;
    if (mr_db_query(
            db,
            "update invites set used_by = $3, used_at = now() where token_sha256 = $1 and used_at is null "
            "and expires_at > now() and (email is null or lower(email) = lower($2)) returning 1",
            &args, &res, err) != MR_OK)
        return mr_error_prefix(err, "redeem invitation");
    bool used = PQntuples(res) == 1;
    PQclear(res);
    if (!used)
        return mr_error_set(err, MR_CLASS_REJECT, 0,
                            "the invitation is unknown, used, expired or for another address");
    return MR_OK;
}
