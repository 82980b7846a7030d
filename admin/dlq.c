/* dlq list and show: looking. */
#include "admin/dlq.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "admin/dlq_open.h"
#include "admin/letter_view.h"
#include "admin/letters.h"
#include "admin/table.h"
#include "base/clock.h"

static const char *const worker_columns[] = {"worker", "open", "replayed", "dropped"};
static const char *const letter_columns[] = {
    "worker",           "partition",     "offset",   "state", "key",   "source_topic",
    "source_partition", "source_offset", "attempts", "time",  "reason"};

/* A list in the making. */
struct listing {
    struct mr_letter_actions actions; /* of the worker under way */
    int64_t count[3];
    bool all;
    struct mr_table workers, letters;
};

/* A header that should be a number is shown as one. */
static void cell(struct mr_table *t, struct mr_span s)
{
    if (s.p)
        mr_table_bytes(t, s.p, s.len);
    else
        mr_table_null(t);
}

static void number_cell(struct mr_table *t, struct mr_span s)
{
    char text[24] = "";
    int64_t v;
    if (s.p && s.len < sizeof(text))
        memcpy(text, s.p, s.len);
    if (*text && mr_admin_number(text, "a number", INT64_MIN, INT64_MAX, &v, NULL) == MR_OK)
        mr_table_int(t, v);
    else
        cell(t, s);
}

static enum mr_status on_letter(void *ctx, const struct mr_dead_letter *l, struct mr_error *err)
{
    (void)err;
    struct listing *list = ctx;
    char time[MR_RFC3339_SIZE];
    enum mr_letter_state state = mr_letter_state(&list->actions, l);
    list->count[state]++;
    if (state != MR_LETTER_OPEN && !list->all)
        return MR_OK;
    struct mr_table *t = &list->letters;
    mr_table_row(t);
    mr_table_text(t, l->worker);
    mr_table_int(t, l->partition);
    mr_table_int(t, l->offset);
    mr_table_text(t, mr_letter_state_name(state));
    cell(t, l->key);
    cell(t, l->source_topic);
    number_cell(t, l->source_partition);
    number_cell(t, l->source_offset);
    number_cell(t, l->attempts);
    mr_table_text(t, mr_rfc3339(l->time_ms * 1000, time));
    cell(t, l->reason);
    return MR_OK;
}

static enum mr_status list_worker(const struct mr_admin *a, struct listing *list, const struct mr_cluster *c,
                                  struct mr_db *db, const char *worker, struct mr_error *err)
{
    size_t n;
    const struct mr_letter_range range = {worker, -1, 0};
    memset(list->count, 0, sizeof(list->count));
    if (mr_letter_actions_read(db, worker, &list->actions, err) != MR_OK)
        return MR_FAIL;
    enum mr_status status = mr_letters_read(a->cfg.brokers, c, &range, on_letter, list, &n, err);
    mr_letter_actions_free(&list->actions);
    mr_table_row(&list->workers);
    mr_table_text(&list->workers, worker);
    for (int i = 0; i < 3; i++)
        mr_table_int(&list->workers, list->count[i]);
    return status;
}

static enum mr_status list_workers(const struct mr_admin *a, struct listing *list, const struct mr_cluster *c,
                                   struct mr_db *db, struct mr_error *err)
{
    if (mr_admin_given(a, MR_OPT_WORKER))
        return list_worker(a, list, c, db, a->opt.worker, err);
    for (size_t i = 0; i < c->n; i++) {
        if (strncmp(c->topics[i].name, "dlq.", 4) == 0 &&
            list_worker(a, list, c, db, c->topics[i].name + 4, err) != MR_OK)
            return MR_FAIL;
    }
    return MR_OK;
}

static void print_listing(const struct mr_admin *a, const struct listing *list)
{
    if (mr_admin_given(a, MR_OPT_JSON)) {
        json_t *all = json_object();
        json_object_set_new(all, "workers", mr_table_json(&list->workers));
        json_object_set_new(all, "letters", mr_table_json(&list->letters));
        json_dumpf(all, stdout, JSON_INDENT(2));
        putchar('\n');
        json_decref(all);
        return;
    }
    mr_table_print(&list->workers, stdout);
    if (json_array_size(list->letters.rows) > 0) {
        putchar('\n');
        mr_table_print(&list->letters, stdout);
    }
}

enum mr_status mr_dlq_open(const struct mr_admin *a, struct mr_admin_db *d, struct mr_broker **broker,
                           struct mr_cluster *c, struct mr_error *err)
{
    *c = (struct mr_cluster){0};
    *broker = NULL;
    if (mr_admin_db_open(a, d, err) != MR_OK || mr_broker_open(a->cfg.brokers, broker, err) != MR_OK ||
        mr_broker_cluster(*broker, c, err) != MR_OK)
        return MR_FAIL;
    return mr_broker_watermarks(*broker, c, err);
}

int mr_dlq_list(struct mr_admin *a, struct mr_error *err)
{
    struct mr_admin_db d;
    struct mr_broker *broker;
    struct mr_cluster c;
    struct listing list = {.all = mr_admin_given(a, MR_OPT_ALL)};
    int status = MR_ADMIN_FAIL;
    mr_table_init(&list.workers, worker_columns, sizeof(worker_columns) / sizeof(worker_columns[0]));
    mr_table_init(&list.letters, letter_columns, sizeof(letter_columns) / sizeof(letter_columns[0]));
    if (mr_dlq_open(a, &d, &broker, &c, err) == MR_OK && list_workers(a, &list, &c, d.db, err) == MR_OK) {
        print_listing(a, &list);
        status = MR_ADMIN_OK;
    }
    mr_table_free(&list.workers);
    mr_table_free(&list.letters);
    mr_cluster_free(&c);
    mr_broker_close(&broker);
    mr_admin_db_close(&d);
    return status;
}

struct showing {
    const struct mr_admin *admin;
    struct mr_letter_actions actions;
};

static enum mr_status on_show(void *ctx, const struct mr_dead_letter *l, struct mr_error *err)
{
    (void)err;
    struct showing *s = ctx;
    mr_letter_view(s->admin, l, mr_letter_state(&s->actions, l), stdout);
    return MR_OK;
}

int mr_dlq_show(struct mr_admin *a, struct mr_error *err)
{
    struct mr_admin_db d = {0};
    struct mr_broker *broker = NULL;
    struct mr_cluster c = {0};
    struct showing s = {.admin = a};
    int64_t partition, offset;
    size_t n = 0;
    if (mr_admin_number(a->args[1], "a partition", 0, INT32_MAX, &partition, err) != MR_OK ||
        mr_admin_number(a->args[2], "an offset", 0, INT64_MAX, &offset, err) != MR_OK)
        return MR_ADMIN_MISUSE;
    const struct mr_letter_range range = {a->args[0], (int32_t)partition, offset};
    enum mr_status status = mr_dlq_open(a, &d, &broker, &c, err);
    if (status == MR_OK)
        status = mr_letter_actions_read(d.db, range.worker, &s.actions, err);
    if (status == MR_OK)
        status = mr_letters_read(a->cfg.brokers, &c, &range, on_show, &s, &n, err);
    if (status == MR_OK && n == 0)
        status = mr_error_set(err, MR_CLASS_REJECT, 0, "dlq.%s has no record %" PRId64 "/%" PRId64,
                              range.worker, partition, offset);
    mr_letter_actions_free(&s.actions);
    mr_cluster_free(&c);
    mr_broker_close(&broker);
    mr_admin_db_close(&d);
    return status == MR_OK ? MR_ADMIN_OK : MR_ADMIN_FAIL;
}
