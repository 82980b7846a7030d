#include "admin/topics.h"

#include <stdlib.h>
#include <string.h>

#include "admin/broker.h"
#include "base/clock.h"

#define SETTLE_MS 10000 /* how long brokers may take to agree on what was just made */

struct job {
    struct mr_topics_file file;
    struct mr_broker *broker;
    struct mr_topic_spec *wrong; /* per topic of the file: the properties that are not as they should be */
    const char *
        *actual; /* wrong[i].config[k]'s value on the broker: actual[i * MAX + k], owned; NULL: none */
    size_t created, altered, differ;
    struct mr_error *err;
};

static char **actual_at(const struct job *j, size_t topic, int property)
{
    return (char **)&j->actual[topic * MR_TOPIC_PROPERTIES_MAX + (size_t)property];
}

static enum mr_status job_open(struct job *j, const struct mr_admin *a, struct mr_error *err)
{
    *j = (struct job){.err = err};
    const char *profile = mr_admin_given(a, MR_OPT_PROFILE) ? a->opt.profile : a->cfg.topics_profile;
    if (mr_topics_file_read(a->cfg.topics_file, profile, &j->file, err) != MR_OK)
        return MR_FAIL;
    j->wrong = calloc(j->file.n, sizeof(*j->wrong));
    j->actual = calloc(j->file.n * MR_TOPIC_PROPERTIES_MAX, sizeof(*j->actual));
    if (!j->wrong || !j->actual)
        abort();
    return mr_broker_open(a->cfg.brokers, &j->broker, err);
}

static void forget_actual(struct job *j)
{
    for (size_t i = 0; j->actual && i < j->file.n * MR_TOPIC_PROPERTIES_MAX; i++) {
        free((char *)j->actual[i]);
        j->actual[i] = NULL;
    }
}

static void job_close(struct job *j)
{
    mr_broker_close(&j->broker);
    forget_actual(j);
    free(j->actual);
    free(j->wrong);
    mr_topics_file_free(&j->file);
}

/* --- what differs --- */

static void on_config(void *ctx, const char *topic, const char *name, const char *value, bool is_default)
{
    struct job *j = ctx;
    (void)is_default;
    for (size_t i = 0; i < j->file.n; i++) {
        struct mr_topic_property *p;
        if (strcmp(j->file.topics[i].name, topic) != 0)
            continue;
        if ((p = mr_topic_property(&j->file.topics[i], name)))
            *actual_at(j, i, (int)(p - j->file.topics[i].config)) = strdup(value);
    }
}

/* Reads every property back; wrong[i] then holds those of topic i that are not what the file says. */
static enum mr_status compare_configs(struct job *j, const struct mr_cluster *c, size_t *n_wrong)
{
    const char **names = calloc(j->file.n, sizeof(*names));
    size_t n = 0;
    if (!names)
        abort();
    for (size_t i = 0; i < j->file.n; i++) {
        if (mr_cluster_find(c, j->file.topics[i].name))
            names[n++] = j->file.topics[i].name;
    }
    forget_actual(j);
    enum mr_status status = mr_broker_configs(j->broker, names, n, on_config, j, j->err);
    free(names);
    *n_wrong = 0;
    for (size_t i = 0; status == MR_OK && i < j->file.n; i++) {
        const struct mr_topic_spec *t = &j->file.topics[i];
        j->wrong[i] = *t;
        j->wrong[i].n_config = 0;
        for (int k = 0; mr_cluster_find(c, t->name) && k < t->n_config; k++) {
            char *value = *actual_at(j, i, k);
            if (value && strcmp(value, t->config[k].value) == 0)
                continue;
            int at = j->wrong[i].n_config++;
            j->wrong[i].config[at] = t->config[k];
            *actual_at(j, i, k) = NULL;
            free(*actual_at(j, i, at));
            *actual_at(j, i, at) = value;
            *n_wrong += 1;
        }
    }
    return status;
}

/* Partitions and replicas are given at creation; growing a keyed topic would part equal keys. */
static void report_shape(struct job *j, const struct mr_cluster *c)
{
    for (size_t i = 0; i < j->file.n; i++) {
        const struct mr_topic_spec *t = &j->file.topics[i];
        const struct mr_topic_state *is = mr_cluster_find(c, t->name);
        if (is && is->n_partitions != t->partitions) {
            printf("%s: has %d partitions, the file says %d: that would part equal keys, so it is refused; "
                   "make a new "
                   "topic and replay into it\n",
                   t->name, is->n_partitions, t->partitions);
            j->differ++;
        }
        if (is && is->replication != t->replication) {
            printf("%s: replication is %d, the file says %d: move them with the broker's own tool\n", t->name,
                   is->replication, t->replication);
            j->differ++;
        }
    }
}

static void report_properties(struct job *j)
{
    for (size_t i = 0; i < j->file.n; i++) {
        for (int k = 0; k < j->wrong[i].n_config; k++) {
            const struct mr_topic_property *p = &j->wrong[i].config[k];
            const char *value = *actual_at(j, i, k);
            printf("%s: %s should be %s, the broker %s%s%s\n", j->wrong[i].name, p->name, p->value,
                   value ? "has " : "does not know it", value ? value : "",
                   p->optional ? " (may be missing)" : "");
            j->differ += !p->optional;
        }
    }
}

/* --- making it so --- */

/* What was refused for a property the broker does not know is tried again without the optional ones. */
typedef enum mr_status (*request_fn)(struct mr_broker *b, const struct mr_topic_spec *const *topics, size_t n,
                                     bool with_optional, struct mr_broker_outcome *outcomes,
                                     struct mr_error *err);

static enum mr_status request_twice(struct job *j, request_fn request, const struct mr_topic_spec **list,
                                    size_t n, struct mr_broker_outcome *outcomes)
{
    if (n == 0)
        return MR_OK;
    if (request(j->broker, list, n, true, outcomes, j->err) != MR_OK)
        return MR_FAIL;
    for (size_t i = 0; i < n; i++) {
        if (outcomes[i].code == RD_KAFKA_RESP_ERR_INVALID_CONFIG &&
            request(j->broker, &list[i], 1, false, &outcomes[i], j->err) != MR_OK)
            return MR_FAIL;
    }
    return MR_OK;
}

static enum mr_status create_missing(struct job *j, const struct mr_cluster *c)
{
    const struct mr_topic_spec **list = calloc(j->file.n, sizeof(*list));
    struct mr_broker_outcome *outcomes = calloc(j->file.n, sizeof(*outcomes));
    size_t n = 0;
    if (!list || !outcomes)
        abort();
    for (size_t i = 0; i < j->file.n; i++) {
        if (!mr_cluster_find(c, j->file.topics[i].name))
            list[n++] = &j->file.topics[i];
    }
    enum mr_status status = request_twice(j, mr_broker_create, list, n, outcomes);
    for (size_t i = 0; status == MR_OK && i < n; i++) {
        if (outcomes[i].code && outcomes[i].code != RD_KAFKA_RESP_ERR_TOPIC_ALREADY_EXISTS) {
            printf("%s: not created: %s\n", list[i]->name, outcomes[i].text);
            j->differ++;
            continue;
        }
        if (outcomes[i].code)
            continue; /* someone else made it meanwhile */
        printf("%s: created, %d partitions, %d replica%s\n", list[i]->name, list[i]->partitions,
               list[i]->replication, list[i]->replication == 1 ? "" : "s");
        j->created++;
    }
    free(list);
    free(outcomes);
    return status;
}

static bool all_led(const struct job *j, const struct mr_cluster *c)
{
    for (size_t i = 0; i < j->file.n; i++) {
        const struct mr_topic_state *t = mr_cluster_find(c, j->file.topics[i].name);
        if (!t)
            return false;
        for (int p = 0; p < t->n_partitions; p++) {
            if (t->partitions[p].leader < 0)
                return false;
        }
    }
    return true;
}

/* Programs start right after this; they should find every partition with a leader. */
static enum mr_status await_leaders(struct job *j, struct mr_cluster *c)
{
    int64_t end = mr_mono_ms() + SETTLE_MS;
    while (!all_led(j, c) && mr_mono_ms() < end && j->differ == 0) {
        mr_sleep_ms(50);
        mr_cluster_free(c);
        if (mr_broker_cluster(j->broker, c, j->err) != MR_OK)
            return MR_FAIL;
    }
    return MR_OK;
}

static enum mr_status alter_wrong(struct job *j)
{
    const struct mr_topic_spec **list = calloc(j->file.n, sizeof(*list));
    struct mr_broker_outcome *outcomes = calloc(j->file.n, sizeof(*outcomes));
    size_t n = 0;
    if (!list || !outcomes)
        abort();
    for (size_t i = 0; i < j->file.n; i++) {
        if (j->wrong[i].n_config > 0)
            list[n++] = &j->wrong[i];
    }
    enum mr_status status = request_twice(j, mr_broker_alter, list, n, outcomes);
    for (size_t i = 0; status == MR_OK && i < n; i++) {
        if (outcomes[i].code)
            printf("%s: not altered: %s\n", list[i]->name, outcomes[i].text);
        else
            j->altered++;
    }
    free(list);
    free(outcomes);
    return status;
}

static size_t mandatory_wrong(const struct job *j)
{
    size_t n = 0;
    for (size_t i = 0; i < j->file.n; i++) {
        for (int k = 0; k < j->wrong[i].n_config; k++)
            n += !j->wrong[i].config[k].optional;
    }
    return n;
}

/* Alters what differs, then reads back until it is so or the brokers had their time. */
static enum mr_status apply_configs(struct job *j, const struct mr_cluster *c)
{
    size_t n_wrong = 0;
    if (compare_configs(j, c, &n_wrong) != MR_OK || n_wrong == 0)
        return n_wrong == 0 ? MR_OK : MR_FAIL;
    if (alter_wrong(j) != MR_OK)
        return MR_FAIL;
    int64_t end = mr_mono_ms() + SETTLE_MS / 2;
    for (;;) {
        if (compare_configs(j, c, &n_wrong) != MR_OK)
            return MR_FAIL;
        if (mandatory_wrong(j) == 0 || mr_mono_ms() >= end)
            return MR_OK;
        mr_sleep_ms(100);
    }
}

static int apply(struct job *j, struct mr_cluster *c)
{
    if (mr_broker_cluster(j->broker, c, j->err) != MR_OK || create_missing(j, c) != MR_OK)
        return MR_ADMIN_FAIL;
    if (j->created) {
        mr_cluster_free(c);
        if (mr_broker_cluster(j->broker, c, j->err) != MR_OK || await_leaders(j, c) != MR_OK)
            return MR_ADMIN_FAIL;
    }
    report_shape(j, c);
    if (apply_configs(j, c) != MR_OK)
        return MR_ADMIN_FAIL;
    report_properties(j);
    printf("%zu topics: %zu created, %zu altered, %zu difference%s left\n", j->file.n, j->created, j->altered,
           j->differ, j->differ == 1 ? "" : "s");
    return j->differ ? MR_ADMIN_DIFFERS : MR_ADMIN_OK;
}

int mr_topics_apply(struct mr_admin *a, struct mr_error *err)
{
    struct job j;
    struct mr_cluster c = {0};
    int status = job_open(&j, a, err) == MR_OK ? apply(&j, &c) : MR_ADMIN_FAIL;
    mr_cluster_free(&c);
    job_close(&j);
    return status;
}

static int check(struct job *j, struct mr_cluster *c)
{
    size_t n_wrong = 0;
    if (mr_broker_cluster(j->broker, c, j->err) != MR_OK || compare_configs(j, c, &n_wrong) != MR_OK)
        return MR_ADMIN_FAIL;
    for (size_t i = 0; i < j->file.n; i++) {
        if (!mr_cluster_find(c, j->file.topics[i].name)) {
            printf("%s: is missing\n", j->file.topics[i].name);
            j->differ++;
        }
    }
    report_shape(j, c);
    report_properties(j);
    printf("%zu topics: %zu difference%s\n", j->file.n, j->differ, j->differ == 1 ? "" : "s");
    return j->differ ? MR_ADMIN_DIFFERS : MR_ADMIN_OK;
}

int mr_topics_check(struct mr_admin *a, struct mr_error *err)
{
    struct job j;
    struct mr_cluster c = {0};
    int status = job_open(&j, a, err) == MR_OK ? check(&j, &c) : MR_ADMIN_FAIL;
    mr_cluster_free(&c);
    job_close(&j);
    return status;
}
