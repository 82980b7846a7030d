#include "base/id.h"

#include <openssl/evp.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <time.h>

#include "base/digest.h"

const struct mr_uuid mr_uuid_millrace = {
    {0x6d, 0x0f, 0x3a, 0x52, 0x9c, 0x41, 0x4e, 0x8b, 0xa7, 0x1d, 0x2b, 0x85, 0xe0, 0x64, 0xf3, 0x19}};

static void set_version(struct mr_uuid *id, int version)
{
    id->b[6] = (uint8_t)((id->b[6] & 0x0f) | version << 4);
    id->b[8] = (uint8_t)((id->b[8] & 0x3f) | 0x80);
}

/* Milliseconds in the upper 48 bits and 1/4096 ms below (RFC 9562 section 6.2, method 3). Never the same
 * twice in a process, and never smaller than before: a clock that stands or steps back only counts on. */
static uint64_t next_stamp(void)
{
    static _Atomic uint64_t last;
    struct timespec t;
    clock_gettime(CLOCK_REALTIME, &t);
    uint64_t ms = (uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / 1000000;
    uint64_t now = ms << 12 | ((uint64_t)t.tv_nsec % 1000000) * 4096 / 1000000;
    uint64_t seen = atomic_load(&last);
    uint64_t stamp;
    do
        stamp = now > seen ? now : seen + 1;
    while (!atomic_compare_exchange_weak(&last, &seen, stamp));
    return stamp;
}

struct mr_uuid mr_uuid_v7(void)
{
    struct mr_uuid id;
    uint64_t stamp = next_stamp();
    for (int i = 0; i < 6; i++)
        id.b[i] = (uint8_t)(stamp >> (52 - 8 * i));
    id.b[6] = (uint8_t)(stamp >> 8 & 0x0f);
    id.b[7] = (uint8_t)stamp;
    if (getrandom(id.b + 8, 8, 0) != 8)
        abort(); /* 8 bytes never come short once the kernel's pool is seeded */
    set_version(&id, 7);
    return id;
}

struct mr_uuid mr_uuid_v5(struct mr_uuid space, struct mr_span name)
{
    uint8_t digest[EVP_MAX_MD_SIZE];
    EVP_MD_CTX *ctx = EVP_MD_CTX_new();
    if (!ctx || EVP_DigestInit_ex(ctx, EVP_sha1(), NULL) != 1 ||
        EVP_DigestUpdate(ctx, space.b, sizeof(space.b)) != 1 ||
        EVP_DigestUpdate(ctx, name.p, name.len) != 1 || EVP_DigestFinal_ex(ctx, digest, NULL) != 1)
        abort(); /* no memory, or a libcrypto without SHA-1: an id that is wrong would be worse */
    EVP_MD_CTX_free(ctx);
    struct mr_uuid id;
    memcpy(id.b, digest, sizeof(id.b));
    set_version(&id, 5);
    return id;
}

struct mr_uuid mr_event_id_of_upload(struct mr_uuid upload_id)
{
    static const char prefix[] = "FileUploaded:";
    char name[sizeof(prefix) - 1 + MR_UUID_TEXT_SIZE];
    memcpy(name, prefix, sizeof(prefix) - 1);
    mr_uuid_format(upload_id, name + sizeof(prefix) - 1);
    return mr_uuid_v5(mr_uuid_millrace, mr_span_of(name));
}

const char *mr_uuid_format(struct mr_uuid id, char out[MR_UUID_TEXT_SIZE])
{
    static const char hex[] = "0123456789abcdef";
    char *p = out;
    for (size_t i = 0; i < sizeof(id.b); i++) {
        if (i == 4 || i == 6 || i == 8 || i == 10)
            *p++ = '-';
        *p++ = hex[id.b[i] >> 4];
        *p++ = hex[id.b[i] & 0x0f];
    }
    *p = '\0';
    return out;
}

bool mr_uuid_parse(struct mr_span text, struct mr_uuid *out)
{
    static const struct {
        size_t at, bytes;
    } groups[] = {{0, 4}, {9, 2}, {14, 2}, {19, 2}, {24, 6}};
    if (text.len != MR_UUID_TEXT_SIZE - 1)
        return false;
    struct mr_uuid id;
    uint8_t *p = id.b;
    for (size_t i = 0; i < sizeof(groups) / sizeof(groups[0]); i++) {
        if (i > 0 && text.p[groups[i].at - 1] != '-')
            return false;
        if (!mr_unhex((struct mr_span){text.p + groups[i].at, 2 * groups[i].bytes}, p, groups[i].bytes))
            return false;
        p += groups[i].bytes;
    }
    *out = id;
    return true;
}

bool mr_uuid_eq(struct mr_uuid a, struct mr_uuid b)
{
    return memcmp(a.b, b.b, sizeof(a.b)) == 0;
}

bool mr_uuid_is_nil(struct mr_uuid id)
{
    return mr_uuid_eq(id, (struct mr_uuid){{0}});
}
