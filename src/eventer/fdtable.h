/* SPDX-License-Identifier: MIT */
/*
 * fdtable.h - which event is registered for an fd, in the whole process.
 *
 * Layer: eventer.  A registration is {fd, generation}: what the kernel reports carries the
 * generation, so a report that was fetched before the fd was closed or changed hands is recognised
 * and dropped.
 *
 * A slot is changed under its lock, which is never held while user code runs.  An edge-triggered
 * registration is changed by its loop's thread alone, which may therefore read it without the lock.
 * Of a classic one its loop reads interest so, to see that nothing is to be changed.
 */
#ifndef EVENTER_EVENTER_FDTABLE_H
#define EVENTER_EVENTER_FDTABLE_H

#include "base/spinlock.h"
#include "eventer/event.h"

#include <stdatomic.h>

#define FDTABLE_FD_MAX ((1 << 22) - 1)

struct fd_slot {
    _Atomic uint32_t generation; /* one more with each registration and its end */
    struct spinlock lock;
    _Atomic uint32_t interest; /* POLL* bits that the poller has; 0: it does not know the fd */
    eventer_t event;           /* NULL: free; shared with the eventer, or borrowed by an edge */
    struct loop *loop;         /* whose poller watches it */
};

/* Return fd's slot, made if need be.  NULL with errno EBADF (out of range) or ENOMEM. */
struct fd_slot *fdtable_slot(int fd);

/* Return fd's slot if it was ever made. */
struct fd_slot *fdtable_find(int fd);

/* Return the first fd, that one or a later, whose slot was ever made; -1: there is none. */
int fdtable_next(int fd);

/* Call fn for every slot that was ever made. */
void fdtable_each(void (*fn)(struct fd_slot *slot, void *closure), void *closure);

static inline void fd_slot_lock(struct fd_slot *slot)
{
    spinlock_lock(&slot->lock);
}

static inline void fd_slot_unlock(struct fd_slot *slot)
{
    spinlock_unlock(&slot->lock);
}

/* What the poller hands back for a registration. */
#define FD_TAG_EDGE ((uint64_t)1 << 31)
static inline uint64_t fd_tag(int fd, uint32_t generation, bool edge)
{
    return (uint64_t)generation << 32 | (edge ? FD_TAG_EDGE : 0) | (uint32_t)fd;
}

static inline int fd_tag_fd(uint64_t tag)
{
    return (int)(tag & (FD_TAG_EDGE - 1));
}

static inline uint32_t fd_tag_generation(uint64_t tag)
{
    return (uint32_t)(tag >> 32);
}

/*
 * Enter e (on loop, for interest) in its fd's slot, which is locked, and tell the poller.  A slot
 * whose fd was closed behind the eventer's back is taken over, with one line.  Returns 0 or -errno:
 * -EEXIST for a live registration, or what the poller said; then the slot is as it was.
 */
int fd_slot_enter(struct fd_slot *slot, eventer_t e, struct loop *loop, uint32_t interest);

/* Leave the slot, which is locked, and tell the poller.  The reference is the caller's now. */
void fd_slot_leave(struct fd_slot *slot, int fd);

#endif
