/* What every target shares. A target is one function that libFuzzer (or replay.c) calls with bytes; whatever
 * they are, it must come back in bounded time, without a sanitizer's complaint and with its properties held.
 */
#ifndef MR_FUZZ_TARGET_H
#define MR_FUZZ_TARGET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/span.h"

/* libFuzzer's name for it. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static inline void must(bool held, const char *property)
{
    if (!held) {
        fprintf(stderr, "does not hold: %s\n", property);
        abort();
    }
}

/* Takes what precedes the first `end` (all when there is none) off the input, and the `end` with it. */
static inline struct mr_span take_until(struct mr_span *input, char end)
{
    const char *at = input->len > 0 ? memchr(input->p, end, input->len) : NULL;
    struct mr_span taken = {input->p, at ? (size_t)(at - input->p) : input->len};
    size_t used = at ? taken.len + 1 : taken.len;
    *input = (struct mr_span){input->p + used, input->len - used};
    return taken;
}

static inline uint8_t take_byte(struct mr_span *input)
{
    if (input->len == 0)
        return 0;
    uint8_t byte = (uint8_t)*input->p;
    *input = (struct mr_span){input->p + 1, input->len - 1};
    return byte;
}

/* As a C string of its own allocation, so that a read past its end is seen; the caller frees. */
static inline char *text_of(struct mr_span bytes)
{
    char *text = malloc(bytes.len + 1);
    if (!text)
        abort();
    if (bytes.len > 0)
        memcpy(text, bytes.p, bytes.len);
    text[bytes.len] = '\0';
    return text;
}

#endif
