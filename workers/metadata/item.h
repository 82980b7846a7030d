/* A record of the log as the metadata worker sees it. */
#ifndef MR_METADATA_ITEM_H
#define MR_METADATA_ITEM_H

#include "event/event.h"
#include "stream/consumer.h"

enum mr_metadata_kind {
    MR_METADATA_UPLOADED,
    MR_METADATA_PROCESSED,
    MR_METADATA_PURGED,  /* a null value: the file was purged */
    MR_METADATA_IGNORED, /* an outcome that this program does not know */
};

struct mr_metadata_item {
    enum mr_metadata_kind kind;
    struct mr_uuid file_id;
    union {
        struct mr_file_uploaded uploaded; /* spans into the record */
        struct mr_file_processed processed;
    };
};

/* *out is the caller's, free() it. REJECT: cannot be decoded, the key is not the event's file_id, or a value
 * that PostgreSQL cannot hold (NUL in text, a time outside years 1970 to 9999). */
enum mr_status mr_metadata_decode(struct mr_codec *codec, const struct mr_record *r,
                                  struct mr_metadata_item **out, struct mr_error *err);

/* The time a stage's report was made: finished, else started. */
int64_t mr_metadata_reported_us(const struct mr_file_processed *p);

#endif
