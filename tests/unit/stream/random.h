/* Numbers for property tests: another seed every run, printed, and MR_TEST_SEED=<n> repeats one. */
#ifndef MR_TEST_RANDOM_H
#define MR_TEST_RANDOM_H

#include <inttypes.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

static uint64_t random_state;

static inline void random_seed(void)
{
    const char *given = getenv("MR_TEST_SEED");
    random_state = given ? strtoull(given, NULL, 10) : (uint64_t)time(NULL) * 1000003 + (uint64_t)clock();
    printf("MR_TEST_SEED=%" PRIu64 "\n", random_state);
}

/* splitmix64 (Vigna). */
static inline uint64_t random_next(void)
{
    uint64_t z = (random_state += UINT64_C(0x9e3779b97f4a7c15));
    z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
    return z ^ (z >> 31);
}

static inline size_t random_below(size_t n)
{
    return (size_t)(random_next() % n);
}

#endif
