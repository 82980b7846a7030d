/* One request to the store: signed, sent on a pooled connection, its answer judged. For the files of
 * lib/store only. */
#ifndef MR_STORE_REQUEST_H
#define MR_STORE_REQUEST_H

#include <curl/curl.h>
#include <libxml/tree.h>
#include <pthread.h>

#include "store/sign.h"
#include "store/store.h"

#define MR_STORE_IDLE_MAX   64
#define MR_STORE_ANSWER_MAX (8u << 20)
#define MR_STORE_URL_MAX    16384

struct mr_endpoint {
    char base[300]; /* "http://host:port", no slash at the end */
    char host[280]; /* as the Host header has it */
};

struct mr_store {
    struct mr_endpoint endpoint;
    struct mr_endpoint public_endpoint;
    char bucket[128];
    char region[64];
    char access_key[200];
    char secret_key[200];
    pthread_mutex_t lock; /* guards idle and n_idle */
    CURL *idle[MR_STORE_IDLE_MAX];
    int n_idle;
};

struct mr_store_call {
    const char *operation; /* for errors and metrics: "list parts" */
    const char *method;
    const char *key; /* NULL: the bucket itself */
    struct mr_sign_list query;
    struct mr_sign_list headers; /* beside those that every request has */
    struct mr_span body;
    int idle_s; /* seconds without a byte before it is given up; 0: 10 */

    /* When set, a 2xx body goes there instead of the answer's. */
    mr_store_sink_fn sink;
    void *sink_ctx;
    int64_t sink_max;
};

struct mr_store_answer {
    long status;
    struct mr_buf body;
    char etag[80];
    char content_type[256];
    char checksum[80]; /* x-amz-checksum-sha256 */
    int64_t length;
    int64_t modified_us;
    int64_t sunk; /* bytes given to the sink */
    bool too_large;
    bool stopped; /* by the sink */
};

struct mr_sign_key mr_store_key(const struct mr_store *s);

/* "/bucket/key", percent-encoded, appended. */
enum mr_status mr_store_path(const struct mr_store *s, const char *key, struct mr_buf *out);

/* MR_OK only for a 2xx without an <Error> inside. The caller frees with mr_store_answer_free() in any case.
 */
enum mr_status mr_store_call(struct mr_store *s, const struct mr_store_call *call,
                             struct mr_store_answer *answer, struct mr_error *err);
/* The same, and the answer parsed as XML whose root is `root`; the caller frees *doc with xmlFreeDoc(). */
enum mr_status mr_store_call_xml(struct mr_store *s, const struct mr_store_call *call, const char *root,
                                 xmlDoc **doc, struct mr_error *err);
void mr_store_answer_free(struct mr_store_answer *answer);

/* PUTs to a URL that was signed before, as a client would; *status is the store's, whatever it says. */
enum mr_status mr_store_put_url(struct mr_store *s, const char *url, const uint8_t sha256[MR_SHA256_SIZE],
                                struct mr_span body, long *status, struct mr_error *err);

/* As mr_store_presign_part, for an endpoint of choice. */
enum mr_status mr_store_presign_part_at(const struct mr_store *s, const struct mr_endpoint *at,
                                        const char *key, const char *upload_id, int number, int64_t size,
                                        const uint8_t sha256[MR_SHA256_SIZE], int64_t ttl_ms,
                                        struct mr_buf *url, struct mr_error *err);

/* Splits "base64-N" of a composite checksum. */
void mr_store_composite(const char *text, struct mr_object *out);

#endif
