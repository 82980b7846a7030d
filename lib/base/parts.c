#include "base/parts.h"

int64_t mr_part_size(int64_t size)
{
    int64_t part = MR_PART_SIZE_MIN;
    /* Divided, not multiplied: a size near INT64_MAX must not overflow. */
    while (size / MR_PARTS_MAX > part || (size / MR_PARTS_MAX == part && size % MR_PARTS_MAX != 0))
        part *= 2;
    return part;
}

int mr_part_count(int64_t size)
{
    if (size <= 0)
        return 1;
    return (int)((size - 1) / mr_part_size(size) + 1);
}

int64_t mr_part_offset(int64_t size, int number)
{
    return (number - 1) * mr_part_size(size);
}

int64_t mr_part_length(int64_t size, int number)
{
    int64_t left = size - mr_part_offset(size, number);
    int64_t part = mr_part_size(size);
    return left < part ? left : part;
}
