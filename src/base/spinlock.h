/* SPDX-License-Identifier: MIT */
/*
 * spinlock.h - a lock for a few instructions, which is next to never contended.
 *
 * Layer: base.  Any thread.  Never held over a system call that may sleep, a callback or a yield; a
 * holder that is preempted makes others give up their time slice, not spin.
 */
#ifndef EVENTER_BASE_SPINLOCK_H
#define EVENTER_BASE_SPINLOCK_H

#include <sched.h>
#include <stdatomic.h>

#define SPINLOCK_SPINS_MAX 100

struct spinlock { /* zeroed = free */
    _Atomic unsigned char is_held;
};

static inline void spinlock_lock(struct spinlock *lock)
{
    for (unsigned spins = 0; atomic_exchange_explicit(&lock->is_held, 1, memory_order_acquire) != 0;
         spins++)
        if (spins > SPINLOCK_SPINS_MAX)
            sched_yield();
}

static inline void spinlock_unlock(struct spinlock *lock)
{
    atomic_store_explicit(&lock->is_held, 0,
                          memory_order_release); /* pairs with the acquire above */
}

#endif
