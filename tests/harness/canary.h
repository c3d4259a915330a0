/* SPDX-License-Identifier: MIT */
/*
 * canary.h - frames whose locals tell whether somebody has written to them.
 */
#ifndef EVENTER_TESTS_CANARY_H
#define EVENTER_TESTS_CANARY_H

#include <stdint.h>

#define CANARY_COUNT 24 /* words in each frame */

/*
 * Call fn(closure) with depth more frames above it than this one, which all hold what follows from
 * seed.  Returns how many of their words have changed meanwhile.
 */
static __attribute__((noinline, unused)) unsigned
canary_call(unsigned depth, uint32_t seed, void (*fn)(void *closure), void *closure)
{
    volatile uint32_t words[CANARY_COUNT];
    unsigned broken = 0;
    for (uint32_t i = 0; i < CANARY_COUNT; i++)
        words[i] = seed + i * (depth + 1);
    if (depth == 0)
        fn(closure);
    else
        broken = canary_call(depth - 1, seed * 31 + 1, fn, closure);
    for (uint32_t i = 0; i < CANARY_COUNT; i++)
        broken += words[i] != seed + i * (depth + 1);
    return broken;
}

#endif
