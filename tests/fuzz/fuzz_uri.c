/* Percent-decoding and name=value pairs. */
#include "base/buf.h"
#include "http/internal.h"
#include "target.h"

#define TEXT_MAX  (64 << 10)
#define PAIRS_MAX 32

static void add_escaped(struct mr_buf *out, const char *text)
{
    for (; *text; text++)
        must(mr_buf_printf(out, "%%%02X", (unsigned char)*text) == MR_OK, "there is room for escapes");
}

static void try_decode(struct mr_span input, bool plus_is_space)
{
    char *text = text_of(input);
    size_t before = strlen(text);
    if (mr_http_decode(text, plus_is_space)) {
        struct mr_buf escaped;
        must(strlen(text) <= before, "decoding does not lengthen");
        mr_buf_init(&escaped, 4 * TEXT_MAX);
        must(mr_buf_puts(&escaped, "") == MR_OK, "an empty buffer is a string");
        add_escaped(&escaped, text);
        char *again = text_of(mr_buf_span(&escaped));
        must(mr_http_decode(again, plus_is_space) && strcmp(again, text) == 0,
             "decode(encode(text)) == text");
        free(again);
        mr_buf_free(&escaped);
    }
    free(text);
}

static bool write_pair(void *ctx, const char *name, const char *value)
{
    struct mr_buf *out = ctx;
    add_escaped(out, name);
    must(mr_buf_puts(out, "=") == MR_OK, "there is room");
    add_escaped(out, value);
    must(mr_buf_puts(out, "&") == MR_OK, "there is room");
    return true;
}

static bool look_up(void *ctx, const char *name, const char *value)
{
    const char *got = mr_http_pairs_get(ctx, name, false);
    must(got && strcmp(got, value) == 0, "pairs are the same after they were written and read");
    return true;
}

static void try_pairs(struct mr_span input)
{
    struct mr_http_pairs pairs, again;
    mr_http_pairs_init(&pairs, TEXT_MAX, PAIRS_MAX);
    if (mr_http_pairs_parse(&pairs, input) == MR_PAIRS_OK) {
        struct mr_buf text;
        mr_buf_init(&text, 4 * TEXT_MAX);
        mr_http_pairs_init(&again, 4 * TEXT_MAX, PAIRS_MAX);
        must(pairs.n <= PAIRS_MAX, "pairs have a ceiling");
        mr_http_pairs_each(&pairs, write_pair, &text);
        must(mr_http_pairs_parse(&again, mr_buf_span(&text)) == MR_PAIRS_OK && again.n == pairs.n,
             "pairs that were read can be read again");
        mr_http_pairs_each(&pairs, look_up, &again);
        mr_http_pairs_free(&again);
        mr_buf_free(&text);
    }
    mr_http_pairs_free(&pairs);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct mr_span input = {(const char *)data, size};
    if (size > TEXT_MAX)
        return 0;
    try_decode(input, false);
    try_decode(input, true);
    try_pairs(input);
    return 0;
}
