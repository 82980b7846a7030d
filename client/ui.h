/* What `mr` says: results on stdout, everything about them on stderr. Any thread may call.
 *
 * Formatted text is escaped as a whole (client/visible.h), so that a name inside it cannot drive a terminal;
 * a newline is added. With --json the lines for people are left out of stdout, with --quiet notes too. */
#ifndef MR_CLIENT_UI_H
#define MR_CLIENT_UI_H

#include <jansson.h>
#include <stdbool.h>

#include "base/error.h"

struct mr_ui;

struct mr_ui *mr_ui_open(bool json, bool quiet, bool verbose);
/* FAIL when stdout could not take everything (a full disk, a closed pipe). */
enum mr_status mr_ui_close(struct mr_ui **ui);

bool mr_ui_is_json(const struct mr_ui *ui);
bool mr_ui_is_verbose(const struct mr_ui *ui);
bool mr_ui_has_bar(const struct mr_ui *ui); /* stderr is a terminal, and people read it */

void mr_ui_line(struct mr_ui *ui, const char *fmt, ...) __attribute__((format(printf, 2, 3))); /* stdout */
void mr_ui_note(struct mr_ui *ui, const char *fmt, ...) __attribute__((format(printf, 2, 3))); /* stderr */
void mr_ui_more(struct mr_ui *ui, const char *fmt, ...)
    __attribute__((format(printf, 2, 3))); /* stderr, -v */
void mr_ui_error(struct mr_ui *ui, const char *fmt, ...) __attribute__((format(printf, 2, 3))); /* "mr: …" */

/* Writes the value as one line of JSON to stdout; takes the reference. */
void mr_ui_json(struct mr_ui *ui, json_t *value);

/* The error of a whole command: for people, and with --json as {"error":{…}}. Returns its exit code. */
int mr_ui_fail(struct mr_ui *ui, const struct mr_error *err);

/* {"exit_code", "status" (an HTTP status where there is one), "message"} */
json_t *mr_json_error(const struct mr_error *err);

/* The last line of the terminal, under everything said; NULL removes it. */
void mr_ui_bar(struct mr_ui *ui, const char *text);

#endif
