#include "event/registry.h"

#include <curl/curl.h>
#include <jansson.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#define CONNECT_TIMEOUT_MS 2000L
#define TOTAL_TIMEOUT_MS   5000L
#define ANSWER_MAX_BYTES   (1024 * 1024)
#define MEDIA_TYPE         "application/vnd.schemaregistry.v1+json"
#define VERSIONS_MAX       10000

struct mr_registry {
    char *url; /* without a slash at the end */
    pthread_mutex_t lock;
    CURL *curl; /* one connection, kept alive; calls are rare */
    struct curl_slist *headers;
};

struct answer {
    long status;
    json_t *json; /* NULL when the body is no JSON */
    struct mr_buf body;
};

static pthread_once_t curl_once = PTHREAD_ONCE_INIT;

static void init_curl(void)
{
    curl_global_init(CURL_GLOBAL_DEFAULT);
}

enum mr_status mr_registry_open(const char *url, struct mr_registry **out, struct mr_error *err)
{
    *out = NULL;
    pthread_once(&curl_once, init_curl);
    struct mr_registry *r = calloc(1, sizeof *r);
    if (!r) {
        return mr_error_set(err, MR_CLASS_RETRY, 0, "out of memory for the registry client");
    }
    pthread_mutex_init(&r->lock, NULL);
    r->url = strdup(url);
    r->curl = curl_easy_init();
    r->headers = curl_slist_append(NULL, "Accept: " MEDIA_TYPE ", application/json");
    struct curl_slist *more = curl_slist_append(r->headers, "Content-Type: " MEDIA_TYPE);
    if (!r->url || !r->curl || !r->headers || !more) {
        mr_registry_close(&r);
        return mr_error_set(err, MR_CLASS_RETRY, 0, "out of memory for the registry client");
    }
    for (size_t n = strlen(r->url); n > 0 && r->url[n - 1] == '/'; n--) {
        r->url[n - 1] = '\0';
    }
    *out = r;
    return MR_OK;
}

void mr_registry_close(struct mr_registry **registry)
{
    struct mr_registry *r = *registry;
    if (r) {
        curl_easy_cleanup(r->curl);
        curl_slist_free_all(r->headers);
        pthread_mutex_destroy(&r->lock);
        free(r->url);
        free(r);
        *registry = NULL;
    }
}

static size_t take_body(char *p, size_t size, size_t n, void *ctx)
{
    return mr_buf_add(ctx, p, size * n) == MR_OK ? size * n : 0;
}

static void answer_free(struct answer *a)
{
    json_decref(a->json);
    mr_buf_free(&a->body);
    *a = (struct answer){0};
}

static enum mr_status perform(struct mr_registry *r, const char *method, const char *url, const char *body,
                              struct answer *a, struct mr_error *err)
{
    char why[CURL_ERROR_SIZE] = "";
    pthread_mutex_lock(&r->lock);
    curl_easy_reset(r->curl);
    curl_easy_setopt(r->curl, CURLOPT_URL, url);
    curl_easy_setopt(r->curl, CURLOPT_CUSTOMREQUEST, method);
    curl_easy_setopt(r->curl, CURLOPT_HTTPHEADER, r->headers);
    if (body) {
        curl_easy_setopt(r->curl, CURLOPT_POSTFIELDS, body);
        curl_easy_setopt(r->curl, CURLOPT_POSTFIELDSIZE, (long)strlen(body));
    }
    curl_easy_setopt(r->curl, CURLOPT_PROTOCOLS_STR, "http,https");
    curl_easy_setopt(r->curl, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(r->curl, CURLOPT_CONNECTTIMEOUT_MS, CONNECT_TIMEOUT_MS);
    curl_easy_setopt(r->curl, CURLOPT_TIMEOUT_MS, TOTAL_TIMEOUT_MS);
    curl_easy_setopt(r->curl, CURLOPT_USERAGENT, "millrace/" MR_VERSION);
    curl_easy_setopt(r->curl, CURLOPT_WRITEFUNCTION, take_body);
    curl_easy_setopt(r->curl, CURLOPT_WRITEDATA, &a->body);
    curl_easy_setopt(r->curl, CURLOPT_ERRORBUFFER, why);
    CURLcode code = curl_easy_perform(r->curl);
    curl_easy_getinfo(r->curl, CURLINFO_RESPONSE_CODE, &a->status);
    curl_easy_setopt(r->curl, CURLOPT_ERRORBUFFER, NULL);
    pthread_mutex_unlock(&r->lock);
    if (code != CURLE_OK) {
        return mr_error_set(err, MR_CLASS_RETRY, 0, "schema registry: %s %s: %s", method, url,
                            why[0] ? why : curl_easy_strerror(code));
    }
    return MR_OK;
}

/* A registry's refusals carry its own code and reason, which begins with the HTTP status (Confluent's REST
 * API, "Errors"; Apicurio says 0 for paths it does not have). What does not is some other server's, or says
 * that the URL is wrong, and tells nothing about the schema that was asked for. */
static bool is_registrys(const struct answer *a)
{
    json_int_t code = json_integer_value(json_object_get(a->json, "error_code"));
    return code == a->status || code / 100 == a->status;
}

static enum mr_status refused(const char *method, const char *url, const struct answer *a,
                              struct mr_error *err)
{
    const char *why = json_string_value(json_object_get(a->json, "message"));
    enum mr_error_class class = MR_CLASS_REJECT;
    if (a->status == 401 || a->status == 403) {
        class = MR_CLASS_FATAL;
    } else if (a->status >= 500 || a->status == 408 || a->status == 429 || !is_registrys(a)) {
        class = MR_CLASS_RETRY;
    }
    return mr_error_set(err, class, (int)a->status, "schema registry: %s %s: HTTP %ld%s%.256s", method, url,
                        a->status, why ? ": " : "", why ? why : "");
}

/* `url` is made of the pieces; `subject` is escaped, NULL when there is none. The caller frees *a after
 * MR_OK. */
static enum mr_status call(struct mr_registry *r, const char *method, const char *path, const char *subject,
                           const char *rest, const char *body, struct answer *a, struct mr_error *err)
{
    char url[2048];
    char *escaped = subject ? curl_easy_escape(NULL, subject, (int)strlen(subject)) : NULL;
    int n = snprintf(url, sizeof url, "%s%s%s%s", r->url, path, escaped ? escaped : "", rest);
    curl_free(escaped);
    *a = (struct answer){0};
    mr_buf_init(&a->body, ANSWER_MAX_BYTES);
    if (n < 0 || (size_t)n >= sizeof url) {
        return mr_error_set(err, MR_CLASS_REJECT, 0, "schema registry: the URL is too long");
    }
    enum mr_status status = perform(r, method, url, body, a, err);
    if (status == MR_OK) {
        a->json = json_loadb(a->body.data ? a->body.data : "", a->body.len, JSON_DECODE_ANY, NULL);
        if (a->status < 200 || a->status > 299) {
            status = refused(method, url, a, err);
        } else if (!a->json) {
            status = mr_error_set(err, MR_CLASS_RETRY, 0, "schema registry: %s %s: the answer is no JSON",
                                  method, url);
        }
    }
    if (status != MR_OK) {
        answer_free(a);
    }
    return status;
}

static enum mr_status unexpected(const char *what, struct mr_error *err)
{
    return mr_error_set(err, MR_CLASS_RETRY, 0, "schema registry: %s: the answer lacks what it should have",
                        what);
}

/* {"schema": "<the schema's JSON as a string>"}; the caller frees it. NULL when the text is not UTF-8. */
static char *schema_body(const char *schema)
{
    json_t *object = json_pack("{s:s}", "schema", schema);
    char *text = object ? json_dumps(object, JSON_COMPACT) : NULL;
    json_decref(object);
    return text;
}

static enum mr_status post_schema(struct mr_registry *r, const char *path, const char *subject,
                                  const char *rest, const char *schema, struct answer *a,
                                  struct mr_error *err)
{
    char *body = schema_body(schema);
    if (!body) {
        return mr_error_set(err, MR_CLASS_REJECT, 0, "schema registry: the schema is not UTF-8");
    }
    enum mr_status status = call(r, "POST", path, subject, rest, body, a, err);
    free(body);
    return status;
}

static enum mr_status post_for_id(struct mr_registry *r, const char *subject, const char *rest,
                                  const char *schema, uint32_t *id, struct mr_error *err)
{
    struct answer a;
    if (post_schema(r, "/subjects/", subject, rest, schema, &a, err) != MR_OK) {
        return MR_FAIL;
    }
    const json_t *value = json_object_get(a.json, "id");
    json_int_t n = json_integer_value(value);
    bool ok = json_is_integer(value) && n >= 0 && n <= UINT32_MAX;
    answer_free(&a);
    if (!ok) {
        return unexpected("id of a schema", err);
    }
    *id = (uint32_t)n;
    return MR_OK;
}

enum mr_status mr_registry_schema(struct mr_registry *r, uint32_t id, struct mr_buf *json,
                                  struct mr_error *err)
{
    struct answer a;
    char rest[32];
    snprintf(rest, sizeof rest, "%u", id);
    if (call(r, "GET", "/schemas/ids/", NULL, rest, NULL, &a, err) != MR_OK) {
        return MR_FAIL;
    }
    const char *text = json_string_value(json_object_get(a.json, "schema"));
    enum mr_status status = text ? mr_buf_puts(json, text) : unexpected("schema by id", err);
    if (text && status != MR_OK) {
        mr_error_set(err, MR_CLASS_REJECT, 0, "schema registry: schema %u is too large", id);
    }
    answer_free(&a);
    return status;
}

enum mr_status mr_registry_lookup(struct mr_registry *r, const char *subject, const char *json, uint32_t *id,
                                  struct mr_error *err)
{
    return post_for_id(r, subject, "", json, id, err);
}

enum mr_status mr_registry_register(struct mr_registry *r, const char *subject, const char *json,
                                    uint32_t *id, struct mr_error *err)
{
    return post_for_id(r, subject, "/versions", json, id, err);
}

static enum mr_status compatible_with(struct mr_registry *r, const char *subject, json_int_t version,
                                      const char *json, int *compatible, struct mr_buf *reason,
                                      struct mr_error *err)
{
    struct answer a;
    char rest[64];
    snprintf(rest, sizeof rest, "/versions/%lld?verbose=true", (long long)version);
    if (post_schema(r, "/compatibility/subjects/", subject, rest, json, &a, err) != MR_OK) {
        return MR_FAIL;
    }
    const json_t *verdict = json_object_get(a.json, "is_compatible");
    enum mr_status status = json_is_boolean(verdict) ? MR_OK : unexpected("compatibility", err);
    if (json_is_false(verdict)) {
        *compatible = 0;
        const json_t *messages = json_object_get(a.json, "messages"); /* Confluent; Apicurio gives none */
        char *why = messages ? json_dumps(messages, JSON_COMPACT | JSON_ENCODE_ANY) : NULL;
        if (reason) {
            mr_buf_printf(reason, "version %lld: %s", (long long)version, why ? why : "no reason given");
        }
        free(why);
    }
    answer_free(&a);
    return status;
}

/* One by one, because not every registry has a call for "all versions", and what "latest" means under a
 * transitive level differs between them. */
enum mr_status mr_registry_compatible(struct mr_registry *r, const char *subject, const char *json,
                                      int *compatible, struct mr_buf *reason, struct mr_error *err)
{
    struct answer a;
    struct mr_error own;
    struct mr_error *e = err ? err : &own;
    *compatible = 1;
    if (call(r, "GET", "/subjects/", subject, "/versions", NULL, &a, e) != MR_OK) {
        bool is_new = e->class == MR_CLASS_REJECT && e->code == 404;
        if (is_new) {
            mr_error_clear(e);
        }
        return is_new ? MR_OK : MR_FAIL;
    }
    size_t n = json_array_size(a.json);
    enum mr_status status = n <= VERSIONS_MAX ? MR_OK : unexpected("versions", e);
    for (size_t i = 0; i < n && status == MR_OK && *compatible; i++) {
        json_int_t version = json_integer_value(json_array_get(a.json, i));
        status = compatible_with(r, subject, version, json, compatible, reason, e);
    }
    answer_free(&a);
    return status;
}

enum mr_status mr_registry_compatibility(struct mr_registry *r, const char *subject, char *level, size_t size,
                                         struct mr_error *err)
{
    struct answer a;
    struct mr_error own;
    struct mr_error *e = err ? err : &own;
    level[0] = '\0';
    if (call(r, "GET", "/config/", subject, "", NULL, &a, e) != MR_OK) {
        bool unset = e->class == MR_CLASS_REJECT && e->code == 404;
        if (unset) {
            mr_error_clear(e);
        }
        return unset ? MR_OK : MR_FAIL;
    }
    const char *kept = json_string_value(json_object_get(a.json, "compatibilityLevel"));
    snprintf(level, size, "%s", kept ? kept : "");
    answer_free(&a);
    return MR_OK;
}

enum mr_status mr_registry_set_compatibility(struct mr_registry *r, const char *subject, const char *level,
                                             struct mr_error *err)
{
    struct answer a;
    char body[128], kept[64];
    snprintf(body, sizeof body, "{\"compatibility\":\"%.64s\"}", level);
    if (call(r, "PUT", "/config/", subject, "", body, &a, err) != MR_OK) {
        return MR_FAIL;
    }
    answer_free(&a);
    if (mr_registry_compatibility(r, subject, kept, sizeof kept, err) != MR_OK) {
        return MR_FAIL;
    }
    if (strcmp(kept, level) == 0) {
        return MR_OK;
    }
    return mr_error_set(err, MR_CLASS_FATAL, 0,
                        "schema registry: compatibility of %.128s is %.64s after setting %.64s", subject,
                        kept[0] ? kept : "unset", level);
}

enum mr_status mr_registry_probe(struct mr_registry *r, struct mr_error *err)
{
    struct answer a;
    if (call(r, "GET", "/schemas/types", NULL, "", NULL, &a, err) != MR_OK) {
        return MR_FAIL;
    }
    answer_free(&a);
    return MR_OK;
}
