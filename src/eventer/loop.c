/* SPDX-License-Identifier: MIT */
#include "eventer/loop.h"

#include "base/alloc.h"
#include "base/asan.h"
#include "base/hot.h"
#include "base/thread.h"
#include "base/topology.h"
#include "eventer/event.h"
#include "eventer/fdtable.h"
#include "eventer/props.h"
#include "eventer/wall.h"

#include <mtev_log.h>

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define RECURRENT_SLEEP_NS_MAX                                                                     \
    (200 * CLOCK_NS_PER_MS) /* with recurrent events, a turn at least so often */

const struct timeval eventer_max_sleeptime = {.tv_usec = RECURRENT_SLEEP_NS_MAX / CLOCK_NS_PER_US};

__thread struct loop *loop_self;
static struct loop_hooks hooks;

void loop_set_hooks(const struct loop_hooks *added)
{
    hooks = *added;
}

/* ---- a turn ---------------------------------------------------------------------- */

/* Until when this turn may sleep: the next timer, and not at all if something waits already. */
static uint64_t sleep_until_ns(struct loop *loop)
{
    if (loop->has_more || atomic_load_explicit(&loop->must_stop, memory_order_relaxed))
        return POLLER_AT_ONCE;
    uint64_t due_ns = wheel_next_ns(&loop->wheel);
    if (ring_is_empty(&loop->recurrents))
        return due_ns;
    uint64_t latest_ns = clock_mono_ns() + RECURRENT_SLEEP_NS_MAX;
    return due_ns < latest_ns ? due_ns : latest_ns;
}

/*
 * Wait for readiness.  The loop says that it sleeps, then looks once more for mail, and only then
 * sleeps; a sender puts its mail, then looks whether the loop sleeps.  Both are sequentially
 * consistent, so one of the two sees the other.
 */
static HOT int wait_for_readiness(struct loop *loop)
{
    uint64_t deadline_ns = sleep_until_ns(loop);
    if (deadline_ns != POLLER_AT_ONCE) {
        atomic_store(&loop->is_asleep, true); /* pairs with loop_wake() */
        if (mailbox_has_mail(&loop->mail) || atomic_load(&loop->must_stop))
            deadline_ns = POLLER_AT_ONCE;
    }
    int count = loop->poller->ops->wait(loop->poller, loop->ready, LOOP_BATCH_MAX, deadline_ns);
    atomic_store_explicit(&loop->is_asleep, false, memory_order_relaxed);
    loop->now_ns = clock_mono_ns();
    loop->has_wall = loop->has_offset = false;
    return count;
}

static void run_mail(struct loop *loop)
{
    struct queue mail = mailbox_take_all(&loop->mail);
    struct queue_node *node;
    while ((node = queue_take(&mail)) != NULL) {
        struct mail *message = list_entry(node, struct mail, node);
        message->run(message, loop);
    }
}

/*
 * One iteration: wait, fds, timers, mail, recurrent events, and then every coroutine they made
 * ready.
 */
static HOT void turn(struct loop *loop)
{
    int count = wait_for_readiness(loop);
    loop_dispatch(loop, count);
    wheel_run(&loop->wheel, loop->now_ns);
    run_mail(loop);
    if (!ring_is_empty(&loop->recurrents))
        schedule_run_recurrent(loop);
    loop->has_more = hooks.drain != NULL && hooks.drain(loop);
    /* the loop alone writes; whoever reads wants no order */
    __atomic_store_n(&loop->turns, loop->turns + 1, __ATOMIC_RELAXED);
}

HOT void loop_dispatch(struct loop *loop, int count)
{
    for (int i = 0; i < count; i++) {
        uint64_t tag = loop->ready[i].tag;
        if (tag == POLLER_TAG_WAKE)
            continue;
        if (tag == POLLER_TAG_WALL) {
            wall_was_set(loop);
            continue;
        }
        if (tag & FD_TAG_EDGE)
            edge_ready(fd_tag_fd(tag), fd_tag_generation(tag), loop->ready[i].bits);
        else
            fd_event_ready(loop, fd_tag_fd(tag), fd_tag_generation(tag), loop->ready[i].bits);
    }
}

static uint32_t awaited(uint64_t tag)
{
    return tag == POLLER_TAG_WALL ? (uint32_t)POLLIN
                                  : edge_awaited(fd_tag_fd(tag), fd_tag_generation(tag));
}

/* ---- its thread ------------------------------------------------------------------ */

struct start {
    struct loop *loop;
    struct latch done;
    int err;
};

/* Keep the loop's thread to a processor of its own, if that is wanted. */
static void bind_to_cpu(const struct loop *loop)
{
    int err = props_get()->has_affinity ? topology_bind((unsigned)loop->index) : 0;
    if (err != 0)
        mtevL(eventer_err, "%s: it cannot be kept to a processor: %s\n", loop->name,
              strerrordesc_np(-err));
}

static void *thread_main(void *arg)
{
    struct start *start = arg;
    struct loop *loop = start->loop;
    thread_set_name(loop->name);
    bind_to_cpu(loop);
    loop_self = loop;
    loop->stack_top = __builtin_frame_address(0);
    loop->thread = pthread_self();
    loop->tid = gettid();
    loop->now_ns = clock_mono_ns();
    int err = hooks.start != NULL ? hooks.start(loop) : 0;
    start->err = err;
    latch_open(&start->done); /* start is gone after this */
    if (err != 0)
        return NULL;

    while (!atomic_load_explicit(&loop->must_stop, memory_order_relaxed))
        turn(loop);
    if (hooks.stop != NULL)
        hooks.stop(loop);
    return NULL;
}

static char *room; /* for loops; NULL: none */
static size_t room_left;

void loop_set_room(void *memory, size_t size)
{
    room = memory;
    room_left = size;
}

/* A zeroed loop; NULL: no memory. */
static struct loop *take_memory(void)
{
    const size_t size = (sizeof(struct loop) + 63) & ~(size_t)63; /* no cache line is shared */
    if (room_left < size)
        return alloc_zeroed(1, sizeof(struct loop));
    struct loop *loop = (struct loop *)(void *)room;
    room += size;
    room_left -= size;
    loop->is_in_room = true;
    asan_note_root(loop, size);
    return loop;
}

static void give_memory(struct loop *loop)
{
    if (!loop->is_in_room)
        alloc_free(loop);
}

int loop_new(const char *name, struct eventer_pool *pool, int index, struct loop **out)
{
    const struct poller_ops *ops = props_poller();
    if (ops == NULL) {
        mtevL(eventer_err, "EVENTER_IMPLEMENTATION is neither epoll nor poll nor io_uring\n");
        return -EINVAL;
    }
    struct loop *loop = take_memory();
    if (loop == NULL)
        return -ENOMEM;
    int err = ops->open(&loop->poller);
    if (err != 0) {
        give_memory(loop);
        return err;
    }
    loop->poller->awaited = awaited;
    snprintf(loop->name, sizeof(loop->name), "%s", name);
    loop->pool = pool;
    loop->index = index;
    loop->wall_fd = -1;
    wheel_init(&loop->wheel, clock_mono_ns());
    ring_init(&loop->recurrents);
    *out = loop;
    return 0;
}

int loop_start(struct loop *loop)
{
    struct start start = {.loop = loop};
    pthread_t thread;
    int err = thread_ops.create(&thread, NULL, thread_main, &start);
    if (err != 0)
        return -err;
    latch_await(&start.done);
    if (start.err != 0) {
        thread_ops.join(thread, NULL);
        loop->thread = 0; /* nobody joins it again */
    }
    return start.err;
}

void loop_stop(struct loop *loop)
{
    atomic_store(&loop->must_stop, true);
    loop_wake(loop);
}

void loop_free(struct loop *loop)
{
    if (loop == NULL)
        return;
    wall_unwatch(loop);
    loop->poller->ops->close(loop->poller);
    account_fini(&loop->account);
    give_memory(loop);
}

/* ---- mail ------------------------------------------------------------------------ */

void loop_wake(struct loop *loop)
{
    /* pairs with wait_for_readiness(): only one of many senders makes the system call */
    if (atomic_load(&loop->is_asleep) && atomic_exchange(&loop->is_asleep, false))
        loop->poller->ops->wake(loop->poller);
}

void loop_post(struct loop *loop, struct mail *mail)
{
    mailbox_put(&loop->mail, &mail->node);
    if (loop != loop_self) /* it looks for mail itself before it sleeps */
        loop_wake(loop);
}

struct call {
    struct mail mail;
    void (*fn)(void *arg);
    void *arg;
    struct latch done;
};

static void run_call(struct mail *mail, struct loop *loop)
{
    struct call *call = list_entry(mail, struct call, mail);
    (void)loop;
    call->fn(call->arg);
    latch_open(&call->done); /* call is gone after this */
}

void loop_call(struct loop *loop, void (*fn)(void *arg), void *arg)
{
    struct call call = {.mail.run = run_call, .fn = fn, .arg = arg};
    if (loop == loop_self) {
        fn(arg);
        return;
    }
    assert(loop_self == NULL);
    loop_post(loop, &call.mail);
    latch_await(&call.done);
}

/* ---- its clock ------------------------------------------------------------------- */

void loop_compare_clocks(struct loop *loop)
{
    loop->wall_offset_ns = (int64_t)(clock_wall_ns() - clock_mono_ns());
    loop->has_offset = true;
}

void loop_read_wall(struct loop *loop)
{
    loop->wall = clock_timeval(clock_wall_ns());
    loop->has_wall = true;
}
