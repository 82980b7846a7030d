/* Events and the codec they are read with. */
#ifndef MR_FUZZ_EVENTS_H
#define MR_FUZZ_EVENTS_H

#include "event/event.h"

/* A codec that knows our schemas under the ids of tests/unit/event/vectors.h (7 FileUploaded, 8
 * FileProcessed), and later and earlier ones of other writers (9, 10, 11). */
struct mr_codec *fuzz_codec_open(void);

/* Decode as the type; what could be decoded must come out the same after encoding and decoding it again. */
void fuzz_decode_uploaded(struct mr_codec *codec, struct mr_span bytes);
void fuzz_decode_processed(struct mr_codec *codec, struct mr_span bytes);

#endif
