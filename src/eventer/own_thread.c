/* SPDX-License-Identifier: MIT */
/*
 * own_thread.c - an event that leaves its loop for a thread of its own, and blocks there.
 */
#include "base/alloc.h"
#include "base/thread.h"
#include "eventer/event.h"
#include "eventer/loop.h"

#include <errno.h>
#include <stdio.h>
#include <unistd.h>

struct own_thread {
    eventer_t e; /* shares a reference */
    int mask;
};

static void *thread_main(void *arg)
{
    struct own_thread own = *(struct own_thread *)arg;
    char name[THREAD_NAME_SIZE];
    void *signal_stack = thread_add_signal_stack(THREAD_SIGNAL_STACK_SIZE);
    alloc_free(arg);
    snprintf(name, sizeof(name), "dedicated/%d", (int)gettid());
    thread_set_name(name);
    while (own.mask != 0) {
        struct timeval now = clock_timeval(clock_wall_ns());
        own.mask =
            eventer_run_callback(own.e->callback, own.e, own.mask, own.e->closure, &now, NULL);
    }
    eventer_free(own.e);
    thread_drop_signal_stack(signal_stack);
    return NULL;
}

void eventer_run_in_thread(eventer_t e, int mask)
{
    if (e->kind != EVENT_FD || e->is_aco || e->callback == NULL || e->fd < 0 || mask == 0) {
        event_complain("eventer_run_in_thread", e, EINVAL,
                       mask == 0 ? "no mask to begin with" : "it is no classic event of an fd");
        return;
    }
    bool was_registered = fd_event_remove(e) != NULL;
    /* In its own callback the eventer drops its reference when that returns 0. */
    bool is_in_callback = was_registered && event_owner(e) == loop_self && e->running > 0;
    struct own_thread *own = alloc_bytes(sizeof(*own));
    int err = own == NULL ? -ENOMEM : 0;
    if (err == 0) {
        *own = (struct own_thread){.e = e, .mask = mask};
        if (is_in_callback)
            eventer_ref(e);
        (void)eventer_set_fd_blocking(e->fd);
        err = thread_start_detached(thread_main, own);
        if (err == 0)
            return;
        (void)eventer_set_fd_nonblocking(e->fd);
        if (is_in_callback)
            eventer_free(e);
        alloc_free(own);
    }
    if (was_registered)
        fd_event_add(e);
    event_complain("eventer_run_in_thread", e, -err, "it stays as it was");
}
