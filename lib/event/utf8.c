#include "event/utf8.h"

#include <stdint.h>
#include <string.h>

static bool continues(uint8_t b)
{
    return (b & 0xc0) == 0x80;
}

/* The length of the sequence at p, 0 when it is none. The second byte's range is what rules out overlong
 * forms, surrogates and what lies past U+10FFFF (RFC 3629, section 4). */
static size_t sequence(const uint8_t *p, size_t n)
{
    if (p[0] >= 0xc2 && p[0] <= 0xdf) {
        return n >= 2 && continues(p[1]) ? 2 : 0;
    }
    if (p[0] >= 0xe0 && p[0] <= 0xef) {
        uint8_t low = p[0] == 0xe0 ? 0xa0 : 0x80;
        uint8_t high = p[0] == 0xed ? 0x9f : 0xbf;
        return n >= 3 && p[1] >= low && p[1] <= high && continues(p[2]) ? 3 : 0;
    }
    if (p[0] >= 0xf0 && p[0] <= 0xf4) {
        uint8_t low = p[0] == 0xf0 ? 0x90 : 0x80;
        uint8_t high = p[0] == 0xf4 ? 0x8f : 0xbf;
        return n >= 4 && p[1] >= low && p[1] <= high && continues(p[2]) && continues(p[3]) ? 4 : 0;
    }
    return 0;
}

bool mr_utf8_valid(const void *bytes, size_t n)
{
    const uint8_t *p = bytes;
    size_t i = 0;
    while (i < n) {
        uint64_t word;
        if (n - i >= sizeof word) {
            memcpy(&word, p + i, sizeof word);
            if ((word & 0x8080808080808080u) == 0) {
                i += sizeof word;
                continue;
            }
        }
        size_t step = p[i] < 0x80 ? 1 : sequence(p + i, n - i);
        if (step == 0) {
            return false;
        }
        i += step;
    }
    return true;
}
