#include "admin/topics_file.h"

#include <jansson.h>
#include <stdlib.h>
#include <string.h>

struct reader {
    const char *path;
    json_t *optional;
    struct mr_error *err;
};

static enum mr_status wrong(const struct reader *r, const char *where, const char *what)
{
    return mr_error_set(r->err, MR_CLASS_FATAL, 0, "%s: %s: %s", r->path, where, what);
}

struct mr_topic_property *mr_topic_property(struct mr_topic_spec *t, const char *name)
{
    for (int i = 0; i < t->n_config; i++) {
        if (strcmp(t->config[i].name, name) == 0)
            return &t->config[i];
    }
    return NULL;
}

static bool is_optional(const struct reader *r, const char *name)
{
    size_t i;
    json_t *v;
    json_array_foreach(r->optional, i, v)
    {
        if (json_is_string(v) && strcmp(json_string_value(v), name) == 0)
            return true;
    }
    return false;
}

static enum mr_status read_config(const struct reader *r, json_t *config, struct mr_topic_spec *t)
{
    const char *name;
    json_t *value;
    if (!json_is_object(config))
        return wrong(r, t->name, "no object `config`");
    json_object_foreach(config, name, value)
    {
        if (!json_is_string(value))
            return wrong(r, t->name, "every property's value is a string");
        struct mr_topic_property *p = mr_topic_property(t, name);
        if (!p && t->n_config == MR_TOPIC_PROPERTIES_MAX)
            return wrong(r, t->name, "too many properties");
        if (!p)
            p = &t->config[t->n_config++];
        *p = (struct mr_topic_property){name, json_string_value(value), is_optional(r, name)};
    }
    return MR_OK;
}

static enum mr_status read_topic(const struct reader *r, json_t *root, json_t *profile, json_t *topic,
                                 struct mr_topic_spec *t)
{
    json_t *own = json_object_get(topic, "partitions");
    t->name = json_string_value(json_object_get(topic, "name"));
    if (!t->name)
        return wrong(r, "topics", "a topic without a name");
    t->partitions = (int)json_integer_value(own ? own : json_object_get(root, "partitions"));
    t->replication = (int)json_integer_value(json_object_get(profile, "replication"));
    if (t->partitions < 1 || t->replication < 1)
        return wrong(r, t->name, "partitions and replication are at least 1");
    if (read_config(r, json_object_get(profile, "config"), t) != MR_OK)
        return MR_FAIL;
    return read_config(r, json_object_get(topic, "config"), t);
}

static enum mr_status find_profile(json_t *root, const char *name, const struct reader *r, json_t **out)
{
    json_t *profiles = json_object_get(root, "profiles");
    *out = json_object_get(profiles, name);
    if (*out)
        return MR_OK;
    char known[200] = "";
    const char *key;
    json_t *value;
    json_object_foreach(profiles, key, value)
    {
        size_t n = strlen(known);
        snprintf(known + n, sizeof(known) - n, "%s%s", n ? ", " : "", key);
    }
    return mr_error_set(r->err, MR_CLASS_REJECT, 0, "%s has no profile `%s` (there are: %s)", r->path, name,
                        known);
}

enum mr_status mr_topics_file_read(const char *path, const char *profile, struct mr_topics_file *out,
                                   struct mr_error *err)
{
    struct reader r = {.path = path, .err = err};
    json_error_t at;
    json_t *chosen = NULL, *root = json_load_file(path, JSON_REJECT_DUPLICATES, &at);
    *out = (struct mr_topics_file){.json = root};
    if (!root)
        return mr_error_set(err, MR_CLASS_FATAL, 0, "%s, line %d: %s", path, at.line, at.text);
    json_t *topics = json_object_get(root, "topics");
    r.optional = json_object_get(root, "optional");
    out->n = json_array_size(topics);
    out->topics = calloc(out->n + 1, sizeof(*out->topics));
    if (!out->topics)
        abort();
    enum mr_status status = out->n ? find_profile(root, profile, &r, &chosen) : wrong(&r, "topics", "none");
    for (size_t i = 0; status == MR_OK && i < out->n; i++)
        status = read_topic(&r, root, chosen, json_array_get(topics, i), &out->topics[i]);
    if (status != MR_OK)
        mr_topics_file_free(out);
    return status;
}

void mr_topics_file_free(struct mr_topics_file *f)
{
    free(f->topics);
    json_decref(f->json);
    *f = (struct mr_topics_file){0};
}

const struct mr_topic_spec *mr_topics_file_find(const struct mr_topics_file *f, const char *topic)
{
    for (size_t i = 0; i < f->n; i++) {
        if (strcmp(f->topics[i].name, topic) == 0)
            return &f->topics[i];
    }
    return NULL;
}
