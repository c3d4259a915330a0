/* SPDX-License-Identifier: MIT */
#include "base/spin.h"

#include <sched.h>

bool spin_is_futile;

static __attribute__((constructor)) void count_processors(void)
{
    cpu_set_t cpus;
    spin_is_futile = sched_getaffinity(0, sizeof(cpus), &cpus) == 0 && CPU_COUNT(&cpus) == 1;
}
