/* Whom X-Forwarded-For is believed of (`http.trusted_proxies`): addresses and blocks such as 10.0.0.0/8, with
 * commas between them. An IPv4 address that arrives as ::ffff:a.b.c.d is the IPv4 address. */
#ifndef MR_HTTP_PROXIES_H
#define MR_HTTP_PROXIES_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/socket.h>

#include "base/error.h"

#define MR_HTTP_PROXIES_MAX 32
#define MR_HTTP_ADDRESS_MAX 64 /* of its text with the NUL */

struct mr_http_proxies {
    size_t n;
    struct {
        int family; /* AF_INET or AF_INET6 */
        unsigned bits;
        unsigned char address[16]; /* the bytes the family has */
    } block[MR_HTTP_PROXIES_MAX];
};

/* `text` NULL or empty: nobody. FATAL, with the entry named, when one is no address or block. */
enum mr_status mr_http_proxies_read(const char *text, struct mr_http_proxies *out, struct mr_error *err);
/* Writes the peer's address; true when it is one of the proxies. Other families: "" and false. */
bool mr_http_proxies_have(const struct mr_http_proxies *p, const struct sockaddr *peer,
                          char text[MR_HTTP_ADDRESS_MAX]);

#endif
