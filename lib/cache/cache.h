/* Redis as a cache: every call has a short timeout and a miss is never an error of the caller: when Redis is
 * away, get misses and set does nothing (counted, logged once a minute). Any thread may call. */
#ifndef MR_CACHE_CACHE_H
#define MR_CACHE_CACHE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/error.h"
#include "base/span.h"

struct mr_cache;

enum mr_status mr_cache_open(const char *redis_url, int timeout_ms, struct mr_cache **out,
                             struct mr_error *err);
void mr_cache_close(struct mr_cache **cache);
/* True and the value appended to out on a hit. */
bool mr_cache_get(struct mr_cache *cache, const char *key, struct mr_buf *out);
void mr_cache_set(struct mr_cache *cache, const char *key, struct mr_span value, int64_t ttl_ms);
void mr_cache_delete(struct mr_cache *cache, const char *key);
enum mr_status mr_cache_probe(struct mr_cache *cache, struct mr_error *err);

#endif
