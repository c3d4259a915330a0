/* SPDX-License-Identifier: MIT */
/*
 * The thread of an outlet that writes what waits there.  It is made when a line waits for the first
 * time in a process, so that a child of fork(2) has one of its own.
 */
#include "log/outlet.h"

#include "base/clock.h"

#include <errno.h>
#include <poll.h>

/* While lines come at all it naps: then none of them costs who says it a system call. */
#define NAPS_MAX 100

static void sleep_on(struct outlet *o, enum outlet_writer how, uint64_t ns)
{
    const struct timespec time = clock_timespec(ns);
    (void)thread_ops.wait(&o->writer, how, ns == UINT64_MAX ? NULL : &time);
}

/* How long nothing has to be done if no line comes. */
static uint64_t due_ns(struct outlet *o)
{
    pthread_mutex_lock(&o->lock);
    uint64_t due = outlet_rotation_due_ns(o);
    if (o->fold_count > 0)
        due = MIN(due, o->settings.fold_ns);
    if (o->batch_done < o->batch_len)
        due = 0;
    pthread_mutex_unlock(&o->lock);
    return due;
}

/* Wait for lines: a moment while they come, and for as long as it takes when they do not. */
static void rest(struct outlet *o, unsigned naps)
{
    if (naps < NAPS_MAX) {
        atomic_store(&o->writer, OUTLET_WRITER_NAPS);
        sleep_on(o, OUTLET_WRITER_NAPS, OUTLET_NAP_MS * CLOCK_NS_PER_MS);
    } else {
        /* seq_cst: pairs with outlet_must_wake(); who puts a line, or something under the lock,
         * before we look has it seen, and who does so later sees that we sleep. */
        atomic_store(&o->writer, OUTLET_WRITER_SLEEPS);
        uint64_t due = due_ns(o);
        if (due > 0 && ring_used(&o->ring) == 0 && !atomic_load(&o->is_ending) &&
            atomic_load(&o->next_fd) == -1)
            sleep_on(o, OUTLET_WRITER_SLEEPS, due);
    }
    atomic_store(&o->writer, OUTLET_WRITER_AWAKE);
}

/* A write failed: wait until it may not. */
static void wait_after(int err, int fd)
{
    const struct timespec time = clock_timespec(OUTLET_RETRY_MS * CLOCK_NS_PER_MS);
    struct pollfd full = {.fd = fd, .events = POLLOUT};
    if (err == -EAGAIN && fd >= 0)
        poll(&full, 1, OUTLET_RETRY_MS);
    else
        nanosleep(&time, NULL);
}

static void *run_writer(void *arg)
{
    struct outlet *o = arg;
    uint64_t give_up_ns = UINT64_MAX;
    unsigned naps = 0;
    thread_set_name("e:log");
    for (;;) {
        uint64_t before = atomic_load_explicit(&o->written, memory_order_relaxed);
        bool is_ending = atomic_load(&o->is_ending); /* before the look: then all is in the ring */
        pthread_mutex_lock(&o->lock);
        atomic_store_explicit(&o->is_stuck, false, memory_order_relaxed);
        int err = outlet_drain(o, true);
        int fd = o->fd;
        pthread_mutex_unlock(&o->lock);
        if (is_ending && give_up_ns == UINT64_MAX)
            give_up_ns = clock_mono_ns() + OUTLET_EXIT_MS_MAX * CLOCK_NS_PER_MS;
        if (is_ending && (err != -EAGAIN || clock_mono_ns() >= give_up_ns))
            break; /* nobody waits for a full disk */
        naps = atomic_load_explicit(&o->written, memory_order_relaxed) != before ? 0 : naps + 1;
        if (err != 0)
            wait_after(err, fd);
        else
            rest(o, naps);
    }
    /* acq_rel: who frees it sees what the other did */
    if (atomic_exchange_explicit(&o->end, OUTLET_END_WRITTEN, memory_order_acq_rel) ==
        OUTLET_END_ABANDONED)
        outlet_free(o);
    else
        thread_ops.wake(&o->end, 1); /* whoever waits may have freed it */
    return NULL;
}

static int start_writer(struct outlet *o)
{
    if (thread_start_detached(run_writer, o) == 0)
        return 0;
    atomic_store(&o->writer, OUTLET_WRITER_NONE);
    return -EAGAIN;
}

int outlet_wake_writer(struct outlet *o)
{
    uint32_t was = atomic_load(&o->writer);
    while (was != OUTLET_WRITER_AWAKE) {
        if (!atomic_compare_exchange_weak(&o->writer, &was, OUTLET_WRITER_AWAKE))
            continue;
        if (was == OUTLET_WRITER_NONE)
            return start_writer(o);
        thread_ops.wake(&o->writer, 1);
        return 0;
    }
    return 0;
}

/* Wait until the writer has ended; false: it will not for a long time, and frees o then. */
static bool await_writer(struct outlet *o)
{
    const uint64_t deadline_ns = clock_mono_ns() + 2 * OUTLET_EXIT_MS_MAX * CLOCK_NS_PER_MS;
    uint64_t now_ns;
    /* acquire: pairs with the exchange in run_writer() */
    while (atomic_load_explicit(&o->end, memory_order_acquire) == OUTLET_END_OPEN &&
           (now_ns = clock_mono_ns()) < deadline_ns) {
        const struct timespec left = clock_timespec(deadline_ns - now_ns);
        (void)thread_ops.wait(&o->end, OUTLET_END_OPEN, &left);
    }
    uint32_t open = OUTLET_END_OPEN;
    return !atomic_compare_exchange_strong(&o->end, &open, OUTLET_END_ABANDONED);
}

void outlet_end(struct outlet *o)
{
    bool is_mine = true;
    if (o == NULL)
        return;
    atomic_store(&o->is_ending, true);
    if (atomic_load(&o->writer) != OUTLET_WRITER_NONE) {
        outlet_wake_writer(o);
        is_mine = await_writer(o);
    } else {
        outlet_flush(o, clock_mono_ns() + OUTLET_EXIT_MS_MAX * CLOCK_NS_PER_MS);
    }
    if (is_mine)
        outlet_free(o);
}

void outlet_before_fork(struct outlet *o)
{
    o->is_held = outlet_lock_until(o, clock_mono_ns() + OUTLET_DYING_MS_MAX * CLOCK_NS_PER_MS);
    if (o->is_held && o->ops->say == NULL)
        outlet_drain(o, false); /* or both processes would write it */
}

void outlet_after_fork(struct outlet *o)
{
    if (o->is_held)
        pthread_mutex_unlock(&o->lock);
}

void outlet_after_fork_in_child(struct outlet *o)
{
    if (o->is_held)
        pthread_mutex_unlock(&o->lock);
    else
        pthread_mutex_init(&o->lock, NULL); /* whoever held it is not here */
    atomic_store(&o->writer, OUTLET_WRITER_NONE);
    atomic_store(&o->untold, 0);
    atomic_store(&o->end, OUTLET_END_OPEN);
    o->batch_len = o->batch_done = 0;
    o->fold_count = 0;
    if (ring_used(&o->ring) > 0)
        ring_clear(&o->ring);
}
