/* SPDX-License-Identifier: MIT */
/*
 * pool.h - groups of loops, and the start and end of all of them.
 *
 * Layer: eventer.  The set of pools and loops is made by eventer_init() and does not change
 * afterwards, so any thread may read it.
 */
#ifndef EVENTER_EVENTER_POOL_H
#define EVENTER_EVENTER_POOL_H

#include "eventer/loop.h"

#include <eventer/eventer.h>

#define POOL_NAME_LEN_MAX 23
#define POOL_LOOPS_MAX    256
#define POOL_COUNT_MAX    32
#define WATCHDOG_NS_MAX   (UINT64_C(86400) * 365 * CLOCK_NS_PER_S) /* a year */

struct eventer_pool {
    char name[POOL_NAME_LEN_MAX + 1];
    struct loop **loops; /* owned: count of them */
    uint32_t count;
    _Atomic uint32_t next;        /* round robin */
    _Atomic uint64_t watchdog_ns; /* how long a turn may take; 0: as others */
};

/* Loop 0 of the default pool; NULL before eventer_init(). */
struct loop *pool_first_loop(void);

/* The loop whose thread this is, or NULL. */
struct loop *pool_loop_of(pthread_t thread);

/* The next loop of pool, in turn.  Any thread. */
struct loop *pool_next_loop(struct eventer_pool *pool);

/* Call fn for every loop of every pool. */
void pool_each_loop(void (*fn)(struct loop *loop, void *closure), void *closure);

/*
 * Have fn called by eventer_loop*() before it lets traffic in (start; at once if that was before),
 * or by eventer_loop() when the process ends, before the loops stop (stop).  start hooks run in the
 * order of registration, stop hooks in reverse.  At most POOL_HOOKS_MAX of each; -ENOSPC past it.
 * The thread that calls eventer_loop*() alone.
 */
#define POOL_HOOKS_MAX 16
int pool_at_start(void (*fn)(void));
int pool_at_stop(void (*fn)(void));

/*
 * When the process ends, eventer_loop() waits behind the stop hooks, for pool_drain_ns() at most,
 * until all of these return 0: how much is yet to end.  As many as hooks; -ENOSPC.
 */
int pool_at_drain(size_t (*left)(void));
uint64_t pool_drain_ns(void);

/* True from the stop hooks on.  Any thread. */
bool pool_is_draining(void);

/*
 * Ask eventer_loop() to end.  Async-signal-safe.  Returns false if nobody is in eventer_loop(), so
 * that the caller has to end the process itself.
 */
bool pool_request_stop(void);

#endif
