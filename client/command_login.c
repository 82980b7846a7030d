#include "client/commands.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <termios.h>
#include <unistd.h>

#include "base/stop.h"
#include "client/account.h"
#include "client/api.h"
#include "client/xdg.h"

#define ANSWER_MAX 1024

/* Waits for input or Ctrl-C, which does not end a read(2) by itself. */
static void wait_for_input(FILE *from)
{
    struct pollfd fds[] = {{.fd = fileno(from), .events = POLLIN}, {.fd = mr_stop_fd(), .events = POLLIN}};
    while (poll(fds, 2, -1) < 0 && errno == EINTR)
        continue;
}

/* A line without its end; NULL with *err filled. */
static char *read_line(FILE *from, const char *what, struct mr_error *err)
{
    char line[ANSWER_MAX];
    wait_for_input(from);
    if (mr_stop_requested() || !fgets(line, sizeof(line), from)) {
        if (mr_stop_requested())
            mr_error_interrupted(err);
        else
            mr_error_set(err, MR_CLASS_REJECT, EINVAL, "no %s was given", what);
        return NULL;
    }
    line[strcspn(line, "\r\n")] = '\0';
    char *out = strdup(line);
    explicit_bzero(line, sizeof(line));
    return out;
}

static void set_echo(int fd, bool on)
{
    struct termios t;
    if (tcgetattr(fd, &t) != 0)
        return;
    if (on)
        t.c_lflag |= (tcflag_t)ECHO;
    else
        t.c_lflag &= ~(tcflag_t)ECHO;
    tcsetattr(fd, TCSAFLUSH, &t);
}

/* Asks on the terminal itself, so that redirected streams do not matter. */
static char *ask(const char *prompt, const char *what, bool hidden, struct mr_error *err)
{
    FILE *terminal = fopen("/dev/tty", "r+e");
    if (!terminal) {
        mr_error_set(err, MR_CLASS_REJECT, EINVAL,
                     "there is no terminal to ask for the %s: give it by an option", what);
        return NULL;
    }
    fputs(prompt, terminal);
    fflush(terminal);
    if (hidden)
        set_echo(fileno(terminal), false);
    char *out = read_line(terminal, what, err);
    if (hidden) {
        set_echo(fileno(terminal), true);
        fputs("\n", terminal);
    }
    fclose(terminal);
    return out;
}

static char *password_of(const struct mr_options *o, struct mr_error *err)
{
    if (o->password_file) {
        char *text = mr_file_read(o->password_file, ANSWER_MAX, err);
        if (text)
            text[strcspn(text, "\r\n")] = '\0';
        return text;
    }
    if (o->password_stdin)
        return read_line(stdin, "password", err);
    return ask("Password: ", "password", true, err);
}

static void add_field(struct mr_buf *form, const char *name, const char *value)
{
    mr_buf_printf(form, "%s%s=", form->len > 0 ? "&" : "", name);
    mr_url_add(form, value);
}

static enum mr_status create_account(const struct mr_api *api, const struct mr_options *o, const char *email,
                                     const char *password, struct mr_error *err)
{
    json_t *body =
        json_pack("{s:s, s:s, s:s}", "email", email, "password", password, "name", o->name ? o->name : email);
    if (!body)
        return mr_error_set(err, MR_CLASS_REJECT, EILSEQ,
                            "the e-mail address, the name or the password is not UTF-8");
    struct mr_api_call call = {.method = "POST", .path = "/register", .body = body, .once = true};
    json_t *answer = mr_api_call(api, &call, err);
    json_decref(body);
    json_decref(answer);
    return answer ? MR_OK : MR_FAIL;
}

static char *get_token(const struct mr_api *api, const char *email, const char *password,
                       struct mr_error *err)
{
    struct mr_buf form;
    const char *token = NULL;
    mr_buf_init(&form, 16 << 10);
    add_field(&form, "username", email);
    add_field(&form, "password", password);
    json_t *answer =
        mr_api_call(api, &(struct mr_api_call){.method = "POST", .path = "/token", .form = form.data}, err);
    if (form.data)
        explicit_bzero(form.data, form.len);
    mr_buf_free(&form);
    char *out = NULL;
    if (answer && mr_json_text(answer, "access_token", &token, err) == MR_OK)
        out = strdup(token);
    json_decref(answer);
    return out;
}

static char *get_user_id(const struct mr_api *api, struct mr_error *err)
{
    const char *id = NULL;
    char *out = NULL;
    json_t *me = mr_api_get(api, err, "/me");
    if (me && mr_json_text(me, "user_id", &id, err) == MR_OK)
        out = strdup(id);
    json_decref(me);
    return out;
}

static enum mr_status log_in(struct mr_account *a, const struct mr_options *o, const char *password,
                             struct mr_error *err)
{
    struct mr_web_options web = {o->cacert, o->retry_ms};
    struct mr_api api = {mr_web_open(&web), a};
    enum mr_status status = MR_FAIL;
    if (o->create_account && create_account(&api, o, a->email, password, err) != MR_OK)
        goto done;
    a->token = get_token(&api, a->email, password, err);
    if (!a->token) {
        if (err->code == 401) /* "log in again" would not help here */
            mr_error_set(err, MR_CLASS_REJECT, 401, "the e-mail address or the password is wrong");
        goto done;
    }
    a->user_id = get_user_id(&api, err);
    if (a->user_id)
        status = mr_account_save(a, err);
done:
    mr_web_close(&api.web);
    return status;
}

/* A password over plain HTTP is fine only where nobody listens. */
static void warn_if_plain(struct mr_ui *ui, const char *url)
{
    if (strncmp(url, "http://", 7) != 0 || strncmp(url, "http://127.", 11) == 0 ||
        strncmp(url, "http://localhost", 16) == 0 || strncmp(url, "http://[::1]", 12) == 0)
        return;
    mr_ui_note(ui, "warning: %s is not encrypted, the password can be read on its way", url);
}

enum mr_exit mr_command_login(const struct mr_options *o, struct mr_ui *ui)
{
    struct mr_error err;
    struct mr_account a = {0};
    char *password = NULL;
    enum mr_exit code = MR_EXIT_OK;
    a.url = mr_server_url(o->args[0], &err);
    if (!a.url) {
        return (enum mr_exit)mr_ui_fail(ui, &err);
    }
    warn_if_plain(ui, a.url);
    a.email = o->email ? strdup(o->email) : ask("E-mail address: ", "e-mail address", false, &err);
    password = a.email ? password_of(o, &err) : NULL;
    if (!password || log_in(&a, o, password, &err) != MR_OK)
        code = (enum mr_exit)mr_ui_fail(ui, &err);
    else if (mr_ui_is_json(ui))
        mr_ui_json(ui, json_pack("{s:s, s:s, s:s}", "url", a.url, "email", a.email, "user_id", a.user_id));
    else
        mr_ui_line(ui, "logged in to %s as %s", a.url, a.email);
    if (password)
        explicit_bzero(password, strlen(password));
    free(password);
    mr_account_free(&a);
    return code;
}

enum mr_exit mr_command_logout(const struct mr_options *o, struct mr_ui *ui)
{
    struct mr_error err;
    bool was;
    (void)o;
    if (mr_account_forget(&was, &err) != MR_OK)
        return (enum mr_exit)mr_ui_fail(ui, &err);
    if (mr_ui_is_json(ui))
        mr_ui_json(ui, json_pack("{s:b}", "was_logged_in", was));
    else
        mr_ui_line(ui, was ? "logged out" : "you were not logged in");
    return MR_EXIT_OK;
}
