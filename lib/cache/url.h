/* redis://[[user]:password@]host[:port][/db], as redis-cli -u takes it; user and password percent-encoded. */
#ifndef MR_CACHE_URL_H
#define MR_CACHE_URL_H

#include <stdbool.h>

#define MR_CACHE_PART_SIZE 256

struct mr_cache_url {
    char host[MR_CACHE_PART_SIZE];
    char user[MR_CACHE_PART_SIZE];     /* "" when there is none */
    char password[MR_CACHE_PART_SIZE]; /* "" when there is none */
    int port;
    int db;
};

bool mr_cache_url_parse(const char *url, struct mr_cache_url *out);

#endif
