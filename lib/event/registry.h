/* Client of a Confluent-compatible schema registry (REST, application/vnd.schemaregistry.v1+json), as
 * Redpanda, Confluent and Apicurio's /apis/ccompat/v6 speak it. Any thread may call; calls are made one at a
 * time over one connection (2 s to connect, 5 s in all). Nothing is kept here: the codec keeps what it made
 * of a schema.
 *
 * RETRY is everything that is not the registry's own refusal: a server that does not answer, or not like one.
 */
#ifndef MR_EVENT_REGISTRY_H
#define MR_EVENT_REGISTRY_H

#include <stdint.h>

#include "base/buf.h"
#include "base/error.h"

struct mr_registry;

enum mr_status mr_registry_open(const char *url, struct mr_registry **out, struct mr_error *err);
void mr_registry_close(struct mr_registry **registry);

/* GET /schemas/ids/{id}: the schema's JSON. REJECT with code 404 when it does not know the id. */
enum mr_status mr_registry_schema(struct mr_registry *r, uint32_t id, struct mr_buf *json,
                                  struct mr_error *err);
/* POST /subjects/{subject}: the id of this very schema. REJECT 404 when it is not registered there. */
enum mr_status mr_registry_lookup(struct mr_registry *r, const char *subject, const char *json, uint32_t *id,
                                  struct mr_error *err);
/* POST /subjects/{subject}/versions. REJECT 409 when it is not compatible; err says the registry's reason. */
enum mr_status mr_registry_register(struct mr_registry *r, const char *subject, const char *json,
                                    uint32_t *id, struct mr_error *err);
/* POST /compatibility/subjects/{subject}/versions: against every version. True when the subject is new. */
enum mr_status mr_registry_compatible(struct mr_registry *r, const char *subject, const char *json,
                                      int *compatible, struct mr_buf *reason, struct mr_error *err);
/* GET /config/{subject}; "" when the subject has none of its own. */
enum mr_status mr_registry_compatibility(struct mr_registry *r, const char *subject, char *level, size_t size,
                                         struct mr_error *err);
/* PUT /config/{subject}, read back and compared: FATAL when the registry did not keep it. */
enum mr_status mr_registry_set_compatibility(struct mr_registry *r, const char *subject, const char *level,
                                             struct mr_error *err);
enum mr_status mr_registry_probe(struct mr_registry *r, struct mr_error *err);

#endif
