/* Dead letters: reading them from dlq.<worker>, and the table that remembers what became of them (nothing can
 * be taken out of a topic's middle). One thread. */
#ifndef MR_ADMIN_LETTERS_H
#define MR_ADMIN_LETTERS_H

#include <librdkafka/rdkafka.h>

#include "admin/broker.h"
#include "base/span.h"
#include "db/db.h"

/* What a reader gives lives while it is looked at; a copy until it is freed. */
struct mr_dead_letter {
    const char *worker;
    int32_t partition;
    int64_t offset;
    int64_t time_ms;
    struct mr_span key;
    struct mr_span value;        /* p == NULL: null */
    rd_kafka_headers_t *headers; /* NULL when it has none */
    struct mr_span source_topic, source_partition, source_offset, reason, attempts;
    char *copied; /* a copy: the bytes of key and value; its headers are its own then */
};

struct mr_dead_letter mr_letter_copy(const struct mr_dead_letter *l);
void mr_letter_free(struct mr_dead_letter *copy);

/* A header's last value; {NULL, 0} when there is none. */
struct mr_span mr_letter_header(const struct mr_dead_letter *l, const char *name);

enum mr_letter_state { MR_LETTER_OPEN, MR_LETTER_REPLAYED, MR_LETTER_DROPPED };
const char *mr_letter_state_name(enum mr_letter_state state);

/* What is on record about one worker's letters. */
struct mr_letter_actions {
    struct mr_letter_action {
        int32_t partition;
        int64_t offset, time_ms;
        enum mr_letter_state state;
    } * list; /* sorted */
    size_t n;
};

enum mr_status mr_letter_actions_read(struct mr_db *db, const char *worker, struct mr_letter_actions *out,
                                      struct mr_error *err);
void mr_letter_actions_free(struct mr_letter_actions *a);
enum mr_letter_state mr_letter_state(const struct mr_letter_actions *a, const struct mr_dead_letter *l);

/* Remembers it; once more is fine, the last action stands. */
enum mr_status mr_letter_action_write(struct mr_db *db, const struct mr_dead_letter *l,
                                      enum mr_letter_state state, struct mr_error *err);

/* Where to read: one letter (partition and offset), or all when partition is -1. */
struct mr_letter_range {
    const char *worker;
    int32_t partition;
    int64_t offset;
};

/* Called in the order of partition and offset; the letter is gone when it returns. MR_FAIL ends the reading.
 */
typedef enum mr_status (*mr_letter_fn)(void *ctx, const struct mr_dead_letter *l, struct mr_error *err);

/* *n: how many were given. REJECT when there is no topic dlq.<worker>. */
enum mr_status mr_letters_read(const char *brokers, const struct mr_cluster *c,
                               const struct mr_letter_range *range, mr_letter_fn fn, void *ctx, size_t *n,
                               struct mr_error *err);

#endif
