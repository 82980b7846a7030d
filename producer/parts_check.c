#include "producer/assemble.h"

static void note(int *list, int *n, int *total, int number)
{
    if (*n < MR_MISSING_MAX)
        list[(*n)++] = number;
    (*total)++;
}

static void missing(struct mr_assembly *a, int from, int before)
{
    for (int number = from; number < before; number++)
        note(a->missing, &a->n_missing, &a->total_missing, number);
}

bool mr_parts_whole(const struct mr_session *s, const struct mr_part *parts, int n, struct mr_assembly *out)
{
    out->n_missing = out->n_wrong = out->total_missing = out->total_wrong = 0;
    int next = 1;
    for (int i = 0; i < n; i++) {
        const struct mr_part *p = &parts[i];
        bool past = p->number > s->part_count;
        missing(out, next, past ? s->part_count + 1 : p->number);
        next = past ? s->part_count + 1 : p->number + 1;
        if (past || !p->has_sha256 || p->size != mr_part_length(s->size, p->number))
            note(out->wrong, &out->n_wrong, &out->total_wrong, p->number);
    }
    missing(out, next, s->part_count + 1);
    return out->total_missing == 0 && out->total_wrong == 0;
}
