/* dlq replay and drop: acting. */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "admin/database.h"
#include "admin/dlq.h"
#include "admin/dlq_open.h"
#include "admin/letter_send.h"
#include "admin/letters.h"

/* Letters taken together: sent, acknowledged, then remembered. A crash in between sends some twice, which
 * changes nothing, as every effect is idempotent. */
#define WINDOW 500

struct acting {
    const struct mr_admin *admin;
    struct mr_db *db;
    struct mr_letter_sender *sender; /* NULL: drop */
    struct mr_letter_actions actions;
    bool one; /* a single letter was named */
    struct mr_dead_letter window[WINDOW];
    size_t n;
    size_t done, skipped, refused;
};

static enum mr_status remember_window(struct acting *a, struct mr_error *err)
{
    enum mr_status status = mr_db_begin(a->db, err);
    for (size_t i = 0; i < a->n && status == MR_OK; i++)
        status = mr_letter_action_write(a->db, &a->window[i],
                                        a->sender ? MR_LETTER_REPLAYED : MR_LETTER_DROPPED, err);
    if (status == MR_OK)
        status = mr_db_commit(a->db, err);
    if (status != MR_OK)
        mr_db_rollback(a->db);
    return status;
}

static void forget_window(struct acting *a)
{
    for (size_t i = 0; i < a->n; i++)
        mr_letter_free(&a->window[i]);
    a->n = 0;
}

static enum mr_status finish_window(struct acting *a, struct mr_error *err)
{
    enum mr_status status = MR_OK;
    if (a->n == 0)
        return MR_OK;
    if (a->sender)
        status = mr_letter_send(a->sender, a->window, a->n, err);
    if (status == MR_OK)
        status = remember_window(a, err);
    if (status == MR_OK)
        a->done += a->n;
    forget_window(a);
    return status;
}

static enum mr_status on_letter(void *ctx, const struct mr_dead_letter *l, struct mr_error *err)
{
    struct acting *a = ctx;
    enum mr_letter_state state = mr_letter_state(&a->actions, l);
    const char *why = a->sender ? mr_letter_unsendable(l) : NULL;
    if (state != MR_LETTER_OPEN && !(a->one && mr_admin_given(a->admin, MR_OPT_YES))) {
        a->skipped++;
        if (a->one)
            printf("%s %d/%" PRId64 " was %s already; --yes does it all the same\n", l->worker, l->partition,
                   l->offset, mr_letter_state_name(state));
        return MR_OK;
    }
    if (why) {
        printf("%s %d/%" PRId64 " cannot be replayed: %s\n", l->worker, l->partition, l->offset, why);
        a->refused++;
        return MR_OK;
    }
    a->window[a->n++] = mr_letter_copy(l);
    return a->n == WINDOW ? finish_window(a, err) : MR_OK;
}

static int parse_range(struct mr_admin *a, struct mr_letter_range *range, struct mr_error *err)
{
    bool all = mr_admin_given(a, MR_OPT_ALL);
    bool one = mr_admin_given(a, MR_OPT_PARTITION) && mr_admin_given(a, MR_OPT_OFFSET);
    int64_t partition = -1, offset = 0;
    if (all == one || (all && (mr_admin_given(a, MR_OPT_PARTITION) || mr_admin_given(a, MR_OPT_OFFSET)))) {
        mr_error_set(err, MR_CLASS_REJECT, 0, "which ones? --partition P --offset O, or --all");
        return MR_ADMIN_MISUSE;
    }
    if (one && (mr_admin_number(a->opt.partition, "a partition", 0, INT32_MAX, &partition, err) != MR_OK ||
                mr_admin_number(a->opt.offset, "an offset", 0, INT64_MAX, &offset, err) != MR_OK))
        return MR_ADMIN_MISUSE;
    *range = (struct mr_letter_range){a->args[0], (int32_t)partition, offset};
    return MR_ADMIN_RUN;
}

static enum mr_status act_on(struct mr_admin *a, struct acting *acting, const struct mr_letter_range *range,
                             const struct mr_cluster *c, struct mr_error *err)
{
    size_t n = 0;
    if (mr_letter_actions_read(acting->db, range->worker, &acting->actions, err) != MR_OK)
        return MR_FAIL;
    enum mr_status status = mr_letters_read(a->cfg.brokers, c, range, on_letter, acting, &n, err);
    if (status == MR_OK)
        status = finish_window(acting, err);
    forget_window(acting);
    if (status == MR_OK && acting->one && n == 0)
        return mr_error_set(err, MR_CLASS_REJECT, 0, "dlq.%s has no record %d/%" PRId64, range->worker,
                            range->partition, range->offset);
    return status;
}

static int act(struct mr_admin *a, bool replay, struct mr_error *err)
{
    struct mr_admin_db d = {0};
    struct mr_broker *broker = NULL;
    struct mr_cluster c = {0};
    struct mr_letter_range range;
    struct acting *acting;
    int usage = parse_range(a, &range, err);
    if (usage != MR_ADMIN_RUN)
        return usage;
    acting = calloc(1, sizeof(*acting));
    if (!acting)
        abort();
    enum mr_status status = mr_dlq_open(a, &d, &broker, &c, err);
    acting->admin = a;
    acting->db = d.db;
    acting->one = range.partition >= 0;
    if (status == MR_OK && replay)
        status = mr_letter_sender_open(a->cfg.brokers, range.worker, &c, &acting->sender, err);
    if (status == MR_OK)
        status = act_on(a, acting, &range, &c, err);
    if (acting->done > 0 || status == MR_OK)
        printf("%s: %zu %s\n", range.worker, acting->done, replay ? "replayed" : "dropped");
    size_t left = acting->refused + (acting->one ? acting->skipped : 0);
    mr_letter_sender_close(&acting->sender);
    mr_letter_actions_free(&acting->actions);
    free(acting);
    mr_cluster_free(&c);
    mr_broker_close(&broker);
    mr_admin_db_close(&d);
    if (status != MR_OK)
        return MR_ADMIN_FAIL;
    return left ? MR_ADMIN_DIFFERS : MR_ADMIN_OK;
}

int mr_dlq_replay(struct mr_admin *a, struct mr_error *err)
{
    return act(a, true, err);
}

int mr_dlq_drop(struct mr_admin *a, struct mr_error *err)
{
    if (!mr_admin_given(a, MR_OPT_YES)) {
        mr_error_set(err, MR_CLASS_REJECT, 0, "dropped letters are not listed any more; say --yes to do it");
        return MR_ADMIN_MISUSE;
    }
    return act(a, false, err);
}
