/* SPDX-License-Identifier: MIT */
#include "base/clock.h"

#include <mtev_time.h>

mtev_hrtime_t mtev_gethrtime(void)
{
    return clock_mono_ns();
}

mtev_hrtime_t mtev_sys_gethrtime(void)
{
    return clock_mono_ns();
}

uint64_t mtev_get_nanos(void)
{
    return clock_wall_ns();
}

uint64_t mtev_now_us(void)
{
    return clock_wall_ns() / CLOCK_NS_PER_US;
}

uint64_t mtev_now_ms(void)
{
    return clock_wall_ns() / CLOCK_NS_PER_MS;
}

int mtev_gettimeofday(struct timeval *now, void *tzp)
{
    (void)tzp;
    *now = clock_timeval(clock_wall_ns());
    return 0;
}

void mtev_time_start_tsc(void)
{
}

void mtev_time_stop_tsc(void)
{
}

void mtev_time_toggle_tsc(mtev_boolean enable)
{
    (void)enable;
}

void mtev_time_toggle_require_invariant_tsc(mtev_boolean enable)
{
    (void)enable;
}

mtev_boolean mtev_time_maintain(void)
{
    return mtev_false;
}
