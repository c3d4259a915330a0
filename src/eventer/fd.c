/* SPDX-License-Identifier: MIT */
/*
 * fd.c - classic events on an fd: level-triggered, their interest what their callback last
 * returned.
 */
#include "base/alloc.h"
#include "base/hot.h"
#include "eventer/fdtable.h"
#include "eventer/loop.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

static uint32_t interest_of(int mask)
{
    return (mask & EVENTER_READ ? POLLIN | POLLPRI : 0u) | (mask & EVENTER_WRITE ? POLLOUT : 0u) |
           POLLERR | POLLHUP;
}

static int mask_of(uint32_t poll_bits)
{
    return (poll_bits & (POLLIN | POLLPRI) ? EVENTER_READ : 0) |
           (poll_bits & POLLOUT ? EVENTER_WRITE : 0) |
           (poll_bits & (POLLERR | POLLHUP) ? EVENTER_EXCEPTION : 0);
}

/* True if it is for want of memory that the kernel does not watch an fd. */
static bool is_unwatched(int err)
{
    return err == -ENOMEM || err == -ENOSPC;
}

/*
 * Register e; the eventer takes the reference unless this returns an error, which is then logged.
 */
static int enter(eventer_t e)
{
    struct fd_slot *slot = fdtable_slot(e->fd);
    int err = slot == NULL ? -errno : 0;
    if (err == 0) {
        fd_slot_lock(slot);
        err = fd_slot_enter(slot, e, event_owner(e), interest_of(e->mask));
        if (is_unwatched(err)) { /* registered all the same, and told below */
            slot->event = e;
            slot->loop = event_owner(e);
            slot->interest = 0;
            atomic_fetch_add_explicit(&slot->generation, 1, memory_order_release);
        }
        fd_slot_unlock(slot);
    }
    return err == -EPERM ? 0 : err;
}

/* The readiness that e waits for will not be reported: have it know. */
static void tell(const char *call, eventer_t e, int err)
{
    event_complain(call, e, -err, "the kernel cannot watch it; it gets EXCEPTION");
    eventer_trigger(e, EVENTER_EXCEPTION);
}

void fd_event_add(eventer_t e)
{
    int err = enter(e);
    if (is_unwatched(err)) {
        tell("eventer_add", e, err);
    } else if (err != 0) {
        event_complain("eventer_add", e, -err,
                       err == -EEXIST ? "another event is registered for its fd" : "");
    }
}

eventer_t fd_event_remove(eventer_t e)
{
    struct fd_slot *slot = fdtable_find(e->fd);
    eventer_t removed = NULL;
    if (slot == NULL)
        return NULL;
    fd_slot_lock(slot);
    if (slot->event == e) {
        fd_slot_leave(slot, e->fd);
        removed = e;
    }
    fd_slot_unlock(slot);
    return removed;
}

/* Make the registration of slot, which is locked and e's, fit e's mask and owner. */
static int refit(struct fd_slot *slot, eventer_t e)
{
    struct loop *owner = event_owner(e);
    uint32_t interest = interest_of(e->mask);
    if (owner != slot->loop) {
        fd_slot_leave(slot, e->fd);
        return fd_slot_enter(slot, e, owner, interest);
    }
    if (interest == slot->interest)
        return 0;
    uint32_t generation = atomic_load_explicit(&slot->generation, memory_order_relaxed);
    int err = owner->poller->ops->watch(owner->poller, e->fd, slot->interest, interest,
                                        fd_tag(e->fd, generation, false));
    if (err == 0)
        slot->interest = interest;
    return err == -EPERM ? 0 : err; /* it is always ready */
}

void fd_event_update(eventer_t e, int mask)
{
    struct fd_slot *slot = fdtable_find(e->fd);
    bool is_registered = false;
    int err = 0;
    if (slot != NULL) {
        fd_slot_lock(slot);
        is_registered = slot->event == e;
        if (is_registered) {
            e->mask = mask; /* under the lock, as what a callback returns is */
            err = refit(slot, e);
        }
        fd_slot_unlock(slot);
    }
    if (!is_registered) {
        e->mask = mask;
        fd_event_add(e);
        return;
    }
    if (is_unwatched(err))
        tell("eventer_update", e, err);
    else if (err != 0)
        event_complain("eventer_update", e, -err, "");
}

/*
 * Do what the return value of the callback, which was called with mask, asks for.  fd is what e's
 * was before: it may have been closed, by the callback or by another thread, and then e is not the
 * event of its slot.
 */
static void after_callback(eventer_t e, int fd, int mask, int wanted)
{
    if (e->is_aco) /* the reference went to a coroutine */
        return;
    struct fd_slot *slot = fdtable_find(fd);
    bool forgotten = false;
    int err = 0;
    if (slot != NULL) {
        fd_slot_lock(slot);
        if (slot->event == e && wanted == 0) {
            fd_slot_leave(slot, fd);
            forgotten = true;
        } else if (slot->event == e) {
            e->mask = wanted;
            err = refit(slot, e);
        }
        fd_slot_unlock(slot);
    }
    if (forgotten)
        event_complain("callback", e, EINVAL,
                       "it returned 0 and did not call eventer_remove(); removed");
    if (is_unwatched(err) && (mask & EVENTER_EXCEPTION) == 0)
        tell("callback", e, err); /* once: what it then returns may meet the same */
    else if (err != 0)
        event_complain("callback", e, -err, "the mask it returned cannot be installed");
    if (wanted == 0)
        eventer_free(e);
}

/*
 * True if what e's callback returned in loop asks for nothing new, as nearly always.  What another
 * thread does to e or to its slot meanwhile counts as done after it.
 */
static inline bool is_as_before(const struct loop *loop, const struct fd_slot *slot, eventer_t e,
                                int wanted)
{
    return wanted != 0 && event_owner(e) == loop && !e->is_aco &&
           atomic_load_explicit(&e->mask, memory_order_relaxed) == wanted &&
           atomic_load_explicit(&slot->interest, memory_order_relaxed) == interest_of(wanted);
}

HOT void fd_event_ready(struct loop *loop, int fd, uint32_t generation, uint32_t poll_bits)
{
    struct fd_slot *slot = fdtable_find(fd);
    eventer_t e = NULL;
    if (slot == NULL)
        return;
    fd_slot_lock(slot);
    if (atomic_load_explicit(&slot->generation, memory_order_relaxed) == generation)
        e = slot->event;
    if (e != NULL)
        eventer_ref(e); /* the callback may drop every other one */
    fd_slot_unlock(slot);
    if (e == NULL)
        return;
    int wanted = event_run(loop, e, mask_of(poll_bits));
    if (__builtin_expect(!is_as_before(loop, slot, e, wanted), 0))
        after_callback(e, fd, mask_of(poll_bits), wanted);
    eventer_free(e);
}

void fd_event_trigger(struct loop *loop, eventer_t e, int mask)
{
    int fd = e->fd;
    struct fd_slot *slot = fdtable_slot(fd);
    if (fd < 0) /* closed since */
        return;
    int err = slot == NULL ? -errno : 0;
    if (err == 0) {
        fd_slot_lock(slot);
        if (slot->event != e)
            err = fd_slot_enter(slot, e, loop, interest_of(e->mask));
        fd_slot_unlock(slot);
    }
    if (is_unwatched(err)) { /* it cannot be watched, and has to be told */
        mask |= EVENTER_EXCEPTION;
    } else if (err != 0 && err != -EPERM) {
        event_complain("eventer_trigger", e, -err,
                       err == -EEXIST ? "another event is registered for its fd" : "");
        return;
    }
    eventer_ref(e);
    after_callback(e, fd, mask, event_run(loop, e, mask));
    eventer_free(e);
}
