/* A writer's schema as the registry gives it (up to the first NUL), and a value written with it (the rest,
 * without its frame), read as each of our events. */
#include "base/buf.h"
#include "events.h"
#include "target.h"

#define FIRST_ID        1000
#define IDS_OF_A_CODEC  64
#define VALUE_MAX_BYTES (64 << 10)

/* A codec keeps every schema it met: it is made anew before they are many. */
static struct mr_codec *codec_for(uint32_t *id)
{
    static struct mr_codec *codec;
    static uint32_t used;
    if (used == IDS_OF_A_CODEC)
        mr_codec_close(&codec);
    if (!codec) {
        codec = fuzz_codec_open();
        used = 0;
    }
    *id = FIRST_ID + used++;
    return codec;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct mr_span rest = {(const char *)data, size};
    struct mr_error err = {0};
    uint32_t id;
    struct mr_codec *codec = codec_for(&id);
    char *schema = text_of(take_until(&rest, '\0'));
    if (mr_codec_know(codec, id, schema, &err) != MR_OK)
        must(err.class == MR_CLASS_REJECT && err.text[0], "a refusal says why");
    free(schema);
    const uint8_t frame[] = {0, (uint8_t)(id >> 24), (uint8_t)(id >> 16), (uint8_t)(id >> 8), (uint8_t)id};
    struct mr_buf value;
    mr_buf_init(&value, VALUE_MAX_BYTES);
    if (mr_buf_add(&value, frame, sizeof frame) == MR_OK && mr_buf_add(&value, rest.p, rest.len) == MR_OK) {
        fuzz_decode_uploaded(codec, mr_buf_span(&value));
        fuzz_decode_processed(codec, mr_buf_span(&value));
    }
    mr_buf_free(&value);
    return 0;
}
