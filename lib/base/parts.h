/* Part arithmetic of uploads: it depends on the file's size only, so that every program, the client too,
 * agrees on where a part begins and what a file's content hash (SHA-256 over its parts' SHA-256s in order)
 * is. */
#ifndef MR_BASE_PARTS_H
#define MR_BASE_PARTS_H

#include <stdint.h>

#define MR_PART_SIZE_MIN (8LL << 20)
#define MR_PARTS_MAX     10000

/* 8 MiB, doubled until there are at most 10,000 parts. */
int64_t mr_part_size(int64_t size);

/* At least one: a file of 0 bytes is one empty part. */
int mr_part_count(int64_t size);

/* Size and offset of part `number` (from 1 to mr_part_count(size)). */
int64_t mr_part_length(int64_t size, int number);
int64_t mr_part_offset(int64_t size, int number);

#endif
