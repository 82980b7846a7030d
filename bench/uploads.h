/* The n-th FileUploaded of a benchmark: always the same, ids as the programs make them (file_id in order of
 * time). */
#ifndef MR_BENCH_UPLOADS_H
#define MR_BENCH_UPLOADS_H

#include "event/event.h"

struct bench_upload {
    struct mr_file_uploaded event;
    char path[96], key[96], etag[48];
};

void bench_upload_make(uint64_t n, struct bench_upload *out);

/* A whole number from 1, or the program ends with a line that names `what`. */
uint64_t bench_count(const char *text, const char *what);

#endif
