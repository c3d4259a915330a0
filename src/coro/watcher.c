/* SPDX-License-Identifier: MIT */
/*
 * watcher.c - where a loop spends its time while a callback or a coroutine holds it too long.
 *
 * The stack must be taken while that one still runs, so a thread, the watcher, looks on:
 *
 *   IDLE --a loop begins a span--> looks --some loop is busy--> sleeps until the first of them has
 *     ^                            |   ^                        been busy for slow_ns --.
 *     `----------no loop is busy---'   `------------------------------------------------'
 *
 * When a loop has been busy with the same span for slow_ns, the watcher sends its thread a signal,
 * whose handler walks the stack there and keeps the addresses; the loop says them when the span has
 * ended.  In IDLE nothing wakes it; a busy loop costs one wake every slow_ns.
 *
 * A span that begins writes since when, then looks whether the watcher is idle; the watcher says
 * that it is idle, then looks once more since when loops are busy.  Both are sequentially
 * consistent, so one of the two sees the other.
 */
#include "coro/inspect_impl.h"

#include "base/alloc.h"
#include "base/thread.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <string.h>

/* The handler runs on a stack of its own. */
#pragma GCC diagnostic ignored "-Wframe-larger-than="

#define LOOK_NS_MIN CLOCK_NS_PER_MS /* the watcher's own time is limited, too */

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER; /* of these two, and asked_ns */
static struct watched *all;
static bool is_running; /* there is a watcher */

static _Atomic uint32_t is_idle; /* 1: whoever takes it to 0 wakes the watcher */

/* ---- the watcher ----------------------------------------------------------------- */

static void wake(void)
{
    if (atomic_load(&is_idle) != 0 &&
        atomic_exchange(&is_idle, 0) != 0) /* pairs with look_or_idle() */
        thread_ops.wake(&is_idle, 1);
}

static uint64_t look_ns(void)
{
    return MAX(account_slow_ns(), LOOK_NS_MIN);
}

/* Signal those who have been busy too long.  Returns when to look again; 0: nobody is busy. */
static uint64_t look(uint64_t now_ns)
{
    uint64_t next_ns = 0;
    for (struct watched *watched = all; watched != NULL; watched = watched->next) {
        uint64_t since_ns = atomic_load(&watched->home->loop->heart.busy_since_ns);
        if (since_ns == 0)
            continue;
        uint64_t due_ns = since_ns + look_ns();
        if (due_ns <= now_ns && watched->asked_ns != since_ns) {
            watched->asked_ns = since_ns;
            (void)pthread_kill(watched->thread, WATCHER_SIGNAL); /* too many signals: no stack */
        }
        if (due_ns <= now_ns)
            due_ns = now_ns + look_ns();
        next_ns = next_ns == 0 ? due_ns : MIN(next_ns, due_ns);
    }
    return next_ns;
}

/* The same; when nobody is busy, be idle. */
static uint64_t look_or_idle(void)
{
    uint64_t next_ns = look(clock_mono_ns());
    if (next_ns != 0)
        return next_ns;
    atomic_store(&is_idle, 1); /* pairs with wake() */
    next_ns = look(clock_mono_ns());
    if (next_ns != 0)
        atomic_store(&is_idle, 0);
    return next_ns;
}

/* Give when to look again, or 0: wait to be woken.  False: there is nothing left to watch. */
static bool watch(uint64_t *out)
{
    pthread_mutex_lock(&lock);
    is_running = all != NULL;
    const bool goes_on = is_running;
    if (goes_on)
        *out = look_or_idle();
    pthread_mutex_unlock(&lock);
    return goes_on;
}

/* A wait that ends early costs a look. */
static void sleep_until(uint64_t end_ns)
{
    const uint64_t now_ns = clock_mono_ns();
    const struct timespec timeout = clock_timespec(end_ns > now_ns ? end_ns - now_ns : 0);
    (void)thread_ops.wait(&is_idle, 0, &timeout); /* nobody wakes it now */
}

static void *watcher_main(void *arg)
{
    uint64_t next_ns;
    thread_set_name("e:watcher");
    while (watch(&next_ns)) {
        if (next_ns == 0)
            (void)thread_ops.wait(&is_idle, 1, NULL);
        else
            sleep_until(next_ns);
    }
    return NULL;
}

/* ---- a sample -------------------------------------------------------------------- */

/* The end of the stack that sp is on: the coroutine's that runs, or the thread's; 0: neither. */
static uintptr_t stack_end(const struct loop *loop, uintptr_t sp)
{
    const aco_t *co = aco_gtls_co;
    if (co != NULL && !aco_is_main_co(co) && aco_stack_has(co->share_stack, (const void *)sp))
        return (uintptr_t)co->share_stack->top;
    return sp < (uintptr_t)loop->stack_top ? (uintptr_t)loop->stack_top : 0;
}

static void take_sample(struct watched *watched, const ucontext_t *context)
{
    struct object_map map = {.next = 0};
    struct frames frames;
    struct frame frame;
    const struct loop *loop = watched->home->loop;
    const uintptr_t sp = frames_sp(context), end = sp == 0 ? 0 : stack_end(loop, sp);
    const uint64_t since_ns = atomic_load(&loop->heart.busy_since_ns), now_ns = clock_mono_ns();
    if (end == 0 || since_ns == 0 || now_ns - since_ns < account_slow_ns())
        return; /* the one that was meant has ended */
    watched->count = 0;
    frames_from(&frames, &map, context, sp, end);
    while (watched->count < SAMPLE_FRAMES_MAX && frames_next(&frames, &frame))
        watched->addresses[watched->count++] = frame.address;
    atomic_store(&watched->taken_ns, now_ns);
}

/* In the thread of the loop, whatever it does; on the stack for signals. */
static void on_signal(int number, siginfo_t *info, void *context)
{
    const int err = errno;
    struct coro_home *home = home_self();
    if (home != NULL && home->watched != NULL && !home->watched->is_read)
        take_sample(home->watched, context);
    errno = err;
}

static void say_stack(struct loop *loop, uint64_t since_ns, mtev_log_stream_t ls)
{
    struct coro_home *home = loop->coro;
    struct watched *watched = home == NULL ? NULL : home->watched;
    if (watched == NULL)
        return;
    watched->is_read = true;
    atomic_signal_fence(memory_order_seq_cst); /* with on_signal(), in this thread */
    if (atomic_load(&watched->taken_ns) >= since_ns)
        for (int i = 0; i < watched->count; i++)
            coro_say_address(ls, watched->addresses[i]);
    atomic_signal_fence(memory_order_seq_cst);
    watched->is_read = false;
}

/* ---- who is watched -------------------------------------------------------------- */

/* The lock is held. */
static int install(void)
{
    struct sigaction before,
        action = {.sa_sigaction = on_signal, .sa_flags = SA_SIGINFO | SA_ONSTACK | SA_RESTART};
    sigfillset(&action.sa_mask);
    if (sigaction(WATCHER_SIGNAL, NULL, &before) != 0)
        return -errno;
    if ((before.sa_flags & SA_SIGINFO) != 0 && before.sa_sigaction == on_signal)
        return 0;
    if ((before.sa_flags & SA_SIGINFO) != 0 || before.sa_handler != SIG_DFL)
        return -EBUSY;
    return sigaction(WATCHER_SIGNAL, &action, NULL) == 0 ? 0 : -errno;
}

/* The lock is held. */
static int add(struct watched *watched)
{
    int err = install();
    if (err == 0 && !is_running)
        err = thread_start_detached(watcher_main, NULL);
    if (err != 0)
        return err;
    is_running = true;
    watched->next = all;
    all = watched;
    return 0;
}

/* True if the handler has a stack of its own. */
static bool has_signal_stack(void)
{
    stack_t stack;
    return sigaltstack(NULL, &stack) == 0 && !(stack.ss_flags & SS_DISABLE);
}

void watcher_add(struct coro_home *home)
{
    sigset_t own;
    if (account_slow_ns() == UINT64_MAX)
        return;
    struct watched *watched = has_signal_stack() ? alloc_zeroed(1, sizeof(*watched)) : NULL;
    int err = -ENOMEM;
    if (watched != NULL) {
        watched->home = home;
        watched->thread = pthread_self();
        home->watched = watched;
        sigemptyset(&own);
        sigaddset(&own, WATCHER_SIGNAL);
        pthread_sigmask(SIG_UNBLOCK, &own, NULL);
        pthread_mutex_lock(&lock);
        err = add(watched);
        pthread_mutex_unlock(&lock);
    }
    if (err == 0)
        return;
    mtevL(eventer_err, "%s: what is slow is logged without its stack: %s\n", home->loop->name,
          err == -EBUSY ? "the signal has a handler already" : strerrordesc_np(-err));
    home->watched = NULL;
    alloc_free(watched);
}

void watcher_remove(struct coro_home *home)
{
    struct watched *watched = home->watched;
    if (watched == NULL)
        return;
    pthread_mutex_lock(&lock); /* who holds it may be about to send us a signal */
    struct watched **link = &all;
    while (*link != watched)
        link = &(*link)->next;
    *link = watched->next;
    if (all == NULL)
        wake(); /* the watcher ends */
    pthread_mutex_unlock(&lock);
    home->watched = NULL;
    atomic_signal_fence(memory_order_seq_cst); /* with on_signal() */
    alloc_free(watched);
}

static __attribute__((constructor)) void bear_witness(void)
{
    account_set_witness(&(struct account_witness){.begun = wake, .say_stack = say_stack});
}
