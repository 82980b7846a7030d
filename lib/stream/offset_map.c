#include "stream/offset_map.h"

void mr_offset_map_init(struct mr_offset_map *map, int64_t start)
{
    *map = (struct mr_offset_map){.next = start < 0 ? -1 : start, .given_up = INT64_MAX};
}

int mr_offset_map_add(struct mr_offset_map *map, struct mr_offset_entry *entry, int64_t offset)
{
    if (offset < map->next) {
        return 0;
    }
    *entry = (struct mr_offset_entry){.older = map->newest, .offset = offset};
    if (map->newest) {
        map->newest->newer = entry;
    } else {
        map->oldest = entry;
    }
    map->newest = entry;
    map->next = offset + 1;
    map->n++;
    return 1;
}

void mr_offset_map_done(struct mr_offset_map *map, struct mr_offset_entry *entry)
{
    if (entry->older) {
        entry->older->newer = entry->newer;
    } else {
        map->oldest = entry->newer;
    }
    if (entry->newer) {
        entry->newer->older = entry->older;
    } else {
        map->newest = entry->older;
    }
    map->n--;
}

void mr_offset_map_give_up(struct mr_offset_map *map, struct mr_offset_entry *entry)
{
    if (entry->offset < map->given_up) {
        map->given_up = entry->offset;
    }
    mr_offset_map_done(map, entry);
}

void mr_offset_map_reached(struct mr_offset_map *map, int64_t position)
{
    if (position > map->next) {
        map->next = position;
    }
}

int64_t mr_offset_map_mark(const struct mr_offset_map *map)
{
    int64_t mark = map->oldest ? map->oldest->offset : map->next;
    return mark < map->given_up ? mark : map->given_up;
}
