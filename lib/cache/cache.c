#include "cache/cache.h"

#include <errno.h>
#include <hiredis/hiredis.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "cache/url.h"
#include "metrics/metrics.h"

#define IDLE_MAX     16
#define AWAY_MS      1000
#define LOG_EVERY_MS 60000

struct mr_cache {
    struct mr_cache_url url;
    struct timeval timeout;
    pthread_mutex_t lock; /* guards what follows */
    redisContext *idle[IDLE_MAX];
    int n_idle;
    int64_t away_until_ms; /* Redis failed: until then nobody waits for it again */
    int64_t logged_at_ms;  /* 0: never */
    int64_t failures;      /* since then */
};

enum mr_status mr_cache_open(const char *redis_url, int timeout_ms, struct mr_cache **out,
                             struct mr_error *err)
{
    struct mr_cache *c = calloc(1, sizeof(*c));
    if (!c)
        return mr_error_set(err, MR_CLASS_RETRY, ENOMEM, "open the cache: out of memory");
    if (!mr_cache_url_parse(redis_url, &c->url)) {
        free(c);
        return mr_error_set(
            err, MR_CLASS_FATAL, 0,
            "redis.url is not redis://[[user]:password@]host[:port][/db]"); /* it may hold a password */
    }
    c->timeout = (struct timeval){.tv_sec = timeout_ms / 1000, .tv_usec = timeout_ms % 1000 * 1000};
    pthread_mutex_init(&c->lock, NULL);
    *out = c;
    return MR_OK;
}

void mr_cache_close(struct mr_cache **cache)
{
    struct mr_cache *c = *cache;
    if (!c)
        return;
    for (int i = 0; i < c->n_idle; i++)
        redisFree(c->idle[i]);
    pthread_mutex_destroy(&c->lock);
    explicit_bzero(c->url.password, sizeof(c->url.password));
    free(c);
    *cache = NULL;
}

/* Runs one command; on failure says why in err. The reply is the caller's, NULL only on failure; an error
 * reply is a failure after which the connection can still be used. */
static redisReply *ask(redisContext *r, struct mr_error *err, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    redisReply *reply = redisvCommand(r, format, args);
    va_end(args);
    if (!reply) {
        mr_error_set(err, MR_CLASS_RETRY, 0, "Redis: %s", r->err ? r->errstr : "no answer");
    } else if (reply->type == REDIS_REPLY_ERROR) {
        mr_error_set(err, MR_CLASS_RETRY, 0, "Redis: %s", reply->str);
        freeReplyObject(reply);
        reply = NULL;
    }
    return reply;
}

static enum mr_status tell(redisContext *r, struct mr_error *err, const char *command, const char *a,
                           const char *b)
{
    redisReply *reply = b ? ask(r, err, "%s %s %s", command, a, b) : ask(r, err, "%s %s", command, a);
    enum mr_status status = reply ? MR_OK : MR_FAIL;
    freeReplyObject(reply);
    return status;
}

static enum mr_status log_in(const struct mr_cache *c, redisContext *r, struct mr_error *err)
{
    char db[16];
    const char *user = c->url.user, *password = c->url.password;
    if (*password && tell(r, err, "AUTH", *user ? user : password, *user ? password : NULL) != MR_OK)
        return MR_FAIL;
    snprintf(db, sizeof(db), "%d", c->url.db);
    return c->url.db ? tell(r, err, "SELECT", db, NULL) : MR_OK;
}

static redisContext *connect_to(const struct mr_cache *c, struct mr_error *err)
{
    redisContext *r = redisConnectWithTimeout(c->url.host, c->url.port, c->timeout);
    if (!r || r->err || redisSetTimeout(r, c->timeout) != REDIS_OK) {
        mr_error_set(err, MR_CLASS_RETRY, 0, "connect to Redis at %s:%d: %s", c->url.host, c->url.port,
                     r && r->err ? r->errstr : "out of memory");
    } else if (log_in(c, r, err) == MR_OK) {
        return r;
    }
    redisFree(r);
    return NULL;
}

/* A connection, or NULL: Redis is away (err->class stays NONE while nobody asks it) or cannot be reached. */
static redisContext *take(struct mr_cache *c, struct mr_error *err)
{
    redisContext *r = NULL;
    mr_error_clear(err);
    pthread_mutex_lock(&c->lock);
    bool away = mr_mono_ms() < c->away_until_ms;
    if (!away && c->n_idle > 0)
        r = c->idle[--c->n_idle];
    pthread_mutex_unlock(&c->lock);
    return r || away ? r : connect_to(c, err);
}

/* A connection that broke takes the idle ones with it: they are to the same server, which has gone. */
static void put_back(struct mr_cache *c, redisContext *r)
{
    redisContext *unwanted[IDLE_MAX + 1];
    int n = 0;
    pthread_mutex_lock(&c->lock);
    while (r->err && c->n_idle > 0)
        unwanted[n++] = c->idle[--c->n_idle];
    if (!r->err && c->n_idle < IDLE_MAX)
        c->idle[c->n_idle++] = r;
    else
        unwanted[n++] = r;
    pthread_mutex_unlock(&c->lock);
    while (n > 0)
        redisFree(unwanted[--n]);
}

/* Counts a failure and says so at most once a minute. `lost`: the connection broke or was never there. */
static void failed(struct mr_cache *c, const struct mr_error *err, bool lost)
{
    int64_t now = mr_mono_ms();
    mr_metric_add(MR_M_cache_requests, "failed", 1);
    pthread_mutex_lock(&c->lock);
    int64_t failures = ++c->failures;
    if (lost)
        c->away_until_ms = now + AWAY_MS;
    bool say = c->logged_at_ms == 0 || now - c->logged_at_ms >= LOG_EVERY_MS;
    if (say) {
        c->logged_at_ms = now;
        c->failures = 0;
    }
    pthread_mutex_unlock(&c->lock);
    if (say)
        mr_log(MR_LOG_WARN, "the cache does not answer; going on without it", mr_log_str("error", err->text),
               mr_log_int("failures", failures));
}

/* Every request ends here; `reply` is NULL when it failed. */
static void finish(struct mr_cache *c, redisContext *r, redisReply *reply, const struct mr_error *err)
{
    bool lost = !r || r->err;
    if (!reply && err->class != MR_CLASS_NONE)
        failed(c, err, lost);
    else if (!reply)
        mr_metric_add(MR_M_cache_requests, "failed", 1);
    freeReplyObject(reply);
    if (r)
        put_back(c, r);
}

bool mr_cache_get(struct mr_cache *cache, const char *key, struct mr_buf *out)
{
    struct mr_error err;
    bool hit = false;
    redisContext *r = take(cache, &err);
    redisReply *reply = r ? ask(r, &err, "GET %s", key) : NULL;
    if (reply) {
        hit = reply->type == REDIS_REPLY_STRING && mr_buf_add(out, reply->str, reply->len) == MR_OK;
        mr_metric_add(MR_M_cache_requests, hit ? "hit" : "miss", 1);
    }
    finish(cache, r, reply, &err);
    return hit;
}

void mr_cache_set(struct mr_cache *cache, const char *key, struct mr_span value, int64_t ttl_ms)
{
    struct mr_error err;
    if (ttl_ms <= 0)
        return; /* what never ends has no place in a cache */
    redisContext *r = take(cache, &err);
    redisReply *reply =
        r ? ask(r, &err, "SET %s %b PX %lld", key, value.p, value.len, (long long)ttl_ms) : NULL;
    finish(cache, r, reply, &err);
}

void mr_cache_delete(struct mr_cache *cache, const char *key)
{
    struct mr_error err;
    redisContext *r = take(cache, &err);
    redisReply *reply = r ? ask(r, &err, "DEL %s", key) : NULL;
    finish(cache, r, reply, &err);
}

enum mr_status mr_cache_probe(struct mr_cache *cache, struct mr_error *err)
{
    struct mr_error ignored;
    redisContext *r = connect_to(cache, err ? err : &ignored);
    redisReply *reply = r ? ask(r, err ? err : &ignored, "PING") : NULL;
    enum mr_status status = reply ? MR_OK : MR_FAIL;
    freeReplyObject(reply);
    redisFree(r);
    if (status == MR_OK) {
        pthread_mutex_lock(&cache->lock);
        cache->away_until_ms = 0;
        pthread_mutex_unlock(&cache->lock);
    }
    return status;
}
