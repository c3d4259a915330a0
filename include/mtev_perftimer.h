/* SPDX-License-Identifier: MIT */
/*
 * mtev_perftimer.h - how long something took.  Any thread; no call yields or fails.
 */
#ifndef MTEV_PERFTIMER_H
#define MTEV_PERFTIMER_H

#include <mtev_time.h>

MTEV_BEGIN_DECLS

typedef struct mtev_perftimer {
    mtev_hrtime_t start; /* by mtev_gethrtime() */
} mtev_perftimer_t;

/* Begin to count now, also if it was begun before. */
static inline void mtev_perftimer_start(mtev_perftimer_t *timer)
{
    timer->start = mtev_gethrtime();
}

/* Return the nanoseconds since then. */
static inline int64_t mtev_perftimer_elapsed(mtev_perftimer_t *timer)
{
    return (int64_t)(mtev_gethrtime() - timer->start);
}

MTEV_END_DECLS

#endif
