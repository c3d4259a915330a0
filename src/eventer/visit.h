/* SPDX-License-Identifier: MIT */
/*
 * visit.h - doing something in every loop, one after the other, while the caller waits.
 *
 * Layer: eventer.  Any thread; a loop's thread stands still while it waits for other loops, and
 * two that did so at once would wait for each other: of those that call at the same time, all but
 * one are refused.
 */
#ifndef EVENTER_EVENTER_VISIT_H
#define EVENTER_EVENTER_VISIT_H

#include "eventer/loop.h"

#define VISIT_WAIT_NS (5 * CLOCK_NS_PER_S) /* how long the public calls wait for a busy loop */

struct visitor {
    bool (*visit)(struct loop *loop, void *closure); /* in its thread; false ends the round */
    void (*skip)(struct loop *loop, void *closure);  /* in the calling thread; NULL: nothing */
    void *closure;
    uint64_t wait_ns; /* for a loop that is busy with something else */
};

/*
 * Visit every loop of every pool; the calling thread's own directly.  Returns 0, or -EBUSY
 * (another round is under way), -ENOMEM, -ETIMEDOUT (a loop was skipped, since it did not come to
 * it in time).
 */
int visit_loops(const struct visitor *visitor);

/*
 * Visit that loop alone.  From a thread that is no loop's, so that nobody waits for the caller: any
 * number may do so at a time.  Returns 0, -ENOMEM or -ETIMEDOUT.
 */
int visit_loop(struct loop *loop, const struct visitor *visitor);

#endif
