/* topics describe: what is on the broker, and how far the groups are. */
#include <stdlib.h>
#include <string.h>

#include "admin/broker.h"
#include "admin/table.h"
#include "admin/topics.h"
#include "base/buf.h"

#define GROUP_PREFIX "millrace."

static const char *const topic_columns[] = {"topic", "partitions", "replication", "records", "config"};
static const char *const partition_columns[] = {"topic", "partition", "leader", "first_offset", "end_offset"};
static const char *const group_columns[] = {"group",     "state",      "topic", "partition",
                                            "committed", "end_offset", "lag"};

struct view {
    struct mr_broker *broker;
    struct mr_cluster cluster;
    struct mr_buf *configs; /* per topic: what was set on it */
    struct mr_table topics, partitions, groups;
    struct {
        char *name, *state;
    } known[256];
    size_t n_known;
};

static void on_config(void *ctx, const char *topic, const char *name, const char *value, bool is_default)
{
    struct view *v = ctx;
    struct mr_topic_state *t = mr_cluster_find(&v->cluster, topic);
    if (!t || is_default)
        return;
    struct mr_buf *b = &v->configs[t - v->cluster.topics];
    mr_buf_printf(b, "%s%s=%s", b->len ? " " : "", name, value);
}

static bool wanted(const struct mr_admin *a, const char *topic)
{
    for (int i = 0; i < a->n_args; i++) {
        if (strcmp(a->args[i], topic) == 0)
            return true;
    }
    return a->n_args == 0;
}

static void fill_topics(const struct mr_admin *a, struct view *v)
{
    for (size_t i = 0; i < v->cluster.n; i++) {
        const struct mr_topic_state *t = &v->cluster.topics[i];
        int64_t records = 0;
        if (!wanted(a, t->name))
            continue;
        for (int p = 0; p < t->n_partitions; p++) {
            const struct mr_partition_state *s = &t->partitions[p];
            records += s->high - s->low;
            mr_table_row(&v->partitions);
            mr_table_text(&v->partitions, t->name);
            mr_table_int(&v->partitions, p);
            mr_table_int(&v->partitions, s->leader);
            mr_table_int(&v->partitions, s->low);
            mr_table_int(&v->partitions, s->high);
        }
        mr_table_row(&v->topics);
        mr_table_text(&v->topics, t->name);
        mr_table_int(&v->topics, t->n_partitions);
        mr_table_int(&v->topics, t->replication);
        mr_table_int(&v->topics, records);
        mr_table_text(&v->topics, v->configs[i].len ? v->configs[i].data : "");
    }
}

struct commits {
    const struct mr_admin *admin;
    struct view *view;
    const char *state;
};

static void on_commit(void *ctx, const char *group, const char *topic, int32_t partition, int64_t offset)
{
    struct commits *c = ctx;
    struct mr_table *g = &c->view->groups;
    const struct mr_topic_state *t = mr_cluster_find(&c->view->cluster, topic);
    if (!t || partition < 0 || partition >= t->n_partitions || !wanted(c->admin, topic))
        return;
    const struct mr_partition_state *s = &t->partitions[partition];
    mr_table_row(g);
    mr_table_text(g, group);
    mr_table_text(g, c->state);
    mr_table_text(g, topic);
    mr_table_int(g, partition);
    mr_table_int(g, offset);
    mr_table_int(g, s->high);
    mr_table_int(g, s->high - (offset > s->low ? offset : s->low));
}

static void on_group(void *ctx, const char *group, const char *state)
{
    struct view *v = ctx;
    if (strncmp(group, GROUP_PREFIX, strlen(GROUP_PREFIX)) != 0 ||
        v->n_known == sizeof(v->known) / sizeof(v->known[0]))
        return;
    v->known[v->n_known].name = strdup(group);
    v->known[v->n_known].state = strdup(state);
    v->n_known++;
}

static enum mr_status read_all(const struct mr_admin *a, struct view *v, struct mr_error *err)
{
    if (mr_broker_cluster(v->broker, &v->cluster, err) != MR_OK ||
        mr_broker_watermarks(v->broker, &v->cluster, err) != MR_OK)
        return MR_FAIL;
    const char **names = calloc(v->cluster.n + 1, sizeof(*names));
    v->configs = calloc(v->cluster.n + 1, sizeof(*v->configs));
    if (!names || !v->configs)
        abort();
    for (size_t i = 0; i < v->cluster.n; i++) {
        names[i] = v->cluster.topics[i].name;
        mr_buf_init(&v->configs[i], 65536);
    }
    enum mr_status status = mr_broker_configs(v->broker, names, v->cluster.n, on_config, v, err);
    free(names);
    if (status != MR_OK || mr_broker_groups(v->broker, on_group, v, err) != MR_OK)
        return MR_FAIL;
    fill_topics(a, v);
    for (size_t i = 0; i < v->n_known; i++) {
        struct commits c = {a, v, v->known[i].state};
        if (mr_broker_group_commits(v->broker, v->known[i].name, on_commit, &c, err) != MR_OK)
            return MR_FAIL;
    }
    return MR_OK;
}

static void print(const struct mr_admin *a, const struct view *v)
{
    if (mr_admin_given(a, MR_OPT_JSON)) {
        json_t *all = json_object();
        json_object_set_new(all, "topics", mr_table_json(&v->topics));
        json_object_set_new(all, "partitions", mr_table_json(&v->partitions));
        json_object_set_new(all, "groups", mr_table_json(&v->groups));
        json_dumpf(all, stdout, JSON_INDENT(2));
        putchar('\n');
        json_decref(all);
        return;
    }
    mr_table_print(&v->topics, stdout);
    putchar('\n');
    mr_table_print(&v->partitions, stdout);
    putchar('\n');
    mr_table_print(&v->groups, stdout);
}

static void view_free(struct view *v)
{
    mr_broker_close(&v->broker);
    for (size_t i = 0; v->configs && i < v->cluster.n; i++)
        mr_buf_free(&v->configs[i]);
    free(v->configs);
    mr_cluster_free(&v->cluster);
    for (size_t i = 0; i < v->n_known; i++) {
        free(v->known[i].name);
        free(v->known[i].state);
    }
    mr_table_free(&v->topics);
    mr_table_free(&v->partitions);
    mr_table_free(&v->groups);
}

int mr_topics_describe(struct mr_admin *a, struct mr_error *err)
{
    struct view v = {0};
    mr_table_init(&v.topics, topic_columns, 5);
    mr_table_init(&v.partitions, partition_columns, 5);
    mr_table_init(&v.groups, group_columns, 7);
    int status = MR_ADMIN_FAIL;
    if (mr_broker_open(a->cfg.brokers, &v.broker, err) == MR_OK && read_all(a, &v, err) == MR_OK) {
        print(a, &v);
        status = MR_ADMIN_OK;
    }
    for (int i = 0; status == MR_ADMIN_OK && i < a->n_args; i++) {
        if (mr_cluster_find(&v.cluster, a->args[i]))
            continue;
        fprintf(stderr, "mr-admin topics describe: there is no topic %s\n", a->args[i]);
        status = MR_ADMIN_DIFFERS;
    }
    view_free(&v);
    return status;
}
