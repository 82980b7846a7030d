#include "client/download_url.h"

#include <inttypes.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"

/* A refused thread takes the URL that another one has just asked for; it has lived this long at most. */
#define FRESH_MS 2000

struct mr_download_url {
    pthread_mutex_t lock;
    char *file_id;
    int64_t version;
    char *url;
    int64_t since_ms;
};

struct mr_download_url *mr_download_url_new(const char *file_id, int64_t version)
{
    struct mr_download_url *u = calloc(1, sizeof(*u));
    if (!u || !(u->file_id = strdup(file_id)))
        abort();
    u->version = version;
    pthread_mutex_init(&u->lock, NULL);
    return u;
}

void mr_download_url_free(struct mr_download_url **u)
{
    pthread_mutex_destroy(&(*u)->lock);
    free((*u)->file_id);
    free((*u)->url);
    free(*u);
    *u = NULL;
}

static char *ask(const struct mr_download_url *u, const struct mr_api *api, struct mr_error *err)
{
    const char *url = NULL;
    char *out = NULL;
    json_t *answer = mr_api_get(api, err, "/files/%s/presigned-url?version=%" PRId64, u->file_id, u->version);
    if (answer && mr_json_text(answer, "url", &url, err) == MR_OK)
        out = strdup(url);
    json_decref(answer);
    return out;
}

char *mr_download_url_get(struct mr_download_url *u, const struct mr_api *api, int refused,
                          struct mr_error *err)
{
    pthread_mutex_lock(&u->lock);
    bool fresh = mr_mono_ms() - u->since_ms < FRESH_MS;
    if (!u->url || (refused > 0 && !fresh)) {
        free(u->url);
        u->url = ask(u, api, err);
        u->since_ms = mr_mono_ms();
    }
    char *out = u->url ? strdup(u->url) : NULL;
    pthread_mutex_unlock(&u->lock);
    return out;
}
