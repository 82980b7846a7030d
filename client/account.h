/* Who is logged in where: $XDG_CONFIG_HOME/millrace/credentials.json (mode 0600), or MILLRACE_URL and
 * MILLRACE_TOKEN. */
#ifndef MR_CLIENT_ACCOUNT_H
#define MR_CLIENT_ACCOUNT_H

#include <stdbool.h>

#include "base/error.h"

struct mr_account {
    char *url; /* without a trailing slash */
    char *token;
    char *email;   /* "" when only a token is known */
    char *user_id; /* "" when only a token is known: see mr_api_user() */
};

/* REJECT 401 when there is no login. */
enum mr_status mr_account_load(struct mr_account *out, struct mr_error *err);
enum mr_status mr_account_save(const struct mr_account *a, struct mr_error *err);
/* *was: there was a login to forget. */
enum mr_status mr_account_forget(bool *was, struct mr_error *err);
void mr_account_free(struct mr_account *a);

/* The URL in the form that is kept, to be freed: http or https, no trailing slash, no user, query or
 * fragment. NULL with *err filled otherwise. */
char *mr_server_url(const char *text, struct mr_error *err);

#endif
