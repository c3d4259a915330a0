/* SPDX-License-Identifier: MIT */
#include "eventer/fdtable.h"

#include "base/alloc.h"
#include "base/hot.h"
#include "eventer/loop.h"

#include <assert.h>
#include <errno.h>

#define CHUNK_SHIFT 10
#define CHUNK_SIZE  (1 << CHUNK_SHIFT)
#define CHUNK_COUNT ((FDTABLE_FD_MAX + 1) / CHUNK_SIZE)

static _Atomic(struct fd_slot *) chunks[CHUNK_COUNT]; /* made as fds appear, kept for good */

HOT struct fd_slot *fdtable_find(int fd)
{
    if (fd < 0 || fd > FDTABLE_FD_MAX)
        return NULL;
    struct fd_slot *chunk = atomic_load_explicit(&chunks[fd >> CHUNK_SHIFT], memory_order_acquire);
    return chunk == NULL ? NULL : &chunk[fd & (CHUNK_SIZE - 1)];
}

struct fd_slot *fdtable_slot(int fd)
{
    if (fd < 0 || fd > FDTABLE_FD_MAX) {
        errno = EBADF;
        return NULL;
    }
    struct fd_slot *slot = fdtable_find(fd);
    if (slot != NULL)
        return slot;
    struct fd_slot *chunk = alloc_zeroed(CHUNK_SIZE, sizeof(*chunk)), *none = NULL;
    if (chunk == NULL)
        return NULL;
    /* release: the zeroes are seen by whoever finds the chunk */
    if (!atomic_compare_exchange_strong_explicit(&chunks[fd >> CHUNK_SHIFT], &none, chunk,
                                                 memory_order_acq_rel, memory_order_acquire))
        alloc_free(chunk);
    return fdtable_find(fd);
}

int fdtable_next(int fd)
{
    while (fd <= FDTABLE_FD_MAX && fdtable_find(fd) == NULL)
        fd = (fd | (CHUNK_SIZE - 1)) + 1;
    return fd <= FDTABLE_FD_MAX ? fd : -1;
}

void fdtable_each(void (*fn)(struct fd_slot *slot, void *closure), void *closure)
{
    for (int at = 0; at < CHUNK_COUNT; at++) {
        struct fd_slot *chunk = fdtable_find(at << CHUNK_SHIFT);
        for (int i = 0; chunk != NULL && i < CHUNK_SIZE; i++)
            fn(&chunk[i], closure);
    }
}

/* True if the poller still knows the fd of this slot: it forgets one that was closed. */
static bool is_live(const struct fd_slot *slot, int fd)
{
    if (slot->interest == 0)
        return true;
    struct poller *poller = slot->loop->poller;
    uint32_t generation = atomic_load_explicit(&slot->generation, memory_order_relaxed);
    bool edge = (slot->interest & POLLER_EDGE) != 0;
    int err = poller->ops->watch(poller, fd, slot->interest, slot->interest,
                                 fd_tag(fd, generation, edge));
    return err != -ENOENT && err != -EBADF;
}

int fd_slot_enter(struct fd_slot *slot, eventer_t e, struct loop *loop, uint32_t interest)
{
    eventer_t stale = slot->event;
    bool was_edge = (slot->interest & POLLER_EDGE) != 0;
    if (stale != NULL && (stale == e || is_live(slot, e->fd)))
        return -EEXIST;
    uint32_t generation = atomic_load_explicit(&slot->generation, memory_order_relaxed) + 1;
    int err = loop->poller->ops->watch(loop->poller, e->fd, 0, interest,
                                       fd_tag(e->fd, generation, interest & POLLER_EDGE));
    if (err != 0 && err != -EPERM)
        return err;
    slot->event = e;
    slot->loop = loop;
    slot->interest = err == 0 ? interest : 0;
    atomic_store_explicit(&slot->generation, generation, memory_order_release);
    if (stale != NULL) {
        event_complain("eventer_add", stale, EBADF,
                       "its fd was closed without eventer_remove() or eventer_close()");
        if (!was_edge)
            eventer_free(stale);
    }
    return err;
}

void fd_slot_leave(struct fd_slot *slot, int fd)
{
    struct poller *poller = slot->loop->poller;
    assert(slot->event != NULL);
    if (slot->interest != 0) /* an error means that the fd was closed: nothing is left to remove */
        (void)poller->ops->watch(poller, fd, slot->interest, 0, 0);
    slot->event = NULL;
    slot->interest = 0;
    atomic_fetch_add_explicit(&slot->generation, 1, memory_order_release);
}
