/* A value as it lies in the log, frame and all. */
#include "events.h"
#include "target.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct mr_codec *codec;
    if (!codec)
        codec = fuzz_codec_open();
    fuzz_decode_processed(codec, (struct mr_span){(const char *)data, size});
    return 0;
}
