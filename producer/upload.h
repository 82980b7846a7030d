/* What the parts of mr-upload share. Made by main(), read-only afterwards; everything in it may be used from
 * any thread. */
#ifndef MR_UPLOAD_H
#define MR_UPLOAD_H

#include "base/config.h"
#include "db/db.h"
#include "event/event.h"
#include "store/store.h"
#include "stream/producer.h"

#define MR_UPLOAD_TOPIC      "file.uploaded"
#define MR_UPLOAD_MIGRATION  1    /* of db/migrations that this program needs */
#define MR_UPLOAD_DB_WAIT_MS 2000 /* for a free database connection, before 503 */
#define MR_UPLOAD_ABANDONED_S                                                                                \
    86400 /* how long an aborted or expired session, or an Idempotency-Key, is remembered */

struct mr_publisher;
struct mr_hints;
struct mr_broken;

struct mr_upload {
    const struct mr_config *cfg;
    struct mr_db_pool *db;
    struct mr_store *store;
    struct mr_codec *codec;
    struct mr_producer *producer;
    struct mr_publisher *publisher;
    struct mr_hints *hints;
    struct mr_broken *broken;
};

/* The kill points of this program, NULL-terminated. */
extern const char *const mr_upload_kill_points[];

#endif
