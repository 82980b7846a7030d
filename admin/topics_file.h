/* broker-config/topics.json: what `topics apply` makes true. A topic's own config wins over its profile's;
 * "optional" names properties that a broker may lack (write.caching is Redpanda's only). */
#ifndef MR_ADMIN_TOPICS_FILE_H
#define MR_ADMIN_TOPICS_FILE_H

#include <stdbool.h>
#include <stddef.h>

#include "base/error.h"

#define MR_TOPIC_PROPERTIES_MAX 32

struct mr_topic_property {
    const char *name, *value;
    bool optional;
};

struct mr_topic_spec {
    const char *name;
    int partitions;
    int replication;
    struct mr_topic_property config[MR_TOPIC_PROPERTIES_MAX];
    int n_config;
};

struct mr_topics_file {
    void *json; /* owns every string */
    struct mr_topic_spec *topics;
    size_t n;
};

/* FATAL when the file is not what it should be (says where), REJECT when there is no such profile. */
enum mr_status mr_topics_file_read(const char *path, const char *profile, struct mr_topics_file *out,
                                   struct mr_error *err);
void mr_topics_file_free(struct mr_topics_file *f);

/* NULL when the file does not name it. */
const struct mr_topic_spec *mr_topics_file_find(const struct mr_topics_file *f, const char *topic);
struct mr_topic_property *mr_topic_property(struct mr_topic_spec *t, const char *name);

#endif
