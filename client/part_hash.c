#include "client/part_hash.h"

#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/parts.h"
#include "base/stop.h"
#include "client/exit_code.h"

/* Small enough to be hashed while still in the processor's cache. */
#define SLICE (256 << 10)

bool mr_read_range(int fd, int64_t offset, void *buf, size_t n)
{
    char *p = buf;
    while (n > 0) {
        ssize_t got = pread(fd, p, n, offset);
        if (got < 0 && errno == EINTR)
            continue;
        if (got <= 0)
            return false;
        p += got;
        offset += got;
        n -= (size_t)got;
    }
    return true;
}

static enum mr_status hash_slices(int fd, int64_t offset, int64_t n, char *keep, char *slice,
                                  struct mr_sha256 *sha, struct mr_error *err)
{
    for (int64_t done = 0; done < n;) {
        size_t want = n - done < SLICE ? (size_t)(n - done) : SLICE;
        char *to = keep ? keep + done : slice;
        errno = 0;
        if (!mr_read_range(fd, offset + done, to, want))
            return mr_error_set(err, MR_CLASS_REJECT, EIO, "reading the file at byte %lld failed: %s",
                                (long long)(offset + done),
                                errno ? "input/output error" : "it has become shorter");
        if (mr_stop_requested())
            return mr_error_interrupted(err);
        mr_sha256_update(sha, to, want);
        done += (int64_t)want;
    }
    return MR_OK;
}

enum mr_status mr_hash_range(int fd, int64_t offset, int64_t n, char *keep, uint8_t out[MR_SHA256_SIZE],
                             struct mr_error *err)
{
    char *slice = keep ? NULL : malloc(SLICE);
    if (!keep && !slice)
        abort();
    struct mr_sha256 *sha = mr_sha256_start();
    enum mr_status status = hash_slices(fd, offset, n, keep, slice, sha, err);
    mr_sha256_finish(&sha, out);
    free(slice);
    return status;
}

void mr_content_hash(const uint8_t (*parts)[MR_SHA256_SIZE], int n, uint8_t out[MR_SHA256_SIZE])
{
    mr_sha256(parts, (size_t)n * MR_SHA256_SIZE, out);
}

enum mr_status mr_hash_file(int fd, int64_t size, uint8_t out[MR_SHA256_SIZE], struct mr_error *err)
{
    int parts = mr_part_count(size);
    enum mr_status status = MR_OK;
    uint8_t(*hashes)[MR_SHA256_SIZE] = calloc((size_t)parts, sizeof(*hashes));
    if (!hashes)
        abort();
    for (int n = 1; status == MR_OK && n <= parts; n++)
        status =
            mr_hash_range(fd, mr_part_offset(size, n), mr_part_length(size, n), NULL, hashes[n - 1], err);
    mr_content_hash((const uint8_t(*)[MR_SHA256_SIZE])hashes, parts, out);
    free(hashes);
    return status;
}
