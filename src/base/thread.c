/* SPDX-License-Identifier: MIT */
#include "base/thread.h"

#include <errno.h>
#include <limits.h>
#include <linux/futex.h>
#include <stddef.h>
#include <sys/syscall.h>
#include <unistd.h>

static int futex_wait(_Atomic uint32_t *word, uint32_t value, const struct timespec *timeout)
{
    long rv = syscall(SYS_futex, word, FUTEX_WAIT_PRIVATE, value, timeout, NULL, 0);
    return rv == 0 ? 0 : -errno;
}

static void futex_wake(_Atomic uint32_t *word, int count)
{
    int before = errno; /* also where a signal handler calls */
    (void)syscall(SYS_futex, word, FUTEX_WAKE_PRIVATE, count, NULL, NULL, 0);
    errno = before;
}

struct thread_ops thread_ops = {
    .create = pthread_create,
    .join = pthread_join,
    .wait = futex_wait,
    .wake = futex_wake,
};

void latch_open(struct latch *latch)
{
    _Atomic uint32_t *word = &latch->is_open;
    atomic_store_explicit(word, 1, memory_order_release); /* pairs with latch_await() */
    thread_ops.wake(word, INT_MAX);
}

void latch_await(struct latch *latch)
{
    while (atomic_load_explicit(&latch->is_open, memory_order_acquire) == 0)
        (void)thread_ops.wait(&latch->is_open, 0, NULL);
}
