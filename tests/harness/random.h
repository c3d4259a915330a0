/* SPDX-License-Identifier: MIT */
/*
 * random.h - pseudo-random numbers that can be had again.
 */
#ifndef EVENTER_TESTS_RANDOM_H
#define EVENTER_TESTS_RANDOM_H

#include "harness.h"

#include <stdlib.h>
#include <time.h>

/* Return the next number after *seed, which is not 0 (xorshift, Marsaglia 2003). */
static inline uint32_t random_next(uint32_t *seed)
{
    *seed ^= *seed << 13;
    *seed ^= *seed >> 17;
    *seed ^= *seed << 5;
    return *seed;
}

/* Return a number in [0, bound). */
static inline uint32_t random_below(uint32_t *seed, uint32_t bound)
{
    return random_next(seed) % bound;
}

/*
 * Return a seed that is new each time and is printed, or the one that the environment's
 * RANDOM_SEED gives.
 */
static inline uint32_t random_seed(void)
{
    const char *given = getenv("RANDOM_SEED");
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    uint32_t seed = (uint32_t)now.tv_nsec ^ (uint32_t)now.tv_sec;
    if (given != NULL)
        seed = (uint32_t)strtoul(given, NULL, 10);
    seed += seed == 0;
    print_message("RANDOM_SEED=%u\n", seed);
    return seed;
}

#endif
