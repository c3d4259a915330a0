/* SPDX-License-Identifier: MIT */
/*
 * clock.h - the two clocks: one that only runs forward, for durations, and the wall's.
 *
 * Layer: base.  Any thread.  Cost: about 22 ns a reading.  Source: clock_gettime(2).
 */
#ifndef EVENTER_BASE_CLOCK_H
#define EVENTER_BASE_CLOCK_H

#include <stdint.h>
#include <sys/time.h>
#include <time.h>

/* Where both clocks are read: clock_gettime(2), unless a simulation puts its own time in. */
struct clock_source {
    int (*gettime)(clockid_t clock, struct timespec *out);
};
extern struct clock_source clock_source __attribute__((visibility("hidden")));

#define CLOCK_NS_PER_S  UINT64_C(1000000000)
#define CLOCK_NS_PER_MS UINT64_C(1000000)
#define CLOCK_NS_PER_US UINT64_C(1000)

/* Return nanoseconds of CLOCK_MONOTONIC. */
static inline uint64_t clock_mono_ns(void)
{
    struct timespec now;
    clock_source.gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * CLOCK_NS_PER_S + (uint64_t)now.tv_nsec;
}

/* Return nanoseconds since 1970 of CLOCK_REALTIME. */
static inline uint64_t clock_wall_ns(void)
{
    struct timespec now;
    clock_source.gettime(CLOCK_REALTIME, &now);
    return (uint64_t)now.tv_sec * CLOCK_NS_PER_S + (uint64_t)now.tv_nsec;
}

/*
 * Return the duration tv in nanoseconds.  A negative one counts as 0; one past 292 years is cut
 * there, so that it may be added to any reading of a clock without overflow.
 */
static inline uint64_t clock_duration_ns(const struct timeval *tv)
{
    if ((uint64_t)tv->tv_sec <= UINT32_MAX && (uint64_t)tv->tv_usec <= UINT32_MAX) /* nearly all */
        return (uint64_t)tv->tv_sec * CLOCK_NS_PER_S + (uint64_t)tv->tv_usec * CLOCK_NS_PER_US;
    const int64_t longest_s = INT64_MAX / (int64_t)CLOCK_NS_PER_S - 1;
    const int64_t past_all_s = INT64_MAX / 2; /* no tv_usec brings it back into range */
    if (tv->tv_sec < -past_all_s || tv->tv_sec > past_all_s)
        return tv->tv_sec < 0 ? 0 : (uint64_t)longest_s * CLOCK_NS_PER_S;
    int64_t s = tv->tv_sec + tv->tv_usec / 1000000;
    int64_t us = tv->tv_usec % 1000000;
    if (us < 0) {
        us += 1000000;
        s -= 1;
    }
    if (s < 0)
        return 0;
    if (s >= longest_s)
        return (uint64_t)longest_s * CLOCK_NS_PER_S;
    return (uint64_t)s * CLOCK_NS_PER_S + (uint64_t)us * CLOCK_NS_PER_US;
}

/* Return ns as a timeval (rounded down to a microsecond). */
static inline struct timeval clock_timeval(uint64_t ns)
{
    return (struct timeval){.tv_sec = (time_t)(ns / CLOCK_NS_PER_S),
                            .tv_usec = (suseconds_t)(ns % CLOCK_NS_PER_S / CLOCK_NS_PER_US)};
}

/* Return ns as a timespec. */
static inline struct timespec clock_timespec(uint64_t ns)
{
    return (struct timespec){.tv_sec = (time_t)(ns / CLOCK_NS_PER_S),
                             .tv_nsec = (long)(ns % CLOCK_NS_PER_S)};
}

#endif
