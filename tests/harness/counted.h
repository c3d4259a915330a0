/* SPDX-License-Identifier: MIT */
/*
 * counted.h - loops whose pollers are counted: how often one was asked to wait, to watch, to wake;
 * and which refuse to watch, as a kernel without memory does, as often as a test says.
 */
#ifndef EVENTER_TESTS_COUNTED_H
#define EVENTER_TESTS_COUNTED_H

#include "eventer/poller.h"
#include "eventer/props.h"

#include <errno.h>
#include <stdatomic.h>

static _Atomic int counted_waits, counted_watches, counted_wakes;
static _Atomic int counted_refusals; /* so many watches still fail with -ENOMEM */
static const struct poller_ops *counted_inner;
static struct poller_ops counted_ops;

static inline int counted_watch(struct poller *p, int fd, uint32_t was, uint32_t interest,
                                uint64_t tag)
{
    atomic_fetch_add(&counted_watches, 1);
    if (interest != 0 && atomic_load(&counted_refusals) > 0) {
        atomic_fetch_sub(&counted_refusals, 1);
        return -ENOMEM;
    }
    return counted_inner->watch(p, fd, was, interest, tag);
}

static inline int counted_wait(struct poller *p, struct poller_ready *ready, int max,
                               uint64_t deadline_ns)
{
    atomic_fetch_add(&counted_waits, 1);
    return counted_inner->wait(p, ready, max, deadline_ns);
}

static inline void counted_wake(struct poller *p)
{
    atomic_fetch_add(&counted_wakes, 1);
    counted_inner->wake(p);
}

static inline int counted_open(struct poller **out)
{
    int err = counted_ops.open(out);
    if (err != 0)
        return err;
    counted_inner = (*out)->ops; /* another than was asked for, where the kernel forbids that */
    counted_ops = *counted_inner;
    counted_ops.watch = counted_watch;
    counted_ops.wait = counted_wait;
    counted_ops.wake = counted_wake;
    (*out)->ops = &counted_ops;
    return 0;
}

/* Have every loop that is made from now on count. */
static inline void count_pollers(void)
{
    static struct poller_ops opening;
    counted_ops = *props_poller();
    opening = counted_ops;
    opening.open = counted_open;
    props_set_poller(&opening);
}

#endif
