/* The user's folders by the XDG Base Directory specification 0.8, and small files in them. */
#ifndef MR_CLIENT_XDG_H
#define MR_CLIENT_XDG_H

#include "base/error.h"
#include "base/span.h"

enum mr_xdg { MR_XDG_CONFIG, MR_XDG_STATE };

/* "<folder>/millrace[/<below>]", made with mode 0700 where it is missing; free(). NULL with *err filled. */
char *mr_xdg_folder(enum mr_xdg which, const char *below, struct mr_error *err);

/* Writes a file of mode 0600 whole or not at all: beside it first, then renamed. */
enum mr_status mr_file_replace(const char *path, struct mr_span content, struct mr_error *err);

/* The content as a string, to be freed; NULL with *err filled (ENOENT as code when there is none). */
char *mr_file_read(const char *path, size_t max_bytes, struct mr_error *err);

#endif
