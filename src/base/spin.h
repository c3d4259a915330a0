/* SPDX-License-Identifier: MIT */
/*
 * spin.h - look out for something for a moment, where a sleep and a wake would cost more.
 *
 * Layer: base.  Any thread.
 */
#ifndef EVENTER_BASE_SPIN_H
#define EVENTER_BASE_SPIN_H

#include "base/clock.h"

#include <stdbool.h>

#define SPIN_NS_MAX UINT64_C(5000)
#define SPIN_LOOKS  32 /* between two looks at the clock */

/* True if this process has one processor: who spins keeps the other from coming. */
extern bool spin_is_futile __attribute__((visibility("hidden")));

/* Tell the processor that this thread waits in a loop. */
static inline void spin_relax(void)
{
#if defined(__x86_64__)
    __builtin_ia32_pause();
#elif defined(__aarch64__)
    __asm__ volatile("isb");
#endif
}

/*
 * Return true as soon as is_there(what); false when it is SPIN_NS_MAX after since_ns (monotonic
 * clock), or at once where that is futile.
 */
static inline bool spin_until(bool (*is_there)(void *what), void *what, uint64_t since_ns)
{
    if (spin_is_futile)
        return false;
    do
        for (int i = 0; i < SPIN_LOOKS; i++) {
            if (is_there(what))
                return true;
            spin_relax();
        }
    while (clock_mono_ns() - since_ns < SPIN_NS_MAX);
    return false;
}

#endif
