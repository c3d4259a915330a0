/* SPDX-License-Identifier: MIT */
#include "base/thread.h"

#include "base/alloc.h"
#include "base/tsan.h"

#include <errno.h>
#include <limits.h>
#include <linux/futex.h>
#include <stdio.h>
#include <sys/syscall.h>
#include <unistd.h>

/*
 * ThreadSanitizer puts handlers of signals off until a call that it knows, and knows no futex(2):
 * who ends a process by a signal would wait for ever.  So a long wait of the first thread, to which
 * the kernel gives them first (signal(7)), ends now and then there.
 */
static int futex_wait(_Atomic uint32_t *word, uint32_t value, const struct timespec *timeout)
{
#ifdef HAS_TSAN
    if (timeout == NULL && gettid() == getpid()) {
        usleep(0);
        int err = futex_wait(word, value, &(struct timespec){.tv_nsec = 10000000});
        return err == -ETIMEDOUT ? 0 : err;
    }
#endif
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

static int start(pthread_t *out, void *(*run)(void *arg), void *arg, int detach_state)
{
    static const int faults[] = {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGTRAP, SIGSYS};
    pthread_attr_t attr;
    sigset_t blocked;
    sigfillset(&blocked);
    for (size_t i = 0; i < sizeof(faults) / sizeof(faults[0]); i++)
        sigdelset(&blocked, faults[i]); /* they are this thread's own, and there is a handler */
    sigdelset(&blocked, THREAD_REPORT_SIGNAL);
    pthread_attr_init(&attr);
    pthread_attr_setdetachstate(&attr, detach_state);
    pthread_attr_setsigmask_np(&attr, &blocked);
    int err = thread_ops.create(out, &attr, run, arg);
    pthread_attr_destroy(&attr);
    return -err;
}

int thread_start(pthread_t *out, void *(*run)(void *arg), void *arg)
{
    return start(out, run, arg, PTHREAD_CREATE_JOINABLE);
}

int thread_start_detached(void *(*run)(void *arg), void *arg)
{
    pthread_t thread;
    return start(&thread, run, arg, PTHREAD_CREATE_DETACHED);
}

void *thread_add_signal_stack(size_t size)
{
    stack_t before;
    if (sigaltstack(NULL, &before) != 0 || !(before.ss_flags & SS_DISABLE))
        return NULL;
    void *stack = alloc_bytes(size);
    if (stack != NULL)
        sigaltstack(&(stack_t){.ss_sp = stack, .ss_size = size}, NULL);
    return stack;
}

void thread_drop_signal_stack(void *stack)
{
    if (stack != NULL)
        sigaltstack(&(stack_t){.ss_flags = SS_DISABLE}, NULL);
    alloc_free(stack);
}

static _Thread_local char name_text[THREAD_NAME_SIZE];

void thread_set_name(const char *name)
{
    char title[16]; /* pthread_setname_np(3) takes no more */
    snprintf(name_text, sizeof(name_text), "%s", name);
    snprintf(title, sizeof(title), "%.15s", name);
    pthread_setname_np(pthread_self(), title);
}

const char *thread_name(void)
{
    return name_text;
}

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
