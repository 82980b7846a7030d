/* Record headers of every event: CloudEvents 1.0 Kafka binding (ce_*), W3C traceparent, content-type.
 *
 * A set of headers is kept in the database beside an event's bytes as JSON {"name":"value"}; values are text.
 */
#ifndef MR_EVENT_HEADERS_H
#define MR_EVENT_HEADERS_H

#include <stddef.h>

#include "base/buf.h"
#include "base/error.h"
#include "base/id.h"
#include "base/span.h"

#define MR_HEADERS_MAX      32
#define MR_TRACEPARENT_SIZE 56

struct mr_header {
    struct mr_span name;
    struct mr_span value; /* p == NULL: a null header value */
};

struct mr_headers {
    struct mr_header list[MR_HEADERS_MAX];
    size_t n;
    char store[2048]; /* text that this set owns; list points into it or into the caller's bytes */
    size_t used;
};

void mr_headers_init(struct mr_headers *h);
/* Copies the value; the name is borrowed (a literal). REJECT when the set is full. */
enum mr_status mr_headers_add(struct mr_headers *h, const char *name, struct mr_span value);
/* ce_id, ce_type (`type`, as "io.millrace.FileUploaded"), ce_source ("/millrace/<program>"), ce_specversion,
 * ce_time, content-type and traceparent (NULL or malformed: a new one is made). */
enum mr_status mr_headers_event(struct mr_headers *h, const char *type, const char *program,
                                struct mr_uuid event_id, int64_t at_us, const char *traceparent);
/* The last header of that name; {NULL,0} when there is none. */
struct mr_span mr_headers_get(const struct mr_headers *h, const char *name);

/* A new random trace, and a child span of a given one (same trace id, new parent id; W3C Trace Context 3.2).
 */
void mr_traceparent_new(char out[MR_TRACEPARENT_SIZE]);
void mr_traceparent_child(struct mr_span parent, char out[MR_TRACEPARENT_SIZE]);

enum mr_status mr_headers_to_json(const struct mr_headers *h, struct mr_buf *out);
/* Fails REJECT on anything but an object of strings. Names and values are copied into h. */
enum mr_status mr_headers_from_json(struct mr_headers *h, struct mr_span json, struct mr_error *err);

#endif
