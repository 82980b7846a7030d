/* The set of statements a connection has prepared. */
#include <stdlib.h>

#include "db/connection.h"

#define FIRST_SLOTS 32

static size_t slot_of(const struct mr_db_names *s, uint64_t name)
{
    size_t i = (size_t)name & (s->cap - 1);
    while (s->slots[i] != 0 && s->slots[i] != name)
        i = (i + 1) & (s->cap - 1);
    return i;
}

bool mr_db_names_has(const struct mr_db_names *s, uint64_t name)
{
    return s->cap > 0 && s->slots[slot_of(s, name)] == name;
}

static bool grow(struct mr_db_names *s)
{
    struct mr_db_names bigger = {.cap = s->cap ? s->cap * 2 : FIRST_SLOTS, .n = s->n};
    bigger.slots = calloc(bigger.cap, sizeof(*bigger.slots));
    if (!bigger.slots)
        return false;
    for (size_t i = 0; i < s->cap; i++) {
        if (s->slots[i] != 0)
            bigger.slots[slot_of(&bigger, s->slots[i])] = s->slots[i];
    }
    free(s->slots);
    *s = bigger;
    return true;
}

bool mr_db_names_add(struct mr_db_names *s, uint64_t name)
{
    if (mr_db_names_has(s, name))
        return true;
    if ((s->n + 1) * 2 > s->cap && !grow(s))
        return false;
    s->slots[slot_of(s, name)] = name;
    s->n++;
    return true;
}
