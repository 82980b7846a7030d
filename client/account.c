#include "client/account.h"

#include <errno.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "client/exit_code.h"
#include "client/xdg.h"

#define CREDENTIALS_MAX (64 << 10)

static char *copy(const char *s)
{
    char *out = strdup(s ? s : "");
    if (!out)
        abort();
    return out;
}

static char *credentials_path(struct mr_error *err)
{
    char *folder = mr_xdg_folder(MR_XDG_CONFIG, NULL, err);
    char *path = NULL;
    if (folder && asprintf(&path, "%s/credentials.json", folder) < 0)
        abort();
    free(folder);
    return path;
}

char *mr_server_url(const char *text, struct mr_error *err)
{
    const char *host = strncmp(text, "https://", 8) == 0  ? text + 8
                       : strncmp(text, "http://", 7) == 0 ? text + 7
                                                          : NULL;
    if (!host || *host == '\0' || *host == '/' || strpbrk(host, "?#@ \\") || strpbrk(text, "\r\n\t")) {
        mr_error_set(err, MR_CLASS_REJECT, EINVAL,
                     "'%s' is no server: say http://HOST[:PORT] or https://HOST[:PORT]", text);
        return NULL;
    }
    char *out = copy(text);
    for (size_t n = strlen(out); n > 0 && out[n - 1] == '/'; n--)
        out[n - 1] = '\0';
    return out;
}

static enum mr_status from_environment(struct mr_account *out, struct mr_error *err)
{
    const char *url = getenv("MILLRACE_URL");
    const char *token = getenv("MILLRACE_TOKEN");
    if (!url)
        return mr_error_set(err, MR_CLASS_REJECT, EINVAL,
                            "MILLRACE_TOKEN is set, MILLRACE_URL is not: set both or none");
    if (!token || !token[0] || strpbrk(token, "\r\n"))
        return mr_error_set(err, MR_CLASS_REJECT, 401, "MILLRACE_TOKEN is no token");
    char *server = mr_server_url(url, err);
    if (!server)
        return mr_error_prefix(err, "MILLRACE_URL");
    *out = (struct mr_account){server, copy(token), copy(""), copy("")};
    return MR_OK;
}

static enum mr_status from_text(const char *text, const char *path, struct mr_account *out,
                                struct mr_error *err)
{
    const char *url = NULL, *token = NULL, *email = NULL, *user_id = NULL;
    json_t *json = json_loads(text, 0, NULL);
    enum mr_status status = MR_OK;
    if (json_unpack(json, "{s:s, s:s, s:s, s:s}", "url", &url, "token", &token, "email", &email, "user_id",
                    &user_id) != 0)
        status =
            mr_error_set(err, MR_CLASS_REJECT, 401, "%s is damaged: log in again with `mr login URL`", path);
    else
        *out = (struct mr_account){copy(url), copy(token), copy(email), copy(user_id)};
    json_decref(json);
    return status;
}

enum mr_status mr_account_load(struct mr_account *out, struct mr_error *err)
{
    *out = (struct mr_account){0};
    if (getenv("MILLRACE_TOKEN"))
        return from_environment(out, err);
    char *path = credentials_path(err);
    if (!path)
        return MR_FAIL;
    char *text = mr_file_read(path, CREDENTIALS_MAX, err);
    enum mr_status status = MR_FAIL;
    if (text)
        status = from_text(text, path, out, err);
    else if (err->code == ENOENT)
        mr_error_set(err, MR_CLASS_REJECT, 401, "you are not logged in: `mr login URL` does that");
    free(text);
    free(path);
    return status;
}

enum mr_status mr_account_save(const struct mr_account *a, struct mr_error *err)
{
    char *path = credentials_path(err);
    if (!path)
        return MR_FAIL;
    json_t *json = json_pack("{s:s, s:s, s:s, s:s}", "url", a->url, "email", a->email, "user_id", a->user_id,
                             "token", a->token);
    char *text = json ? json_dumps(json, JSON_INDENT(2)) : NULL;
    enum mr_status status = text ? mr_file_replace(path, mr_span_of(text), err)
                                 : mr_error_set(err, MR_CLASS_REJECT, EILSEQ,
                                                "the account's e-mail address or token is not UTF-8");
    free(text);
    json_decref(json);
    free(path);
    return status;
}

enum mr_status mr_account_forget(bool *was, struct mr_error *err)
{
    char *path = credentials_path(err);
    if (!path)
        return MR_FAIL;
    enum mr_status status = MR_OK;
    *was = unlink(path) == 0;
    if (!*was && errno != ENOENT)
        status = mr_error_errno(err, "removing", path);
    free(path);
    return status;
}

void mr_account_free(struct mr_account *a)
{
    free(a->url);
    free(a->token);
    free(a->email);
    free(a->user_id);
    *a = (struct mr_account){0};
}
