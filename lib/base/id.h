/* UUIDs (RFC 9562): v7 for what is made new, v5 for what must come out the same however often it is made. */
#ifndef MR_BASE_ID_H
#define MR_BASE_ID_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/span.h"

#define MR_UUID_TEXT_SIZE 37

struct mr_uuid {
    uint8_t b[16];
};

struct mr_uuid mr_uuid_v7(void);
struct mr_uuid mr_uuid_v5(struct mr_uuid space, struct mr_span name);

/* The namespace of every v5 id that Millrace makes. */
extern const struct mr_uuid mr_uuid_millrace;

/* Event id of an upload: v5(mr_uuid_millrace, "FileUploaded:" + upload id in text). */
struct mr_uuid mr_event_id_of_upload(struct mr_uuid upload_id);

/* Lower case, 36 characters and a NUL. Returns out. */
const char *mr_uuid_format(struct mr_uuid id, char out[MR_UUID_TEXT_SIZE]);
/* Takes exactly the 36-character form, either case. */
bool mr_uuid_parse(struct mr_span text, struct mr_uuid *out);
bool mr_uuid_eq(struct mr_uuid a, struct mr_uuid b);
bool mr_uuid_is_nil(struct mr_uuid id);

#endif
