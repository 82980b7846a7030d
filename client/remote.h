/* Names on the server: how a user's path becomes one, and what is listed there. */
#ifndef MR_CLIENT_REMOTE_H
#define MR_CLIENT_REMOTE_H

#include <jansson.h>
#include <stdbool.h>

#include "client/api.h"

/* The path in Unicode's NFC, as the server wants it; free(). NULL with *err filled when it is not UTF-8 or
 * does not begin with "/". A trailing slash is taken away (but "/" stays). */
char *mr_remote_path(const char *path, struct mr_error *err);

/* "<folder>/<name>" in NFC; free(). */
char *mr_remote_join(const char *folder, const char *name, struct mr_error *err);

/* What comes after the last slash. */
const char *mr_last_segment(const char *path);

/* Called for each folder (file NULL) and file of a listing; false ends it. */
typedef bool (*mr_listed_fn)(void *ctx, const char *path, const json_t *file);

/* The folder's own entries, folders first, in the server's order; none for a folder that is not there. */
enum mr_status mr_remote_list(const struct mr_api *api, const char *folder, mr_listed_fn fn, void *ctx,
                              struct mr_error *err);

/* Everything below a folder, files only. */
enum mr_status mr_remote_walk(const struct mr_api *api, const char *folder, mr_listed_fn fn, void *ctx,
                              struct mr_error *err);

/* What is at a path: *file is the caller's, NULL for a folder. 404 when nothing is there. */
enum mr_status mr_remote_find(const struct mr_api *api, const char *path, json_t **file,
                              struct mr_error *err);

/* The file at a path, the caller's; NULL with *err filled, 404 for a folder. */
json_t *mr_remote_file(const struct mr_api *api, const char *path, struct mr_error *err);

/* All versions of a file, the newest first, as an array; the caller's. */
json_t *mr_remote_versions(const struct mr_api *api, const char *file_id, struct mr_error *err);

/* The id of the user who is logged in: the account's, or asked for; free(). */
char *mr_remote_user(const struct mr_api *api, struct mr_error *err);

#endif
