/* POST /token: a password for an access token (the form of RFC 6749, 4.3, as OAuth2 clients send it).
 *
 * What is answered, and when, depends on the address and the password given, never on whether the address has
 * an account: failures are counted by address, and for an unknown one the same work is done. */
#include <sodium.h>
#include <stdio.h>
#include <string.h>

#include "account/account.h"
#include "api/handlers.h"
#include "api/hashing.h"
#include "base/clock.h"

#define BLOCK_MAX_S    900
#define REMEMBER_S     86400 /* a failure counts for this long */
#define FORGET_ONE_IN  64    /* failed logins that also delete what is older */
#define TOKEN_TEXT_MAX 4096
#define ADDRESS        "sha256(convert_to(lower($1), 'UTF8'))"

struct login {
    struct mr_span email, password;
    bool known; /* the address has an account that is not disabled */
    struct mr_uuid user_id;
    char hash[MR_ACCOUNT_HASH_SIZE];
    bool has_failures;
    int64_t blocked_ms;
};

static bool read_login(struct mr_http_request *rq, struct mr_http_reply *rp, struct login *l)
{
    struct mr_error err = {0};
    const char *email = mr_http_form(rq, "username"), *password = mr_http_form(rq, "password");
    const char *grant = mr_http_form(rq, "grant_type");
    if (!email || !password)
        mr_http_problem(rp, 400, "invalid-request", "the form must have \"username\" and \"password\"");
    else if (grant && strcmp(grant, "password") != 0 && grant[0])
        mr_http_problem(rp, 400, "unsupported-grant-type", "\"grant_type\" must be password");
    else if (strlen(password) > MR_ACCOUNT_PASSWORD_MAX)
        mr_http_problem(rp, 400, "invalid-request", "a password has at most %d bytes",
                        MR_ACCOUNT_PASSWORD_MAX);
    else if (mr_account_check_email(mr_span_of(email), &err) != MR_OK)
        mr_http_problem(rp, 400, "invalid-request", "username: %s", err.text);
    else {
        *l = (struct login){.email = mr_span_of(email), .password = mr_span_of(password)};
        return true;
    }
    return false;
}

static enum mr_status look_up(struct mr_db *db, struct login *l, struct mr_error *err)
{
    PGresult *res = NULL;
    struct mr_db_args args;
    mr_db_args_init(&args);
    mr_db_arg_span(&args, l->email);
    if (mr_db_query(db,
                    "select u.user_id, u.password_hash, f.failures is not null,"
                    " ceil(extract(epoch from f.blocked_until - now()) * 1000)::bigint"
                    " from (select " ADDRESS " as address) a"
                    " left join users u on lower(u.email) = lower($1) and u.disabled_at is null"
                    " left join login_failures f on f.address_sha256 = a.address",
                    &args, &res, err) != MR_OK)
        return MR_FAIL;
    l->known = !mr_db_null(res, 0, 0);
    if (l->known) {
        l->user_id = mr_db_uuid(res, 0, 0);
        snprintf(l->hash, sizeof(l->hash), "%s", mr_db_text(res, 0, 1));
    }
    l->has_failures = mr_db_bool(res, 0, 2);
    l->blocked_ms = mr_db_null(res, 0, 3) ? 0 : mr_db_i64(res, 0, 3);
    PQclear(res);
    return MR_OK;
}

/* Of SQL: from the n-th failure on each blocks twice as long as the one before. */
#define BLOCKED_UNTIL(failures)                                                                              \
    "case when " failures " >= $2 then now() + least($3, 2 ^ least(" failures " - $2, 30)) * interval '1 "   \
    "second' end"
#define FAILURES "(case when f.seen_at > now() - $4 * interval '1 second' then f.failures + 1 else 1 end)"

/* One statement, and it adds to the row as it finds it locked: failures at the same time all count. */
static enum mr_status count_failure(struct mr_db *db, const struct login *l, int64_t allowed,
                                    struct mr_error *err)
{
    struct mr_db_args args;
    mr_db_args_init(&args);
    mr_db_arg_span(&args, l->email);
    mr_db_arg_i64(&args, allowed);
    mr_db_arg_i64(&args, BLOCK_MAX_S);
    mr_db_arg_i64(&args, REMEMBER_S);
    if (mr_db_query(db,
                    "insert into login_failures as f (address_sha256, failures, blocked_until, seen_at)"
                    " values (" ADDRESS ", 1, " BLOCKED_UNTIL(
                        "1") ", now())"
                             " on conflict (address_sha256) do update set failures = " FAILURES
                             ", blocked_until = " BLOCKED_UNTIL(FAILURES) ", seen_at = excluded.seen_at",
                    &args, NULL, err) != MR_OK)
        return MR_FAIL;
    if (randombytes_uniform(FORGET_ONE_IN) != 0)
        return MR_OK;
    mr_db_args_init(&args);
    mr_db_arg_i64(&args, REMEMBER_S);
    return mr_db_query(db, "delete from login_failures where seen_at < now() - $1 * interval '1 second'",
                       &args, NULL, err);
}

static enum mr_status forget_failures(struct mr_db *db, const struct login *l, struct mr_error *err)
{
    struct mr_db_args args;
    mr_db_args_init(&args);
    mr_db_arg_span(&args, l->email);
    return mr_db_query(db, "delete from login_failures where address_sha256 = " ADDRESS, &args, NULL, err);
}

static void put_blocked(const struct login *l, struct mr_http_reply *rp)
{
    char seconds[24];
    snprintf(seconds, sizeof(seconds), "%lld", (long long)(l->blocked_ms + 999) / 1000);
    mr_http_problem(rp, 429, "too-many-failures", "too many failed logins, try again in %s s", seconds);
    mr_http_reply_header(rp, "Retry-After", seconds);
}

static void put_token(struct mr_api *api, const struct login *l, struct mr_http_reply *rp)
{
    struct mr_buf token;
    struct mr_error err = {0};
    mr_buf_init(&token, TOKEN_TEXT_MAX);
    if (mr_token_make(api->token, l->user_id, api->cfg->jwt_ttl, &token, &err) == MR_OK)
        mr_http_reply_json(rp, 200,
                           json_pack("{s:s, s:s, s:I}", "access_token", token.data, "token_type", "bearer",
                                     "expires_in", (json_int_t)(api->cfg->jwt_ttl / 1000)));
    else
        mr_http_problem_of(rp, "logging in", &err);
    mr_buf_free(&token);
}

/* No connection is held while the password is being hashed. */
static bool find_account(struct mr_api *api, struct login *l, struct mr_http_reply *rp)
{
    struct mr_error err = {0};
    struct mr_db *db = mr_api_db(api, "logging in", rp);
    if (!db)
        return false;
    enum mr_status status = look_up(db, l, &err);
    mr_db_release(&db);
    if (status != MR_OK)
        mr_http_problem_of(rp, "logging in", &err);
    else if (l->blocked_ms > 0)
        put_blocked(l, rp);
    return status == MR_OK && l->blocked_ms <= 0;
}

static bool remember_outcome(struct mr_api *api, const struct login *l, bool right, struct mr_http_reply *rp)
{
    struct mr_error err = {0};
    if (right && !l->has_failures)
        return true;
    struct mr_db *db = mr_api_db(api, "logging in", rp);
    if (!db)
        return false;
    enum mr_status status =
        right ? forget_failures(db, l, &err) : count_failure(db, l, api->cfg->password_failures, &err);
    mr_db_release(&db);
    if (status != MR_OK)
        mr_http_problem_of(rp, "logging in", &err);
    return status == MR_OK;
}

void mr_api_token(void *ctx, struct mr_http_request *rq, struct mr_http_reply *rp)
{
    struct mr_api *api = ctx;
    struct login l;
    if (!read_login(rq, rp, &l) || !find_account(api, &l, rp) || !mr_hashing_enter(api->hashing, rp))
        return;
    bool right = l.known ? mr_account_verify(l.password, l.hash) : mr_account_verify_nobody(l.password);
    mr_hashing_leave(api->hashing);
    if (!remember_outcome(api, &l, right, rp))
        return;
    if (right) {
        put_token(api, &l, rp);
        return;
    }
    mr_http_problem(rp, 401, "invalid-credentials", "the e-mail address or the password is wrong");
    mr_http_reply_header(rp, "WWW-Authenticate", "Bearer realm=\"millrace\"");
}
