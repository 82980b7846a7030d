/* How far a transfer is: a bar on a terminal, else a plain line now and then, drawn by a thread of its own.
 * The counters may be raised from any thread. */
#ifndef MR_CLIENT_PROGRESS_H
#define MR_CLIENT_PROGRESS_H

#include <stdint.h>

#include "client/ui.h"

struct mr_progress;

/* `doing` is "uploading" or "downloading"; it outlives the progress. */
struct mr_progress *mr_progress_start(struct mr_ui *ui, const char *doing);
void mr_progress_stop(struct mr_progress **p);

void mr_progress_expect(struct mr_progress *p, int64_t files, int64_t bytes); /* more to do than was known */
void mr_progress_moved(struct mr_progress *p, int64_t bytes);   /* negative: has to be moved again */
void mr_progress_skipped(struct mr_progress *p, int64_t bytes); /* done before: not part of the rate */
void mr_progress_file_done(struct mr_progress *p);

/* A line of at most `columns` columns. Exposed for its test. */
struct mr_progress_state {
    const char *doing;
    int64_t files, files_expected;
    int64_t bytes, bytes_expected;
    double bytes_per_second;
};
void mr_progress_format(const struct mr_progress_state *s, int columns, char *out, size_t size);

#endif
