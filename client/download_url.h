/* The presigned URL of one version of a file. It lives for a minute: whoever is refused with it asks for the
 * next. */
#ifndef MR_CLIENT_DOWNLOAD_URL_H
#define MR_CLIENT_DOWNLOAD_URL_H

#include "client/api.h"

struct mr_download_url;

struct mr_download_url *mr_download_url_new(const char *file_id, int64_t version);
void mr_download_url_free(struct mr_download_url **u);

/* The URL, to be freed; `refused` (0 at first) is how often the caller was refused. Any thread, with its own
 * api. */
char *mr_download_url_get(struct mr_download_url *u, const struct mr_api *api, int refused,
                          struct mr_error *err);

#endif
