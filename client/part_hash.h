/* SHA-256 of ranges of a file, read once where they fit into memory. */
#ifndef MR_CLIENT_PART_HASH_H
#define MR_CLIENT_PART_HASH_H

#include <stdint.h>

#include "base/digest.h"
#include "base/error.h"

/* Hashes n bytes at offset; `keep` (NULL: not) gets them too. REJECT EIO when the file ends before. */
enum mr_status mr_hash_range(int fd, int64_t offset, int64_t n, char *keep, uint8_t out[MR_SHA256_SIZE],
                             struct mr_error *err);

/* Reads exactly n bytes; false when the file ends before or cannot be read. */
bool mr_read_range(int fd, int64_t offset, void *buf, size_t n);

/* The content hash of a file of this size. */
enum mr_status mr_hash_file(int fd, int64_t size, uint8_t out[MR_SHA256_SIZE], struct mr_error *err);

/* A file's content hash from the hashes of all its parts, in order. */
void mr_content_hash(const uint8_t (*parts)[MR_SHA256_SIZE], int n, uint8_t out[MR_SHA256_SIZE]);

#endif
