/* SPDX-License-Identifier: MIT */
/*
 * edge.c - events whose readiness is remembered: registered once, edge-triggered.
 *
 * The kernel reports an fd when it becomes ready, and once when it is registered while it is.  So
 * an operation is tried unless it is known that it would fail, and nobody waits before a try said
 * EAGAIN (or a stream gave less than was asked for): no edge can be missed.
 */
#include "base/hot.h"
#include "eventer/fdtable.h"
#include "eventer/loop.h"

#include <assert.h>
#include <sys/socket.h>

int edge_register(eventer_t e, void (*on_ready)(eventer_t e, uint32_t poll_bits))
{
    struct event_edge *edge = &e->edge;
    assert(e->kind == EVENT_FD && event_owner(e) == loop_self);
    if (edge->on_ready != NULL) {
        edge->on_ready = on_ready;
        return 0;
    }
    struct fd_slot *slot = fdtable_slot(e->fd);
    if (slot == NULL)
        return -errno;
    fd_slot_lock(slot);
    int err = fd_slot_enter(slot, e, loop_self,
                            POLLIN | POLLPRI | POLLRDHUP | POLLER_EDGE |
                                (edge->wants_out ? (uint32_t)POLLOUT : 0));
    fd_slot_unlock(slot);
    if (err == 0) {
        edge->on_ready = on_ready;
        return 0;
    }
    if (err == -EPERM)
        edge_unregister(e);
    return err;
}

void edge_unregister(eventer_t e)
{
    struct fd_slot *slot = fdtable_find(e->fd);
    if (slot != NULL) {
        fd_slot_lock(slot);
        if (slot->event == e)
            fd_slot_leave(slot, e->fd);
        fd_slot_unlock(slot);
    }
    e->edge.on_ready = NULL;
    e->edge.may_read = e->edge.may_recv = e->edge.may_write = true;
    e->edge.crosses = false;
    e->edge.sticky = 0;
}

int edge_want_out(eventer_t e)
{
    struct fd_slot *slot = fdtable_find(e->fd);
    if (e->edge.wants_out)
        return 0;
    if (e->edge.on_ready != NULL && slot != NULL) {
        uint32_t wanted = slot->interest | POLLOUT;
        uint32_t generation = atomic_load_explicit(&slot->generation, memory_order_relaxed);
        struct poller *poller = slot->loop->poller;
        int err = poller->ops->watch(poller, e->fd, slot->interest, wanted,
                                     fd_tag(e->fd, generation, true));
        if (err != 0)
            return err;
        slot->interest = wanted;
    }
    e->edge.wants_out = true;
    return 0;
}

HOT void edge_ready(int fd, uint32_t generation, uint32_t poll_bits)
{
    struct fd_slot *slot = fdtable_find(fd);
    if (slot == NULL || atomic_load_explicit(&slot->generation, memory_order_relaxed) != generation)
        return; /* closed, or unregistered, after this report was fetched */
    eventer_t e = slot->event;
    const uint32_t stays = POLLRDHUP | POLLHUP | POLLERR | POLLPRI;
    if (__builtin_expect(e->edge.crosses, 0)) { /* whoever waits tries again, for what it wants */
        e->edge.crosses = false;
        poll_bits |= POLLIN | POLLOUT;
    }
    if (poll_bits & (POLLIN | stays))
        e->edge.may_read = e->edge.may_recv = true;
    if (poll_bits & (POLLOUT | POLLHUP | POLLERR))
        e->edge.may_write = true;
    e->edge.sticky |= (uint16_t)(poll_bits & stays);
    e->edge.on_ready(e, poll_bits);
}

/*
 * Nobody waits before a try said that there is nothing left, so what counts as ready needs no
 * report.  Hang-ups and errors are news to whoever waits, and once to everybody.
 */
uint32_t edge_awaited(int fd, uint32_t generation)
{
    const struct fd_slot *slot = fdtable_find(fd);
    if (slot == NULL || atomic_load_explicit(&slot->generation, memory_order_relaxed) != generation)
        return 0;
    const struct event_edge *edge = &slot->event->edge;
    const uint32_t ends = POLLERR | POLLHUP;
    uint32_t bits = (edge->may_read ? 0 : POLLIN | ends) | (edge->may_write ? 0 : POLLOUT | ends);
    if ((edge->sticky & ends) == 0)
        bits |= (POLLPRI | POLLRDHUP | ends) & ~(uint32_t)edge->sticky;
    return bits;
}
