/* The small notations of lib/base, each with its way back: UUIDs, times, hex, base64. */
#include <strings.h>

#include "base/clock.h"
#include "base/digest.h"
#include "base/id.h"
#include "target.h"

#define RAW_MAX 64

static void try_uuid(struct mr_span text)
{
    struct mr_uuid id, again;
    char out[MR_UUID_TEXT_SIZE];
    if (!mr_uuid_parse(text, &id))
        return;
    mr_uuid_format(id, out);
    must(strncasecmp(out, text.p, text.len) == 0 && text.len == MR_UUID_TEXT_SIZE - 1,
         "format(parse(text)) == text");
    must(mr_uuid_parse(mr_span_of(out), &again) && mr_uuid_eq(id, again), "parse(format(id)) == id");
}

/* Times outside of the years 0000 to 9999 are written as the nearest one inside. */
static void try_us(int64_t us)
{
    char text[MR_RFC3339_SIZE];
    int64_t again = 0, low = 0, high = 0;
    must(mr_rfc3339_parse("0000-01-01T00:00:00Z", &low) &&
             mr_rfc3339_parse("9999-12-31T23:59:59.999999Z", &high),
         "the first and the last time are times");
    must(mr_rfc3339_parse(mr_rfc3339(us, text), &again), "what is written can be read");
    must(again == (us < low ? low : us > high ? high : us), "parse(format(us)) == us");
}

static void try_time(struct mr_span input)
{
    int64_t us = 0;
    char *text = text_of(input);
    if (mr_rfc3339_parse(text, &us))
        try_us(us);
    free(text);
    if (input.len >= sizeof us) {
        memcpy(&us, input.p, sizeof us);
        try_us(us);
    }
}

static void try_raw(struct mr_span raw)
{
    char text[4 * RAW_MAX];
    uint8_t again[RAW_MAX];
    if (raw.len > RAW_MAX)
        return;
    must(mr_unhex(mr_span_of(mr_hex(raw.p, raw.len, text)), again, raw.len) &&
             (raw.len == 0 || memcmp(again, raw.p, raw.len) == 0),
         "unhex(hex(bytes)) == bytes");
    must(mr_unbase64(mr_span_of(mr_base64(raw.p, raw.len, text)), again, raw.len) &&
             (raw.len == 0 || memcmp(again, raw.p, raw.len) == 0),
         "unbase64(base64(bytes)) == bytes");
}

static void try_encoded(struct mr_span text)
{
    char out[4 * RAW_MAX];
    uint8_t raw[RAW_MAX];
    for (size_t n = 0; n <= RAW_MAX; n++) {
        if (mr_unhex(text, raw, n))
            must(text.len == 2 * n && strncasecmp(mr_hex(raw, n, out), text.p, text.len) == 0,
                 "hex(unhex(text)) == text");
        if (mr_unbase64(text, raw, n))
            must(mr_span_is(text, mr_base64(raw, n, out)), "base64(unbase64(text)) == text");
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct mr_span input = {(const char *)data, size};
    try_uuid(input);
    try_time(input);
    try_raw(input);
    try_encoded(input);
    return 0;
}
