/* Opaque cursors: where a list goes on, in URL-safe base64 behind a letter that says which list it is of.
 * They hold nothing that the caller may not know, so they are checked for sense, not signed. */
#ifndef MR_API_CURSOR_H
#define MR_API_CURSOR_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

#define MR_CURSOR_MAX 1200 /* bytes of a position: a path and a little */

/* A JSON string. */
json_t *mr_cursor_json(char list, const char *position);

/* False when it is none of that list; `position` has MR_CURSOR_MAX + 1 bytes and is UTF-8 without control
 * characters but one U+0001 at its end. */
bool mr_cursor_read(const char *text, char list, char *position);

#endif
