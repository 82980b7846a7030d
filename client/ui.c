#include "client/ui.h"

#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/buf.h"
#include "client/exit_code.h"
#include "client/visible.h"

#define LINE_MAX_BYTES (64 << 10)

struct mr_ui {
    bool json;
    bool quiet;
    bool verbose;
    bool bar_wanted;
    bool failed; /* stdout */
    pthread_mutex_t lock;
    char *bar; /* drawn now; NULL: none */
};

struct mr_ui *mr_ui_open(bool json, bool quiet, bool verbose)
{
    struct mr_ui *ui = calloc(1, sizeof(*ui));
    if (!ui)
        abort();
    ui->json = json;
    ui->quiet = quiet;
    ui->verbose = verbose;
    const char *term = getenv("TERM");
    /* JSON that goes elsewhere does not mind a bar. */
    bool people = !quiet && isatty(STDERR_FILENO) && !(json && isatty(STDOUT_FILENO));
    ui->bar_wanted = people && (!term || strcmp(term, "dumb") != 0);
    pthread_mutex_init(&ui->lock, NULL);
    return ui;
}

enum mr_status mr_ui_close(struct mr_ui **ui)
{
    mr_ui_bar(*ui, NULL);
    bool failed = (*ui)->failed || fflush(stdout) != 0 || ferror(stdout);
    if (failed)
        mr_ui_error(*ui, "cannot write to standard output");
    pthread_mutex_destroy(&(*ui)->lock);
    free(*ui);
    *ui = NULL;
    return failed ? MR_FAIL : MR_OK;
}

bool mr_ui_is_json(const struct mr_ui *ui)
{
    return ui->json;
}

bool mr_ui_is_verbose(const struct mr_ui *ui)
{
    return ui->verbose;
}

bool mr_ui_has_bar(const struct mr_ui *ui)
{
    return ui->bar_wanted;
}

/* The bar gives way to a line and comes back under it. */
static void write_line(struct mr_ui *ui, FILE *to, const char *text)
{
    pthread_mutex_lock(&ui->lock);
    if (ui->bar) {
        fputs("\r\033[K", stderr);
        fflush(stderr);
    }
    if (fprintf(to, "%s\n", text) < 0 || (ui->bar && fflush(to) != 0))
        ui->failed = ui->failed || to == stdout;
    if (ui->bar)
        fputs(ui->bar, stderr);
    fflush(stderr);
    pthread_mutex_unlock(&ui->lock);
}

static void say(struct mr_ui *ui, FILE *to, const char *before, const char *fmt, va_list args)
{
    char *raw = NULL;
    if (vasprintf(&raw, fmt, args) < 0)
        abort();
    struct mr_buf text;
    mr_buf_init(&text, LINE_MAX_BYTES);
    mr_buf_puts(&text, before);
    mr_visible_add(&text, raw);
    write_line(ui, to, text.data ? text.data : "");
    mr_buf_free(&text);
    free(raw);
}

void mr_ui_line(struct mr_ui *ui, const char *fmt, ...)
{
    if (ui->json || ui->quiet)
        return;
    va_list args;
    va_start(args, fmt);
    say(ui, stdout, "", fmt, args);
    va_end(args);
}

void mr_ui_note(struct mr_ui *ui, const char *fmt, ...)
{
    if (ui->quiet)
        return;
    va_list args;
    va_start(args, fmt);
    say(ui, stderr, "", fmt, args);
    va_end(args);
}

void mr_ui_more(struct mr_ui *ui, const char *fmt, ...)
{
    if (ui->quiet || !ui->verbose)
        return;
    va_list args;
    va_start(args, fmt);
    say(ui, stderr, "", fmt, args);
    va_end(args);
}

void mr_ui_error(struct mr_ui *ui, const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    say(ui, stderr, "mr: ", fmt, args);
    va_end(args);
}

void mr_ui_json(struct mr_ui *ui, json_t *value)
{
    char *text = json_dumps(value, JSON_COMPACT | JSON_ENCODE_ANY | JSON_REAL_PRECISION(6));
    json_decref(value);
    if (!text)
        abort(); /* only when memory is gone: what is put in is made of checked strings */
    write_line(ui, stdout, text);
    free(text);
}

json_t *mr_json_error(const struct mr_error *err)
{
    json_t *message = mr_json_name(err->text);
    json_t *out = json_pack("{s:i, s:o}", "exit_code", (int)mr_exit_of(err), "message", message);
    if (err->code >= 400 && err->code < 600)
        json_object_set_new(out, "status", json_integer(err->code));
    return out;
}

int mr_ui_fail(struct mr_ui *ui, const struct mr_error *err)
{
    if (ui->json)
        mr_ui_json(ui, json_pack("{s:o}", "error", mr_json_error(err)));
    mr_ui_error(ui, "%s", err->text);
    return (int)mr_exit_of(err);
}

void mr_ui_bar(struct mr_ui *ui, const char *text)
{
    if (!ui->bar_wanted)
        return;
    pthread_mutex_lock(&ui->lock);
    if (text || ui->bar) {
        fputs("\r\033[K", stderr);
        fputs(text ? text : "", stderr);
        fflush(stderr);
    }
    free(ui->bar);
    ui->bar = text ? strdup(text) : NULL;
    pthread_mutex_unlock(&ui->lock);
}
