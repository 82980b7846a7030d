/* The table dead_letters. */
#include <stdlib.h>
#include <string.h>

#include "admin/letters.h"

const char *mr_letter_state_name(enum mr_letter_state state)
{
    static const char *const names[] = {"open", "replayed", "dropped"};
    return names[state];
}

static int order(const void *a, const void *b)
{
    const struct mr_letter_action *x = a, *y = b;
    if (x->partition != y->partition)
        return x->partition < y->partition ? -1 : 1;
    if (x->offset != y->offset)
        return x->offset < y->offset ? -1 : 1;
    return x->time_ms < y->time_ms ? -1 : x->time_ms > y->time_ms;
}

enum mr_status mr_letter_actions_read(struct mr_db *db, const char *worker, struct mr_letter_actions *out,
                                      struct mr_error *err)
{
    struct mr_db_args args;
    PGresult *res = NULL;
    *out = (struct mr_letter_actions){0};
    mr_db_args_init(&args);
    mr_db_arg_text(&args, worker);
    if (mr_db_query(db,
                    "select partition, \"offset\", record_time, action from dead_letters where worker = $1",
                    &args, &res, err) != MR_OK)
        return mr_error_prefix(err, "read what was done with dead letters");
    int n = PQntuples(res);
    out->list = calloc((size_t)n + 1, sizeof(*out->list));
    if (!out->list)
        abort();
    for (int i = 0; i < n; i++) {
        out->list[out->n++] = (struct mr_letter_action){
            .partition = (int32_t)mr_db_i64(res, i, 0),
            .offset = mr_db_i64(res, i, 1),
            .time_ms = mr_db_time(res, i, 2) / 1000,
            .state = strcmp(mr_db_text(res, i, 3), "replayed") == 0 ? MR_LETTER_REPLAYED : MR_LETTER_DROPPED,
        };
    }
    PQclear(res);
    qsort(out->list, out->n, sizeof(*out->list), order);
    return MR_OK;
}

void mr_letter_actions_free(struct mr_letter_actions *a)
{
    free(a->list);
    *a = (struct mr_letter_actions){0};
}

enum mr_letter_state mr_letter_state(const struct mr_letter_actions *a, const struct mr_dead_letter *l)
{
    struct mr_letter_action key = {l->partition, l->offset, l->time_ms, MR_LETTER_OPEN};
    const struct mr_letter_action *found = a->n ? bsearch(&key, a->list, a->n, sizeof(key), order) : NULL;
    return found ? found->state : MR_LETTER_OPEN;
}

enum mr_status mr_letter_action_write(struct mr_db *db, const struct mr_dead_letter *l,
                                      enum mr_letter_state state, struct mr_error *err)
{
    struct mr_db_args args;
    mr_db_args_init(&args);
    mr_db_arg_text(&args, l->worker);
    mr_db_arg_i32(&args, l->partition);
    mr_db_arg_i64(&args, l->offset);
    mr_db_arg_time(&args, l->time_ms * 1000);
    mr_db_arg_text(&args, mr_letter_state_name(state));
    if (mr_db_query(db,
                    "insert into dead_letters (worker, partition, \"offset\", record_time, action) values "
                    "($1, $2, $3, $4, $5) on conflict (worker, partition, \"offset\", record_time) "
                    "do update set action = excluded.action, at = now()",
                    &args, NULL, err) != MR_OK)
        return mr_error_prefix(err, "remember what was done with a dead letter");
    return MR_OK;
}
