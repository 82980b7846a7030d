#include "cache/url.h"

#include <stdlib.h>
#include <string.h>

#include "base/digest.h"
#include "base/span.h"

#define DEFAULT_PORT  6379
#define DATABASES_MAX 65536

/* Copies n percent-encoded bytes. */
static bool decode(const char *p, size_t n, char out[MR_CACHE_PART_SIZE])
{
    size_t used = 0;
    for (size_t i = 0; i < n; i++) {
        if (used + 1 >= MR_CACHE_PART_SIZE)
            return false;
        out[used] = p[i];
        if (p[i] == '%') {
            if (n - i < 3 || !mr_unhex((struct mr_span){p + i + 1, 2}, out + used, 1) || out[used] == '\0')
                return false;
            i += 2;
        }
        used++;
    }
    out[used] = '\0';
    return true;
}

static bool number(const char *p, size_t n, int max, int *out)
{
    int value = 0;
    for (size_t i = 0; i < n; i++) {
        if (p[i] < '0' || p[i] > '9' || (value = value * 10 + (p[i] - '0')) > max)
            return false;
    }
    *out = value;
    return n > 0;
}

/* "user:password", ":password" or "user". */
static bool parse_credentials(const char *p, size_t n, struct mr_cache_url *out)
{
    const char *colon = memchr(p, ':', n);
    size_t user = colon ? (size_t)(colon - p) : n;
    return decode(p, user, out->user) && (!colon || decode(colon + 1, n - user - 1, out->password));
}

/* "host", "host:port", "[::1]:port". */
static bool parse_place(const char *p, size_t n, struct mr_cache_url *out)
{
    const char *close = n > 0 && *p == '[' ? memchr(p, ']', n) : NULL;
    const char *host = close ? p + 1 : p;
    const char *after = close ? close + 1 : memchr(p, ':', n);
    if (!after)
        after = p + n;
    size_t host_len = (size_t)((close ? close : after) - host);
    size_t rest = (size_t)(p + n - after);
    if (host_len == 0 || !decode(host, host_len, out->host))
        return false;
    return rest == 0 || (*after == ':' && number(after + 1, rest - 1, 65535, &out->port));
}

bool mr_cache_url_parse(const char *url, struct mr_cache_url *out)
{
    static const char scheme[] = "redis://";
    if (strncmp(url, scheme, sizeof(scheme) - 1) != 0)
        return false;
    *out = (struct mr_cache_url){.port = DEFAULT_PORT};
    const char *p = url + sizeof(scheme) - 1;
    size_t n = strcspn(p, "/");
    const char *db = p[n] == '/' ? p + n + 1 : "";
    const char *at = memrchr(p, '@', n);
    if (at && !parse_credentials(p, (size_t)(at - p), out))
        return false;
    const char *place = at ? at + 1 : p;
    if (!parse_place(place, (size_t)(p + n - place), out))
        return false;
    return *db == '\0' || number(db, strlen(db), DATABASES_MAX, &out->db);
}
