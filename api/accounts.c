/* POST /register and GET /me. */
#include <string.h>

#include "account/account.h"
#include "api/handlers.h"
#include "api/hashing.h"
#include "base/clock.h"
#include "http/fields.h"

struct registration {
    struct mr_span email, name, password, invite;
};

static bool read_registration(struct mr_http_request *rq, struct mr_http_reply *rp, struct registration *r)
{
    const char *email = "", *name = "", *password = "", *invite = "";
    const struct mr_field fields[] = {
        {"email", MR_FIELD_JSON_STRING, true, 1, 0, &email, NULL},
        {"password", MR_FIELD_JSON_STRING, true, 0, 0, &password, NULL},
        {"name", MR_FIELD_JSON_STRING, false, 0, 0, &name, NULL},
        {"invite", MR_FIELD_JSON_STRING, false, 0, 200, &invite, NULL},
    };
    struct mr_error err = {0};
    if (!mr_http_fields(rp, mr_http_json(rq), "the body", fields, sizeof(fields) / sizeof(fields[0])))
        return false;
    *r = (struct registration){mr_span_of(email), mr_span_of(name), mr_span_of(password), mr_span_of(invite)};
    if (mr_account_check_email(r->email, &err) == MR_OK && mr_account_check_name(r->name, &err) == MR_OK &&
        mr_account_check_password(r->password, &err) == MR_OK)
        return true;
    mr_http_problem(rp, 400, "invalid-request", "%s", err.text);
    return false;
}

static bool may_register(const struct mr_config *cfg, const struct registration *r, struct mr_http_reply *rp)
{
    if (strcmp(cfg->registration, "closed") == 0)
        mr_http_problem(rp, 403, "registration-closed", "accounts are made by the operator of this service");
    else if (strcmp(cfg->registration, "invite") == 0 && r->invite.len == 0)
        mr_http_problem(rp, 403, "invite-needed", "an invitation is needed: \"invite\"");
    else
        return true;
    return false;
}

static bool hash_password(struct mr_api *api, struct mr_span password, char hash[MR_ACCOUNT_HASH_SIZE],
                          struct mr_http_reply *rp)
{
    struct mr_error err = {0};
    if (!mr_hashing_enter(api->hashing, rp))
        return false;
    enum mr_status status = mr_account_hash(password, hash, &err);
    mr_hashing_leave(api->hashing);
    if (status != MR_OK)
        mr_http_problem_of(rp, "registering", &err);
    return status == MR_OK;
}

enum outcome { MADE, TAKEN, NOT_INVITED, FAILED };

/* The account and the use of its invitation are one transaction. */
static enum outcome make_account(struct mr_api *api, struct mr_db *db, const struct registration *r,
                                 const char *hash, struct mr_uuid *user_id, struct mr_error *err)
{
    bool invited = strcmp(api->cfg->registration, "invite") == 0;
    if (mr_db_begin(db, err) != MR_OK)
        return FAILED;
    if (mr_account_create(db, r->email, r->name, hash, user_id, err) != MR_OK)
        return err->class == MR_CLASS_REJECT && err->code == mr_sqlstate("23505") ? TAKEN : FAILED;
    if (invited && mr_account_redeem(db, r->invite, r->email, *user_id, err) != MR_OK)
        return err->class == MR_CLASS_REJECT && err->code == 0 ? NOT_INVITED : FAILED;
    return mr_db_commit(db, err) == MR_OK ? MADE : FAILED;
}

void mr_api_register(void *ctx, struct mr_http_request *rq, struct mr_http_reply *rp)
{
    struct mr_api *api = ctx;
    struct registration r;
    struct mr_uuid user_id;
    struct mr_error err = {0};
    char hash[MR_ACCOUNT_HASH_SIZE], id[MR_UUID_TEXT_SIZE];
    if (!read_registration(rq, rp, &r) || !may_register(api->cfg, &r, rp) ||
        !hash_password(api, r.password, hash, rp))
        return;
    struct mr_db *db = mr_api_db(api, "registering", rp);
    if (!db)
        return;
    switch (make_account(api, db, &r, hash, &user_id, &err)) {
    case MADE:
        mr_http_reply_json(rp, 201,
                           json_pack("{s:s, s:s, s:s}", "user_id", mr_uuid_format(user_id, id), "email",
                                     r.email.p, "name", r.name.p));
        break;
    case TAKEN:
        mr_http_problem(rp, 409, "email-taken", "there is an account for this e-mail address already");
        break;
    case NOT_INVITED:
        mr_http_problem(rp, 403, "invite-invalid", "%s", err.text);
        break;
    case FAILED:
        mr_http_problem_of(rp, "registering", &err);
        break;
    }
    mr_db_release(&db);
}

static void put_me(const PGresult *res, struct mr_http_reply *rp)
{
    char id[MR_UUID_TEXT_SIZE], created[MR_RFC3339_SIZE];
    if (PQntuples(res) == 0) {
        mr_http_problem_disabled(rp);
        return;
    }
    mr_http_reply_json(rp, 200,
                       json_pack("{s:s, s:s, s:s, s:s}", "user_id", mr_uuid_format(mr_db_uuid(res, 0, 0), id),
                                 "email", mr_db_text(res, 0, 1), "name", mr_db_text(res, 0, 2), "created_at",
                                 mr_rfc3339(mr_db_time(res, 0, 3), created)));
}

void mr_api_me(void *ctx, struct mr_http_request *rq, struct mr_http_reply *rp)
{
    struct mr_error err = {0};
    PGresult *res = NULL;
    struct mr_db_args args;
    mr_db_args_init(&args);
    mr_db_arg_uuid(&args, mr_http_user(rq));
    struct mr_db *db = mr_api_db(ctx, "reading the account", rp);
    if (!db)
        return;
    if (mr_db_query(
            db,
            "select user_id, email, name, created_at from users where user_id = $1 and disabled_at is null",
            &args, &res, &err) == MR_OK)
        put_me(res, rp);
    else
        mr_http_problem_of(rp, "reading the account", &err);
    PQclear(res);
    mr_db_release(&db);
}
