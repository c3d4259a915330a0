/* SPDX-License-Identifier: MIT */
/*
 * register.c - eventer_add() and its kin: each kind of event to its own file, and triggers to the
 * loop that owns the event.
 */
#include "base/alloc.h"
#include "eventer/event.h"
#include "eventer/fdtable.h"
#include "eventer/loop.h"
#include "eventer/pool.h"

#include <errno.h>

eventer_t eventer_find_fd(int fd)
{
    struct fd_slot *slot = fdtable_find(fd);
    if (slot == NULL)
        return NULL;
    fd_slot_lock(slot);
    eventer_t e = slot->event;
    fd_slot_unlock(slot);
    return e;
}

/* What is no timer of the calling loop, or cannot be added. */
static __attribute__((noinline)) void add_other(eventer_t e)
{
    if (event_owner(e) == NULL)
        event_set_owner(e, loop_self != NULL ? loop_self : pool_first_loop());
    if (event_owner(e) == NULL || e->callback == NULL || e->is_aco) {
        event_complain("eventer_add", e, EINVAL,
                       e->is_aco             ? "it belongs to a coroutine"
                       : e->callback == NULL ? "it has no callback"
                                             : "eventer_init() was not called");
        return;
    }
    if (e->kind == EVENT_ASYNCH)
        eventer_add_asynch(NULL, e);
    else if (e->kind == EVENT_FD)
        fd_event_add(e);
    else
        schedule_add(e);
}

void eventer_add(eventer_t e)
{
    struct loop *self = loop_self;
    if (self != NULL && event_owner(e) == self && e->kind == EVENT_TIMER && !e->is_aco &&
        e->callback != NULL)
        schedule_add_timer(self, e);
    else
        add_other(e);
}

/* Of an event for an fd, or of what cannot be removed. */
static __attribute__((noinline)) eventer_t remove_other(eventer_t e)
{
    if (e->kind == EVENT_ASYNCH) {
        event_complain("eventer_remove", e, EINVAL, "a job cannot be removed");
        return NULL;
    }
    if (!e->is_aco && e->edge.on_ready != NULL) /* it is of a layer above, such as HTTP */
        return NULL;
    if (!e->is_aco)
        return fd_event_remove(e);
    if (e->edge.on_ready == NULL || event_owner(e) != loop_self)
        return NULL;
    edge_unregister(e);
    return e;
}

eventer_t eventer_remove(eventer_t e)
{
    if (e == NULL)
        return NULL;
    if (e->kind == EVENT_TIMER || e->kind == EVENT_RECURRENT)
        return schedule_remove(e);
    return remove_other(e);
}

eventer_t eventer_remove_fd(int fd)
{
    eventer_t e = eventer_find_fd(fd);
    return e == NULL ? NULL : eventer_remove(e);
}

void eventer_update(eventer_t e, int mask)
{
    if (e->kind == EVENT_FD && !e->is_aco)
        fd_event_update(e, mask);
    else if (e->kind == EVENT_TIMER)
        eventer_update_whence(e, e->whence);
    else
        event_complain("eventer_update", e, EINVAL, "it waits for nothing that could change");
}

/* ---- triggers -------------------------------------------------------------------- */

struct trigger {
    struct mail mail;
    eventer_t e; /* shares a reference */
    int mask;
};

static void trigger_now(struct loop *loop, eventer_t e, int mask)
{
    if (e->edge.on_ready != NULL || e->is_aco) {
        uint32_t bits = (mask & EVENTER_READ ? POLLIN : 0u) |
                        (mask & EVENTER_WRITE ? POLLOUT : 0u) |
                        (mask & EVENTER_EXCEPTION ? POLLIN | POLLOUT : 0u);
        e->edge.may_read = e->edge.may_write = true;
        if (e->edge.on_ready != NULL)
            e->edge.on_ready(e, bits | EDGE_TRIGGERED);
        return;
    }
    fd_event_trigger(loop, e, mask);
}

static void run_trigger(struct mail *mail, struct loop *loop)
{
    struct trigger *trigger = list_entry(mail, struct trigger, mail);
    struct loop *owner = event_owner(trigger->e);
    if (owner != loop) { /* e has moved since */
        loop_post(owner, mail);
        return;
    }
    trigger_now(loop, trigger->e, trigger->mask);
    eventer_free(trigger->e);
    alloc_free(trigger);
}

void eventer_trigger(eventer_t e, int mask)
{
    struct loop *owner = event_owner(e);
    if (e->kind != EVENT_FD || owner == NULL) {
        event_complain("eventer_trigger", e, EINVAL,
                       owner == NULL ? "eventer_init() was not called" : "it is no fd event");
        return;
    }
    if (owner == loop_self && e->running == 0) {
        trigger_now(owner, e, mask);
        return;
    }
    struct trigger *trigger = alloc_bytes(sizeof(*trigger));
    if (trigger == NULL) {
        event_complain("eventer_trigger", e, ENOMEM, "the trigger is lost");
        return;
    }
    trigger->mail.run = run_trigger;
    trigger->e = e;
    trigger->mask = mask & (int)~EVENTER_CROSS_THREAD_TRIGGER;
    eventer_ref(e);
    loop_post(owner, &trigger->mail);
}
