/* Time. Wall time is microseconds since the Unix epoch (UTC), as Avro's timestamp-micros; durations are
 * monotonic milliseconds. Any thread may call. */
#ifndef MR_BASE_CLOCK_H
#define MR_BASE_CLOCK_H

#include <stdbool.h>
#include <stdint.h>

#define MR_RFC3339_SIZE 32

int64_t mr_wall_us(void);
int64_t mr_mono_ms(void);
int64_t mr_mono_us(void);
void mr_sleep_ms(int64_t ms);

/* "2026-01-02T03:04:05.678901Z" (RFC 3339, always UTC, always 6 digits). `out` has MR_RFC3339_SIZE bytes. */
const char *mr_rfc3339(int64_t us, char *out);
bool mr_rfc3339_parse(const char *s, int64_t *us);

/* Exponential backoff with full jitter: a value in [base/2, min(cap, base * 2^attempt)] ms; attempt from 0.
 */
int64_t mr_backoff_ms(int attempt, int64_t base_ms, int64_t cap_ms);

#endif
