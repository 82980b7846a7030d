/* Text for people. Names come from other users and other file systems: a control character or an invalid byte
 * among them could drive the terminal, so that everything shown passes through here. */
#ifndef MR_CLIENT_VISIBLE_H
#define MR_CLIENT_VISIBLE_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"

/* Appends s with control characters, the ones that change the direction of text, and bytes that are not UTF-8
 * written as \n, \t or \xNN, and a backslash as itself. Cuts at the buffer's ceiling. */
void mr_visible_add(struct mr_buf *out, const char *s);

/* The same as a string of its own; free(). */
char *mr_visible(const char *s);

bool mr_utf8_valid(const char *s);

/* A JSON string of a name that need not be UTF-8. */
json_t *mr_json_name(const char *name);

#define MR_SIZE_TEXT 16

/* "0 B", "999 B", "1.4 MiB"; `out` has MR_SIZE_TEXT bytes. Returns out. */
const char *mr_size_text(int64_t bytes, char *out);
/* "0:07", "12:34", "1:02:03"; `out` has MR_SIZE_TEXT bytes. Returns out. */
const char *mr_duration_text(int64_t seconds, char *out);

#endif
