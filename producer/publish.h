/* assembled → published: records go to the log, and one thread turns their delivery reports into marks in the
 * database, many at once.
 *
 * Sending is at least once: a record whose mark was lost is sent again by a relay, with the same bytes;
 * consumers know it by its event_id. Any thread may call. */
#ifndef MR_UPLOAD_PUBLISH_H
#define MR_UPLOAD_PUBLISH_H

#include "producer/upload.h"

struct mr_publisher;

/* What a waiting request watches; shared by it and the publisher, freed by whoever lets go last. */
struct mr_ticket;

enum mr_ticket_state {
    MR_TICKET_SENT,   /* under way */
    MR_TICKET_ACKED,  /* on the log; the mark is not made yet */
    MR_TICKET_MARKED, /* published in the database */
    MR_TICKET_FAILED, /* not known to be on the log; a relay sends it again */
};

struct mr_send {
    struct mr_uuid upload_id;
    struct mr_uuid file_id; /* the record's key */
    const char *topic;
    struct mr_span bytes;
    struct mr_span headers; /* JSON */
    int64_t assembled_at_us;
    bool is_relay; /* counts against mr_publisher_relayed() */
};

/* `broken` hears of a producer that is broken for good. */
enum mr_status mr_publisher_open(struct mr_db_pool *db, struct mr_producer *producer,
                                 struct mr_broken *broken, struct mr_publisher **out, struct mr_error *err);
/* Call after mr_producer_close(), which reports what was under way: makes the marks that are left (for at
 * most a few seconds) and ends the thread. */
void mr_publisher_close(struct mr_publisher **p);

/* *ticket (may be NULL) is the caller's to release. MR_FAIL: nothing was sent. */
enum mr_status mr_publisher_send(struct mr_publisher *p, const struct mr_send *send,
                                 struct mr_ticket **ticket, struct mr_error *err);

enum mr_ticket_state mr_ticket_state(const struct mr_ticket *t);
void mr_ticket_release(struct mr_ticket *t);

/* The broker did not acknowledge lately: nothing should wait for it, only the relay asks it. */
bool mr_publisher_away(const struct mr_publisher *p);
void mr_publisher_set_away(struct mr_publisher *p, bool away);

/* Records that relays sent and that are not marked yet. */
int mr_publisher_relayed(const struct mr_publisher *p);

#endif
