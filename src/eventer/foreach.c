/* SPDX-License-Identifier: MIT */
/*
 * foreach.c - every registered event, shown in the thread of its loop.
 *
 * What is shown may remove, close or free what it likes: it is held by a reference meanwhile, and
 * the timers of a loop are collected before the first of them is shown.
 */
#include "eventer/foreach.h"

#include "base/alloc.h"
#include "eventer/event.h"
#include "eventer/fdtable.h"
#include "eventer/visit.h"

#include <assert.h>
#include <errno.h>
#include <string.h>

struct showing {
    void (*fn)(eventer_t e, void *closure);
    void *closure;
    eventer_t *timers; /* of the present loop; owned: count of them, room for capacity */
    size_t count, capacity;
    bool is_out_of_memory;
};

/* Take a reference, unless the last one is being dropped. */
static bool ref_if_alive(eventer_t e)
{
    uint32_t refs = atomic_load_explicit(&e->refs, memory_order_relaxed);
    while (refs != 0)
        if (atomic_compare_exchange_weak_explicit(&e->refs, &refs, refs + 1, memory_order_relaxed,
                                                  memory_order_relaxed))
            return true;
    return false;
}

/* The event that is registered for fd with loop, with a reference; or NULL. */
static eventer_t event_of(struct fd_slot *slot, const struct loop *loop)
{
    eventer_t e = NULL;
    fd_slot_lock(slot);
    if (slot->event != NULL && slot->loop == loop && ref_if_alive(slot->event))
        e = slot->event;
    fd_slot_unlock(slot);
    return e;
}

static void show_fd(struct fd_slot *slot, void *closure)
{
    struct showing *showing = closure;
    eventer_t e = event_of(slot, loop_self);
    if (e == NULL)
        return;
    showing->fn(e, showing->closure);
    eventer_free(e);
}

static bool show_fds(struct loop *loop, void *closure)
{
    (void)loop;
    fdtable_each(show_fd, closure);
    return true;
}

static void collect(struct wheel_node *node, void *closure)
{
    struct showing *showing = closure;
    eventer_t e = schedule_event_of(node);
    if (e == NULL || showing->is_out_of_memory)
        return;
    if (showing->count == showing->capacity) {
        size_t capacity = showing->capacity == 0 ? 64 : showing->capacity * 2;
        eventer_t *timers = alloc_resize(showing->timers, capacity * sizeof(*timers));
        if (timers == NULL) {
            showing->is_out_of_memory = true;
            return;
        }
        showing->timers = timers;
        showing->capacity = capacity;
    }
    eventer_ref(e);
    showing->timers[showing->count++] = e;
}

static bool show_timers(struct loop *loop, void *closure)
{
    struct showing *showing = closure;
    showing->count = 0;
    wheel_each(&loop->wheel, collect, showing);
    for (size_t i = 0; i < showing->count; i++) {
        eventer_t e = showing->timers[i];
        if (atomic_load_explicit(&e->schedule, memory_order_acquire) == SCHEDULE_ARMED)
            showing->fn(e, showing->closure);
        eventer_free(e);
    }
    return !showing->is_out_of_memory;
}

static void show(const char *call, struct showing *showing,
                 bool (*visit)(struct loop *loop, void *closure))
{
    int err = showing->fn == NULL
                  ? -EINVAL
                  : visit_loops(&(struct visitor){
                        .visit = visit, .closure = showing, .wait_ns = VISIT_WAIT_NS});
    alloc_free(showing->timers);
    if (showing->is_out_of_memory)
        err = -ENOMEM;
    if (err == 0)
        return;
    errno = -err;
    mtevL(eventer_err, "%s: %s\n", call,
          err == -EBUSY       ? "a list is made already"
          : err == -ETIMEDOUT ? "a loop is busy; its events are left out"
                              : strerror(-err));
}

void eventer_foreach_fdevent(void (*fn)(eventer_t e, void *closure), void *closure)
{
    struct showing showing = {.fn = fn, .closure = closure};
    show("eventer_foreach_fdevent", &showing, show_fds);
}

void eventer_foreach_timedevent(void (*fn)(eventer_t e, void *closure), void *closure)
{
    struct showing showing = {.fn = fn, .closure = closure};
    show("eventer_foreach_timedevent", &showing, show_timers);
}

/* ---- a part at a time ------------------------------------------------------------ */

struct part {
    void (*fn)(eventer_t e, void *closure);
    void *closure;
    unsigned shown;
};

uint64_t foreach_fds_from(uint64_t from, void (*fn)(eventer_t e, int fd, void *closure),
                          void *closure)
{
    int fd = fdtable_next((int)from);
    unsigned shown = 0, looked_at = 0;
    while (fd >= 0 && shown < FOREACH_PART_MAX && looked_at++ < FOREACH_FDS_MAX) {
        eventer_t e = event_of(fdtable_find(fd), loop_self);
        if (e != NULL) {
            fn(e, fd, closure);
            eventer_free(e);
            shown++;
        }
        fd = fdtable_next(fd + 1);
    }
    return fd < 0 ? FOREACH_END : (uint64_t)fd;
}

static void show_timer(struct wheel_node *node, void *closure)
{
    struct part *part = closure;
    eventer_t e = schedule_event_of(node);
    if (e == NULL || atomic_load_explicit(&e->schedule, memory_order_acquire) != SCHEDULE_ARMED)
        return;
    part->fn(e, part->closure);
    part->shown++;
}

uint64_t foreach_timers_from(uint64_t from, void (*fn)(eventer_t e, void *closure), void *closure)
{
    struct part part = {.fn = fn, .closure = closure};
    static_assert(FOREACH_END == WHEEL_NEVER, "what the wheel says is handed on");
    do
        from = wheel_each_from(&loop_self->wheel, from, show_timer, &part);
    while (from != WHEEL_NEVER && part.shown < FOREACH_PART_MAX);
    return from;
}
