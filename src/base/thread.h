/* SPDX-License-Identifier: MIT */
/*
 * thread.h - how loops and job queues make threads, wait for one another and wake one another.
 *
 * Layer: base.  Any thread.  All of it goes through one struct, so that a simulation can run the
 * same code with one thread at a time (docs/internals/simulator.md).  A lock is not part of it:
 * nobody waits for anything while he holds one that another thread may want.
 */
#ifndef EVENTER_BASE_THREAD_H
#define EVENTER_BASE_THREAD_H

#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

struct thread_ops {
    /* As pthread_create(3) and pthread_join(3), which they are. */
    int (*create)(pthread_t *out, const pthread_attr_t *attr, void *(*run)(void *arg), void *arg);
    int (*join)(pthread_t thread, void **ret_value);
    /*
     * Sleep while *word is value, until a wake or for the duration timeout (NULL: for ever).
     * Returns 0, -EAGAIN (it is another), -EINTR or -ETIMEDOUT; 0 also without a reason.  Source:
     * futex(2).
     */
    int (*wait)(_Atomic uint32_t *word, uint32_t value, const struct timespec *timeout);
    /* Wake up to count threads that wait for word, whose memory may be gone.  Async-signal-safe. */
    void (*wake)(_Atomic uint32_t *word, int count);
};

/* The system's own, unless a simulation puts others in before any thread is made. */
extern struct thread_ops thread_ops __attribute__((visibility("hidden")));

#define THREAD_REPORT_SIGNAL (SIGRTMIN + 3) /* asks a thread what it does; main/crash.h */

/*
 * Start a thread that runs run(arg), and that is joined, or in the other case that nobody joins.
 * Signals go to other threads, except those of its own faults and THREAD_REPORT_SIGNAL.  Returns 0
 * or -errno.
 */
int thread_start(pthread_t *out, void *(*run)(void *arg), void *arg);
int thread_start_detached(void *(*run)(void *arg), void *arg);

#define THREAD_SIGNAL_STACK_SIZE ((size_t)64 * 1024) /* enough to explain a fault */

/*
 * Give the calling thread a stack of size bytes for handlers of signals, so that an overflow of its
 * own can be explained.  Returns it, for thread_drop_signal_stack() at the end; NULL: it has one
 * already, such as a sanitizer's, or there is no memory.
 */
void *thread_add_signal_stack(size_t size);

/* Take it away again and free it.  NULL is a no-op. */
void thread_drop_signal_stack(void *stack);

#define THREAD_NAME_SIZE 32

/* Call the running thread name (copied, cut where it is too long); the kernel shows 15 bytes. */
void thread_set_name(const char *name);

/* Return what the running thread was called (borrowed while it lives); "" if it never was. */
const char *thread_name(void);

/* Something that happens once and that others wait for; zeroed = it has not happened. */
struct latch {
    _Atomic uint32_t is_open;
};

/* It has happened; the latch may be gone when this returns.  Async-signal-safe. */
void latch_open(struct latch *latch);

/* Return when it has happened; what was done before latch_open() is seen. */
void latch_await(struct latch *latch);

#endif
