#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "event/event.h"
#include "event/plan.h"
#include "event/registry.h"
#include "event/schema.h"

#define FRAME_BYTES   5
#define BUCKETS       256
#define TOPICS_MAX    32
#define UNKNOWN_SLOTS 4096
#define UNKNOWN_MS                                                                                           \
    5000 /* an id that the registry does not know may be registered later; a replay should see it then */
#define AWAY_MS 500 /* how long one failed call speaks for the others that wait behind it */

/* A writer's schema that was met, and how it reads as each of our events. Published once, never changed. */
struct writer {
    uint32_t id;
    struct writer *next;
    struct mr_schema *schema; /* NULL: what the registry has under this id is no Avro schema */
    struct mr_plan *plans[MR_EVENT_TYPE_COUNT];
    struct mr_error refused[MR_EVENT_TYPE_COUNT]; /* why there is no plan */
};

struct event_type {
    struct mr_buf text;
    struct mr_schema *schema;
    struct mr_plan *own; /* of our schema to itself: what encoding walks */
};

struct topic {
    char name[250]; /* Kafka's limit is 249 */
    enum mr_event_type type;
    _Atomic uint32_t id;
};

struct unknown_id {
    uint32_t id;
    int64_t until_ms;
};

struct mr_codec {
    struct event_type types[MR_EVENT_TYPE_COUNT];
    struct mr_registry *registry;              /* NULL: none */
    _Atomic(struct writer *) buckets[BUCKETS]; /* readers take no lock */
    struct topic topics[TOPICS_MAX];
    _Atomic int n_topics;
    pthread_mutex_t lock; /* what follows, and every change of what precedes */
    struct unknown_id unknown[UNKNOWN_SLOTS];
    struct mr_error away;
    int64_t away_until_ms;
};

static enum mr_status read_file(const char *path, struct mr_buf *out, struct mr_error *err)
{
    char chunk[4096];
    size_t n;
    FILE *f = fopen(path, "re");
    if (!f) {
        return mr_error_set(err, MR_CLASS_FATAL, 0, "cannot read schema %s: %m", path);
    }
    enum mr_status status = MR_OK;
    while (status == MR_OK && (n = fread(chunk, 1, sizeof chunk, f)) > 0) {
        status = mr_buf_add(out, chunk, n);
    }
    if (status != MR_OK || ferror(f)) {
        status = mr_error_set(err, MR_CLASS_FATAL, 0, "cannot read schema %s whole", path);
    }
    fclose(f);
    return status;
}

static enum mr_status open_type(struct event_type *t, const struct mr_layout *layout, const char *dir,
                                struct mr_error *err)
{
    char path[4096];
    snprintf(path, sizeof path, "%s/%s.avsc", dir, layout->name);
    mr_buf_init(&t->text, MR_SCHEMA_TEXT_MAX);
    if (read_file(path, &t->text, err) != MR_OK) {
        return MR_FAIL;
    }
    if (mr_schema_parse(mr_buf_span(&t->text), &t->schema, err) != MR_OK ||
        mr_layout_matches(layout, t->schema, err) != MR_OK ||
        mr_plan_make(layout, t->schema, t->schema, &t->own, err) != MR_OK) {
        err->class = MR_CLASS_FATAL;
        return mr_error_prefix(err, "schema %s", path);
    }
    return MR_OK;
}

enum mr_status mr_codec_open(const char *schemas_dir, const char *registry_url, struct mr_codec **out,
                             struct mr_error *err)
{
    struct mr_error own;
    *out = NULL;
    err = err ? err : &own;
    struct mr_codec *codec = calloc(1, sizeof *codec);
    if (!codec) {
        return mr_error_set(err, MR_CLASS_RETRY, 0, "out of memory for the event codec");
    }
    pthread_mutex_init(&codec->lock, NULL);
    for (int t = 0; t < MR_EVENT_TYPE_COUNT; t++) {
        if (open_type(&codec->types[t], &mr_layouts[t], schemas_dir, err) != MR_OK) {
            goto fail;
        }
    }
    if (registry_url && mr_registry_open(registry_url, &codec->registry, err) != MR_OK) {
        goto fail;
    }
    *out = codec;
    return MR_OK;
fail:
    mr_codec_close(&codec);
    return MR_FAIL;
}

static void writer_free(struct writer *w)
{
    for (int t = 0; t < MR_EVENT_TYPE_COUNT; t++) {
        mr_plan_free(&w->plans[t]);
    }
    mr_schema_free(&w->schema);
    free(w);
}

void mr_codec_close(struct mr_codec **codec)
{
    struct mr_codec *c = *codec;
    if (!c) {
        return;
    }
    for (size_t i = 0; i < BUCKETS; i++) {
        struct writer *next;
        for (struct writer *w = atomic_load(&c->buckets[i]); w; w = next) {
            next = w->next;
            writer_free(w);
        }
    }
    for (int t = 0; t < MR_EVENT_TYPE_COUNT; t++) {
        mr_plan_free(&c->types[t].own);
        mr_schema_free(&c->types[t].schema);
        mr_buf_free(&c->types[t].text);
    }
    mr_registry_close(&c->registry);
    pthread_mutex_destroy(&c->lock);
    free(c);
    *codec = NULL;
}

static const struct writer *find_writer(struct mr_codec *codec, uint32_t id)
{
    const struct writer *w = atomic_load_explicit(&codec->buckets[id % BUCKETS], memory_order_acquire);
    while (w && w->id != id) {
        w = w->next;
    }
    return w;
}

/* With the lock held. A schema that is refused is kept too, with the reason. */
static enum mr_status add_writer(struct mr_codec *codec, uint32_t id, struct mr_span text,
                                 const struct writer **out, struct mr_error *err)
{
    struct mr_error why = {0};
    struct writer *w = calloc(1, sizeof *w);
    if (!w || (mr_schema_parse(text, &w->schema, &why) != MR_OK && why.class == MR_CLASS_RETRY)) {
        free(w);
        return mr_error_set(err, MR_CLASS_RETRY, 0, "out of memory for schema %u", id);
    }
    w->id = id;
    for (int t = 0; t < MR_EVENT_TYPE_COUNT; t++) {
        w->refused[t] = why;
        if (w->schema &&
            mr_plan_make(&mr_layouts[t], codec->types[t].schema, w->schema, &w->plans[t], &w->refused[t]) !=
                MR_OK &&
            w->refused[t].class == MR_CLASS_RETRY) {
            writer_free(w);
            return mr_error_set(err, MR_CLASS_RETRY, 0, "out of memory for schema %u", id);
        }
    }
    w->next = atomic_load(&codec->buckets[id % BUCKETS]);
    atomic_store_explicit(&codec->buckets[id % BUCKETS], w, memory_order_release);
    *out = w;
    return MR_OK;
}

static enum mr_status know(struct mr_codec *codec, uint32_t id, struct mr_span text,
                           const struct writer **out, struct mr_error *err)
{
    pthread_mutex_lock(&codec->lock);
    *out = find_writer(codec, id);
    enum mr_status status = *out ? MR_OK : add_writer(codec, id, text, out, err);
    pthread_mutex_unlock(&codec->lock);
    return status;
}

enum mr_status mr_codec_know(struct mr_codec *codec, uint32_t id, const char *schema_json,
                             struct mr_error *err)
{
    const struct writer *w;
    if (know(codec, id, mr_span_of(schema_json), &w, err) != MR_OK) {
        return MR_FAIL;
    }
    if (!w->schema) {
        return mr_error_set(err, w->refused[0].class, w->refused[0].code, "%s", w->refused[0].text);
    }
    return MR_OK;
}

enum mr_status mr_codec_set_topic(struct mr_codec *codec, enum mr_event_type type, const char *topic,
                                  uint32_t id, struct mr_error *err)
{
    const struct writer *w;
    if (know(codec, id, mr_buf_span(&codec->types[type].text), &w, err) != MR_OK) {
        return MR_FAIL;
    }
    enum mr_status status = MR_OK;
    pthread_mutex_lock(&codec->lock);
    int n = atomic_load(&codec->n_topics);
    int i = 0;
    while (i < n && (codec->topics[i].type != type || strcmp(codec->topics[i].name, topic) != 0)) {
        i++;
    }
    if (i == TOPICS_MAX || strlen(topic) >= sizeof codec->topics[0].name) {
        status = mr_error_set(err, MR_CLASS_FATAL, 0, "too many topics, or too long a name: %.64s", topic);
    } else {
        strcpy(codec->topics[i].name, topic);
        codec->topics[i].type = type;
        atomic_store(&codec->topics[i].id, id);
        atomic_store(&codec->n_topics, i == n ? n + 1 : n);
    }
    pthread_mutex_unlock(&codec->lock);
    return status;
}

enum mr_status mr_codec_use_topic(struct mr_codec *codec, enum mr_event_type type, const char *topic,
                                  struct mr_error *err)
{
    struct mr_error own;
    uint32_t id;
    char subject[300];
    err = err ? err : &own;
    if (!codec->registry) {
        return mr_error_set(err, MR_CLASS_FATAL, 0, "no schema registry to look up topic %s in", topic);
    }
    snprintf(subject, sizeof subject, "%s-value", topic);
    if (mr_registry_lookup(codec->registry, subject, codec->types[type].text.data, &id, err) != MR_OK) {
        if (err->class == MR_CLASS_REJECT) {
            err->class = MR_CLASS_FATAL;
            mr_error_prefix(err, "schema %s is not registered under %s; run `mr-admin schemas apply`",
                            mr_layouts[type].name, subject);
        }
        return MR_FAIL;
    }
    return mr_codec_set_topic(codec, type, topic, id, err);
}

static enum mr_status unknown(uint32_t id, struct mr_error *err)
{
    return mr_error_set(err, MR_CLASS_REJECT, 404, "schema id %u is not known to the registry", id);
}

/* With the lock held, so that many threads that meet a new id ask once. */
static enum mr_status ask_registry(struct mr_codec *codec, uint32_t id, const struct writer **out,
                                   struct mr_error *err)
{
    int64_t now = mr_mono_ms();
    struct unknown_id *slot = &codec->unknown[id % UNKNOWN_SLOTS];
    /* Registries number schemas with positive Java ints. */
    if (!codec->registry || id > INT32_MAX || (slot->id == id && now < slot->until_ms)) {
        return unknown(id, err);
    }
    if (now < codec->away_until_ms) {
        *err = codec->away;
        return MR_FAIL;
    }
    struct mr_buf text;
    mr_buf_init(&text, 4 * MR_SCHEMA_TEXT_MAX);
    enum mr_status status = mr_registry_schema(codec->registry, id, &text, err);
    if (status == MR_OK) {
        status = add_writer(codec, id, mr_buf_span(&text), out, err);
    } else if (err->class == MR_CLASS_REJECT && err->code == 404) {
        *slot = (struct unknown_id){id, mr_mono_ms() + UNKNOWN_MS};
        unknown(id, err);
    } else if (err->class == MR_CLASS_RETRY) {
        codec->away = *err;
        codec->away_until_ms = mr_mono_ms() + AWAY_MS;
    }
    mr_buf_free(&text);
    return status;
}

static enum mr_status get_writer(struct mr_codec *codec, uint32_t id, const struct writer **out,
                                 struct mr_error *err)
{
    *out = find_writer(codec, id);
    if (*out) {
        return MR_OK;
    }
    pthread_mutex_lock(&codec->lock);
    *out = find_writer(codec, id);
    enum mr_status status = *out ? MR_OK : ask_registry(codec, id, out, err);
    pthread_mutex_unlock(&codec->lock);
    return status;
}

static enum mr_status unframe(struct mr_span bytes, uint32_t *id, struct mr_span *body, struct mr_error *err)
{
    const uint8_t *p = (const uint8_t *)bytes.p;
    if (bytes.len < FRAME_BYTES) {
        return mr_error_set(err, MR_CLASS_REJECT, 0,
                            "a value of %zu bytes has no room for the 5 bytes of its frame", bytes.len);
    }
    if (bytes.len > MR_EVENT_BYTES_MAX) {
        return mr_error_set(err, MR_CLASS_REJECT, 0, "a value of %zu bytes is over %d", bytes.len,
                            MR_EVENT_BYTES_MAX);
    }
    if (p[0] != 0) {
        return mr_error_set(err, MR_CLASS_REJECT, 0,
                            "the first byte is 0x%02x, not 0x00 as in the wire format", p[0]);
    }
    *id = (uint32_t)p[1] << 24 | (uint32_t)p[2] << 16 | (uint32_t)p[3] << 8 | p[4];
    *body = (struct mr_span){bytes.p + FRAME_BYTES, bytes.len - FRAME_BYTES};
    return MR_OK;
}

static enum mr_status decode(struct mr_codec *codec, enum mr_event_type type, struct mr_span bytes, void *e,
                             struct mr_error *err)
{
    struct mr_error own;
    uint32_t id = 0;
    struct mr_span body = {NULL, 0};
    const struct writer *w;
    err = err ? err : &own;
    if (unframe(bytes, &id, &body, err) != MR_OK || get_writer(codec, id, &w, err) != MR_OK) {
        return MR_FAIL;
    }
    if (!w->plans[type]) {
        *err = w->refused[type];
        return mr_error_prefix(err, "schema id %u", id);
    }
    return mr_plan_decode(w->plans[type], body, e, err);
}

static const struct topic *find_topic(const struct mr_codec *codec, enum mr_event_type type, const char *name)
{
    int n = atomic_load(&codec->n_topics);
    for (int i = 0; i < n; i++) {
        if (codec->topics[i].type == type && strcmp(codec->topics[i].name, name) == 0) {
            return &codec->topics[i];
        }
    }
    return NULL;
}

static enum mr_status encode(struct mr_codec *codec, enum mr_event_type type, const char *topic_name,
                             const void *e, struct mr_buf *out, struct mr_error *err)
{
    size_t before = out->len;
    const struct topic *topic = find_topic(codec, type, topic_name);
    if (!topic) {
        return mr_error_set(err, MR_CLASS_FATAL, 0, "topic %s was not looked up for %s", topic_name,
                            mr_layouts[type].name);
    }
    uint32_t id = atomic_load(&topic->id);
    const uint8_t frame[FRAME_BYTES] = {0, (uint8_t)(id >> 24), (uint8_t)(id >> 16), (uint8_t)(id >> 8),
                                        (uint8_t)id};
    enum mr_status status = mr_buf_add(out, frame, sizeof frame);
    if (status != MR_OK) {
        mr_error_set(err, MR_CLASS_REJECT, 0, "cannot encode %s: the event is too large",
                     mr_layouts[type].name);
    } else {
        status = mr_plan_encode(codec->types[type].own, e, out, err);
    }
    if (status == MR_OK && out->len - before > MR_EVENT_BYTES_MAX) {
        status = mr_error_set(err, MR_CLASS_REJECT, 0, "cannot encode %s: %zu bytes are over %d",
                              mr_layouts[type].name, out->len - before, MR_EVENT_BYTES_MAX);
    }
    if (status != MR_OK) {
        out->len = before;
    }
    return status;
}

enum mr_status mr_encode_file_uploaded(struct mr_codec *codec, const char *topic,
                                       const struct mr_file_uploaded *e, struct mr_buf *out,
                                       struct mr_error *err)
{
    return encode(codec, MR_EVENT_FILE_UPLOADED, topic, e, out, err);
}

enum mr_status mr_encode_file_processed(struct mr_codec *codec, const char *topic,
                                        const struct mr_file_processed *e, struct mr_buf *out,
                                        struct mr_error *err)
{
    return encode(codec, MR_EVENT_FILE_PROCESSED, topic, e, out, err);
}

enum mr_status mr_decode_file_uploaded(struct mr_codec *codec, struct mr_span bytes,
                                       struct mr_file_uploaded *e, struct mr_error *err)
{
    return decode(codec, MR_EVENT_FILE_UPLOADED, bytes, e, err);
}

enum mr_status mr_decode_file_processed(struct mr_codec *codec, struct mr_span bytes,
                                        struct mr_file_processed *e, struct mr_error *err)
{
    return decode(codec, MR_EVENT_FILE_PROCESSED, bytes, e, err);
}

enum mr_status mr_codec_probe(struct mr_codec *codec, struct mr_error *err)
{
    if (!codec->registry) {
        return MR_OK;
    }
    enum mr_status status = mr_registry_probe(codec->registry, err);
    if (status == MR_OK) {
        pthread_mutex_lock(&codec->lock);
        codec->away_until_ms = 0;
        pthread_mutex_unlock(&codec->lock);
    }
    return status;
}
