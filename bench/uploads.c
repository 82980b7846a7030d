#include "bench/uploads.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define START_MS UINT64_C(1780000000000)

/* splitmix64 (Vigna): a value that looks random for each n. */
static uint64_t scatter(uint64_t n)
{
    uint64_t z = n * UINT64_C(0x9e3779b97f4a7c15) + UINT64_C(0x632be59bd9b4e019);
    z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
    return z ^ (z >> 31);
}

/* As mr_uuid_v7() makes them: milliseconds, then what is random. */
static struct mr_uuid uuid_at(uint64_t ms, uint64_t n)
{
    struct mr_uuid id;
    uint64_t a = scatter(2 * n), b = scatter(2 * n + 1);
    memcpy(id.b, &a, 8);
    memcpy(id.b + 8, &b, 8);
    for (int i = 0; i < 6; i++)
        id.b[i] = (uint8_t)(ms >> (40 - 8 * i));
    id.b[6] = (uint8_t)(0x70 | (id.b[6] & 0x0f));
    id.b[8] = (uint8_t)(0x80 | (id.b[8] & 0x3f));
    return id;
}

void bench_upload_make(uint64_t n, struct bench_upload *u)
{
    char id[MR_UUID_TEXT_SIZE];
    uint64_t ms = START_MS + n; /* a thousand uploads a second */
    struct mr_file_uploaded *e = &u->event;
    *e = (struct mr_file_uploaded){
        .event_id = uuid_at(scatter(n) >> 16, 4 * n),
        .occurred_at_us = (int64_t)ms * 1000,
        .upload_id = uuid_at(ms, 4 * n + 1),
        .file_id = uuid_at(ms, 4 * n + 2),
        .version = 1,
        .owner_id = uuid_at(START_MS, n % 1000),
        .size = (int64_t)(scatter(n) % 10000000),
        .content_type = mr_span_of("image/jpeg"),
        .s3_bucket = mr_span_of("millrace"),
        .origin = mr_span_of("UPLOAD"),
    };
    e->user_id = e->owner_id;
    mr_uuid_format(e->upload_id, id);
    snprintf(u->path, sizeof(u->path), "/photos/2026/%03" PRIu64 "/IMG_%08" PRIu64 ".jpg", n % 365, n);
    snprintf(u->key, sizeof(u->key), "objects/%.2s/%s", id + 34, id);
    snprintf(u->etag, sizeof(u->etag), "%016" PRIx64 "%016" PRIx64 "-1", scatter(n), scatter(~n));
    e->path = mr_span_of(u->path);
    e->s3_key = mr_span_of(u->key);
    e->s3_etag = mr_span_of(u->etag);
    for (uint64_t i = 0; i < 4; i++) {
        uint64_t part = scatter(n ^ (i << 56));
        memcpy(e->content_hash + 8 * i, &part, 8);
    }
}

uint64_t bench_count(const char *text, const char *what)
{
    char *end;
    unsigned long long v = strtoull(text, &end, 10);
    if (*end || v == 0 || text[0] == '-') {
        fprintf(stderr, "%s: not a number from 1: %s\n", what, text);
        exit(2);
    }
    return v;
}
