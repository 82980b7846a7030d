#include "stream/internal.h"

#include <stdlib.h>

void mr_part_free_if_unused(struct mr_part *part)
{
    if (atomic_load(&part->gone) && part->items == 0) {
        free(part);
    }
}

static void leave(struct mr_consumer *c, struct mr_item *item)
{
    struct mr_part *part = item->part;
    mr_lanes_remove(&c->lanes, item, c->now_ms);
    c->inflight--;
    c->inflight_bytes -= item->size;
    part->items--;
    mr_item_recycle(&c->pool, item);
    mr_part_free_if_unused(part);
}

void mr_flight_out(struct mr_consumer *c, struct mr_item *item)
{
    item->part->out++;
    c->out++;
}

static void in_again(struct mr_consumer *c, struct mr_item *item)
{
    item->part->out--;
    c->out--;
}

void mr_flight_back(struct mr_consumer *c, struct mr_item *item)
{
    in_again(c, item);
    item->letter = MR_LETTER_NONE;
    if (c->stopping || item->part->closing) {
        mr_offset_map_give_up(&item->part->map, &item->entry);
        leave(c, item);
        return;
    }
    if (item->not_before_ms > c->now_ms) {
        item->parked_ms = item->parked_ms ? item->parked_ms : c->now_ms;
        mr_item_detach(item);
    }
    mr_lanes_put_back(&c->lanes, item, c->now_ms);
}

void mr_flight_done(struct mr_consumer *c, struct mr_item *item)
{
    in_again(c, item);
    mr_offset_map_done(&item->part->map, &item->entry);
    item->part->done++;
    leave(c, item);
}

static void purge_part(struct mr_consumer *c, struct mr_part *part)
{
    struct mr_offset_entry *newer;
    for (struct mr_offset_entry *e = part->map.oldest; e; e = newer) {
        struct mr_item *item = mr_item_of(e);
        newer = e->newer;
        if (!item->out) {
            mr_offset_map_give_up(&part->map, e);
            leave(c, item);
        }
    }
}

void mr_flight_purge(struct mr_consumer *c, struct mr_part *part)
{
    if (part) {
        purge_part(c, part);
        return;
    }
    for (size_t i = 0; i < c->n_parts; i++) {
        purge_part(c, c->parts[i]);
    }
}
