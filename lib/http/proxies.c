#include "http/proxies.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SEPARATORS ", \t"

/* "10.0.0.0/8", "::1": false when it is neither an address nor a block. */
static bool read_block(const char *entry, size_t len, struct mr_http_proxies *out)
{
    char text[MR_HTTP_ADDRESS_MAX];
    if (len >= sizeof(text) || out->n == MR_HTTP_PROXIES_MAX)
        return false;
    memcpy(text, entry, len);
    text[len] = '\0';
    char *slash = strchr(text, '/');
    if (slash)
        *slash++ = '\0';
    int family = strchr(text, ':') ? AF_INET6 : AF_INET;
    unsigned all = family == AF_INET6 ? 128 : 32;
    size_t digits = slash ? strspn(slash, "0123456789") : 0;
    if (slash && (digits == 0 || digits > 3 || slash[digits]))
        return false;
    unsigned long bits = slash ? strtoul(slash, NULL, 10) : all;
    if (bits > all || inet_pton(family, text, out->block[out->n].address) != 1)
        return false;
    out->block[out->n].family = family;
    out->block[out->n].bits = (unsigned)bits;
    out->n++;
    return true;
}

enum mr_status mr_http_proxies_read(const char *text, struct mr_http_proxies *out, struct mr_error *err)
{
    memset(out, 0, sizeof(*out));
    for (const char *p = text ? text : ""; *(p += strspn(p, SEPARATORS));) {
        size_t len = strcspn(p, SEPARATORS);
        if (!read_block(p, len, out))
            return mr_error_set(err, MR_CLASS_FATAL, 0,
                                "http.trusted_proxies: \"%.*s\" is not an address or a block such as "
                                "10.0.0.0/8 (of which there may be %d)",
                                (int)(len < MR_HTTP_ADDRESS_MAX ? len : MR_HTTP_ADDRESS_MAX), p,
                                MR_HTTP_PROXIES_MAX);
        p += len;
    }
    return MR_OK;
}

static bool same_bits(const unsigned char *a, const unsigned char *b, unsigned bits)
{
    unsigned rest = bits % 8;
    if (memcmp(a, b, bits / 8) != 0)
        return false;
    return rest == 0 || (a[bits / 8] ^ b[bits / 8]) >> (8 - rest) == 0;
}

bool mr_http_proxies_have(const struct mr_http_proxies *p, const struct sockaddr *peer,
                          char text[MR_HTTP_ADDRESS_MAX])
{
    const unsigned char *address = NULL;
    int family = peer ? peer->sa_family : AF_UNSPEC;
    text[0] = '\0';
    if (family == AF_INET) {
        address = (const void *)&((const struct sockaddr_in *)(const void *)peer)->sin_addr;
    } else if (family == AF_INET6) {
        const struct in6_addr *in6 = &((const struct sockaddr_in6 *)(const void *)peer)->sin6_addr;
        bool mapped = IN6_IS_ADDR_V4MAPPED(in6);
        family = mapped ? AF_INET : AF_INET6;
        address = in6->s6_addr + (mapped ? 12 : 0);
    } else {
        return false;
    }
    inet_ntop(family, address, text, MR_HTTP_ADDRESS_MAX);
    for (size_t i = 0; i < p->n; i++) {
        if (p->block[i].family == family && same_bits(address, p->block[i].address, p->block[i].bits))
            return true;
    }
    return false;
}
