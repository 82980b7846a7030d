#include "admin/user.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "account/account.h"
#include "admin/database.h"
#include "admin/password_input.h"
#include "admin/table.h"
#include "base/clock.h"

#define EXPIRES_HOURS     168
#define EXPIRES_HOURS_MAX (24 * 365)

static enum mr_status hash_password(struct mr_admin *a, char hash[MR_ACCOUNT_HASH_SIZE], struct mr_error *err)
{
    char password[MR_PASSWORD_INPUT_SIZE];
    const char *file = mr_admin_given(a, MR_OPT_PASSWORD_FILE) ? a->opt.password_file : NULL;
    enum mr_status status = mr_password_input(file, password, err);
    if (status == MR_OK)
        status = mr_account_check_password(mr_span_of(password), err);
    if (status == MR_OK)
        status = mr_account_hash(mr_span_of(password), hash, err);
    explicit_bzero(password, sizeof(password));
    return status;
}

int mr_user_add(struct mr_admin *a, struct mr_error *err)
{
    struct mr_span email = mr_span_of(a->args[0]);
    struct mr_span name = mr_span_of(mr_admin_given(a, MR_OPT_NAME) ? a->opt.name : "");
    char hash[MR_ACCOUNT_HASH_SIZE], id[MR_UUID_TEXT_SIZE];
    struct mr_admin_db d;
    struct mr_uuid user_id;
    if (mr_account_check_email(email, err) != MR_OK || mr_account_check_name(name, err) != MR_OK ||
        hash_password(a, hash, err) != MR_OK || mr_admin_db_open(a, &d, err) != MR_OK)
        return MR_ADMIN_FAIL;
    enum mr_status status = mr_account_create(d.db, email, name, hash, &user_id, err);
    mr_admin_db_close(&d);
    if (status != MR_OK)
        return MR_ADMIN_FAIL;
    printf("%s\n", mr_uuid_format(user_id, id));
    return MR_ADMIN_OK;
}

int mr_user_invite(struct mr_admin *a, struct mr_error *err)
{
    struct mr_span email = a->n_args ? mr_span_of(a->args[0]) : (struct mr_span){NULL, 0};
    char token[MR_INVITE_TOKEN_SIZE];
    struct mr_admin_db d;
    int64_t hours = EXPIRES_HOURS;
    if (mr_admin_given(a, MR_OPT_EXPIRES) &&
        mr_admin_number(a->opt.expires, "a number of hours", 1, EXPIRES_HOURS_MAX, &hours, err) != MR_OK)
        return MR_ADMIN_MISUSE;
    if ((email.p && mr_account_check_email(email, err) != MR_OK) || mr_admin_db_open(a, &d, err) != MR_OK)
        return MR_ADMIN_FAIL;
    enum mr_status status = mr_account_invite(d.db, email, hours * 3600 * 1000, token, err);
    mr_admin_db_close(&d);
    if (status != MR_OK)
        return MR_ADMIN_FAIL;
    printf("%s\n", token);
    return MR_ADMIN_OK;
}

/* Sets one user's state; the user is named by e-mail address or id. */
static int change(struct mr_admin *a, const char *sql, const char *done, struct mr_error *err)
{
    struct mr_admin_db d;
    struct mr_db_args args;
    PGresult *res = NULL;
    if (mr_admin_db_open(a, &d, err) != MR_OK)
        return MR_ADMIN_FAIL;
    mr_db_args_init(&args);
    mr_db_arg_text(&args, a->args[0]);
    enum mr_status status = mr_db_query(d.db, sql, &args, &res, err);
    int changed = status == MR_OK ? PQntuples(res) : 0;
    PQclear(res);
    mr_admin_db_close(&d);
    if (status == MR_OK && changed == 0)
        status = mr_error_set(err, MR_CLASS_REJECT, 0, "there is no user %s", a->args[0]);
    if (status != MR_OK)
        return MR_ADMIN_FAIL;
    printf("%s is %s\n", a->args[0], done);
    return MR_ADMIN_OK;
}

int mr_user_disable(struct mr_admin *a, struct mr_error *err)
{
    return change(a,
                  "update users set disabled_at = coalesce(disabled_at, now()) "
                  "where lower(email) = lower($1) or user_id::text = lower($1) returning user_id",
                  "disabled", err);
}

int mr_user_enable(struct mr_admin *a, struct mr_error *err)
{
    return change(a,
                  "with forgotten as (delete from login_failures f using users u where f.address_sha256 = "
                  "sha256(convert_to(lower(u.email), 'UTF8')) and (lower(u.email) = lower($1) or "
                  "u.user_id::text = lower($1))) update users set disabled_at = null "
                  "where lower(email) = lower($1) or user_id::text = lower($1) returning user_id",
                  "enabled", err);
}

static void time_cell(struct mr_table *t, const PGresult *res, int row, int column)
{
    char time[MR_RFC3339_SIZE];
    if (mr_db_null(res, row, column))
        mr_table_null(t);
    else
        mr_table_text(t, mr_rfc3339(mr_db_time(res, row, column), time));
}

int mr_user_list(struct mr_admin *a, struct mr_error *err)
{
    static const char *const columns[] = {"user_id", "email", "name", "created_at", "disabled_at"};
    struct mr_admin_db d;
    struct mr_table t;
    PGresult *res = NULL;
    if (mr_admin_db_open(a, &d, err) != MR_OK)
        return MR_ADMIN_FAIL;
    enum mr_status status = mr_db_query(
        d.db, "select user_id, email, name, created_at, disabled_at from users order by lower(email)", NULL,
        &res, err);
    mr_admin_db_close(&d);
    if (status != MR_OK)
        return MR_ADMIN_FAIL;
    mr_table_init(&t, columns, sizeof(columns) / sizeof(columns[0]));
    for (int i = 0; i < PQntuples(res); i++) {
        char id[MR_UUID_TEXT_SIZE];
        struct mr_span email = mr_db_span(res, i, 1), name = mr_db_span(res, i, 2);
        mr_table_row(&t);
        mr_table_text(&t, mr_uuid_format(mr_db_uuid(res, i, 0), id));
        mr_table_bytes(&t, email.p, email.len);
        mr_table_bytes(&t, name.p, name.len);
        time_cell(&t, res, i, 3);
        time_cell(&t, res, i, 4);
    }
    PQclear(res);
    mr_table_show(&t, stdout, mr_admin_given(a, MR_OPT_JSON));
    mr_table_free(&t);
    return MR_ADMIN_OK;
}
