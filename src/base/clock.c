/* SPDX-License-Identifier: MIT */
#include "base/clock.h"

struct clock_source clock_source = {.gettime = clock_gettime};
