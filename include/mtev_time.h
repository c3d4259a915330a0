/* SPDX-License-Identifier: MIT */
/*
 * mtev_time.h - the clocks: one that only runs forward, for durations, and the wall's.
 *
 * Any thread; nothing here yields or fails.  Cost: about 25 ns a reading, without a system call
 * where the kernel gives the clock to processes (vdso(7)).  The clocks are the kernel's own, so
 * there is nothing to calibrate: see mtev_time(3) for the calls about processor counters.
 */
#ifndef MTEV_TIME_H
#define MTEV_TIME_H

#include <mtev_defines.h>

#include <time.h>

MTEV_BEGIN_DECLS

/* Return nanoseconds of the clock that only runs forward (CLOCK_MONOTONIC); both are the same. */
API_EXPORT(mtev_hrtime_t) mtev_gethrtime(void);
API_EXPORT(mtev_hrtime_t) mtev_sys_gethrtime(void);

/* Return the wall clock: nanoseconds, microseconds, milliseconds since 1970. */
API_EXPORT(uint64_t) mtev_get_nanos(void);
API_EXPORT(uint64_t) mtev_now_us(void);
API_EXPORT(uint64_t) mtev_now_ms(void);

/* gettimeofday(2) by a name that libmtev's programs use; tzp is not looked at.  Returns 0. */
API_EXPORT(int) mtev_gettimeofday(struct timeval *now, void *tzp);

/*
 * For older programs, which read a counter of the processor and had to calibrate it: start, stop
 * and toggle do nothing, and maintain returns mtev_false, since there is nothing to maintain.
 */
API_EXPORT(void) mtev_time_start_tsc(void);
API_EXPORT(void) mtev_time_stop_tsc(void);
API_EXPORT(void) mtev_time_toggle_tsc(mtev_boolean enable);
API_EXPORT(void) mtev_time_toggle_require_invariant_tsc(mtev_boolean enable);
API_EXPORT(mtev_boolean) mtev_time_maintain(void);

MTEV_END_DECLS

#endif
