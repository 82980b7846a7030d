#include <libxml/parser.h>
#include <stdlib.h>
#include <string.h>

#include "store/request.h"

static bool keep(char *out, size_t size, const char *value)
{
    size_t n = strlen(value);
    if (n == 0 || n >= size)
        return false;
    memcpy(out, value, n + 1);
    return true;
}

static bool is_default_port(const char *url, CURLU *u)
{
    char *port = NULL;
    bool secure = strncmp(url, "https:", 6) == 0;
    bool is_default =
        curl_url_get(u, CURLUPART_PORT, &port, 0) != CURLUE_OK || strcmp(port, secure ? "443" : "80") == 0;
    curl_free(port);
    return is_default;
}

/* http(s)://host[:port], nothing behind it: with path-style addressing the bucket is the first segment. */
static enum mr_status endpoint_parse(const char *setting, const char *url, struct mr_endpoint *out,
                                     struct mr_error *err)
{
    char *scheme = NULL, *host = NULL, *port = NULL, *path = NULL;
    CURLU *u = curl_url();
    bool ok = u && curl_url_set(u, CURLUPART_URL, url, 0) == CURLUE_OK &&
              curl_url_get(u, CURLUPART_SCHEME, &scheme, 0) == CURLUE_OK &&
              (strcmp(scheme, "http") == 0 || strcmp(scheme, "https") == 0) &&
              curl_url_get(u, CURLUPART_HOST, &host, 0) == CURLUE_OK &&
              curl_url_get(u, CURLUPART_PATH, &path, 0) == CURLUE_OK && strcmp(path, "/") == 0;
    if (ok) {
        bool bare = is_default_port(url, u) || curl_url_get(u, CURLUPART_PORT, &port, 0) != CURLUE_OK;
        int n = snprintf(out->host, sizeof out->host, "%s%s%s", host, bare ? "" : ":", bare ? "" : port);
        int m = snprintf(out->base, sizeof out->base, "%s://%s", scheme, out->host);
        ok = n < (int)sizeof out->host && m < (int)sizeof out->base;
    }
    curl_free(scheme);
    curl_free(host);
    curl_free(port);
    curl_free(path);
    curl_url_cleanup(u);
    if (!ok)
        return mr_error_set(err, MR_CLASS_FATAL, 0, "%s: '%s' is not http(s)://host[:port]", setting, url);
    return MR_OK;
}

static enum mr_status fill(struct mr_store *s, const struct mr_config *cfg, struct mr_error *err)
{
    if (!keep(s->bucket, sizeof s->bucket, cfg->s3_bucket))
        return mr_error_set(err, MR_CLASS_FATAL, 0, "s3.bucket: '%s' is no name of a bucket", cfg->s3_bucket);
    if (!keep(s->region, sizeof s->region, cfg->s3_region))
        return mr_error_set(err, MR_CLASS_FATAL, 0, "s3.region: '%s' is no region", cfg->s3_region);
    if (!keep(s->access_key, sizeof s->access_key, cfg->s3_access_key) ||
        !keep(s->secret_key, sizeof s->secret_key, cfg->s3_secret_key))
        return mr_error_set(err, MR_CLASS_FATAL, 0, "s3.access_key and s3.secret_key are needed");
    if (endpoint_parse("s3.endpoint", cfg->s3_endpoint, &s->endpoint, err) != MR_OK)
        return MR_FAIL;
    s->public_endpoint = s->endpoint;
    if (cfg->s3_public_endpoint[0] == '\0')
        return MR_OK;
    return endpoint_parse("s3.public_endpoint", cfg->s3_public_endpoint, &s->public_endpoint, err);
}

static pthread_once_t libraries = PTHREAD_ONCE_INIT;

static void libraries_init(void)
{
    curl_global_init(CURL_GLOBAL_DEFAULT);
    xmlInitParser();
}

enum mr_status mr_store_open(const struct mr_config *cfg, struct mr_store **out, struct mr_error *err)
{
    *out = NULL;
    pthread_once(&libraries, libraries_init);
    struct mr_store *s = calloc(1, sizeof *s);
    if (!s)
        return mr_error_set(err, MR_CLASS_RETRY, 0, "open the object store: out of memory");
    pthread_mutex_init(&s->lock, NULL);
    if (fill(s, cfg, err) != MR_OK) {
        mr_store_close(&s);
        return MR_FAIL;
    }
    *out = s;
    return MR_OK;
}

void mr_store_close(struct mr_store **store)
{
    struct mr_store *s = *store;
    if (!s)
        return;
    for (int i = 0; i < s->n_idle; i++)
        curl_easy_cleanup(s->idle[i]);
    pthread_mutex_destroy(&s->lock);
    free(s);
    *store = NULL;
}

enum mr_status mr_store_probe(struct mr_store *s, struct mr_error *err)
{
    struct mr_store_call call = {.operation = "probe", .method = "HEAD", .idle_s = 3};
    struct mr_store_answer answer;
    enum mr_status status = mr_store_call(s, &call, &answer, err);
    mr_store_answer_free(&answer);
    return status;
}
