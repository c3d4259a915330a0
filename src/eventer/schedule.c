/* SPDX-License-Identifier: MIT */
/*
 * schedule.c - timers and recurrent events: put on their loop's wheel or ring by that loop, and by
 * mail from other threads.  The states are drawn in event.h; the loop's thread alone links and
 * unlinks.
 *
 * Whoever takes e from POSTED or ARMED to another state decides its fate: the loop when it fires,
 * or the one who removes it.  So a removed event never runs, and each remove succeeds once.
 */
#include "base/alloc.h"
#include "base/clock.h"
#include "base/hot.h"
#include "eventer/asynch.h"
#include "eventer/event.h"
#include "eventer/loop.h"
#include "eventer/wall.h"

#include <assert.h>
#include <errno.h>

struct schedule_mail {
    struct mail mail;
    eventer_t e;           /* shares a reference */
    bool has_whence;       /* e is to be due at another time */
    struct timeval whence; /* which the loop's thread alone writes while e is registered */
};

static bool take_state(eventer_t e, uint8_t from, uint8_t to)
{
    return atomic_compare_exchange_strong_explicit(&e->schedule, &from, to, memory_order_acq_rel,
                                                   memory_order_acquire);
}

/* When e is due by the clock of loop, its own. */
static uint64_t due_of(struct loop *loop, eventer_t e)
{
    if (e->is_monotonic)
        return e->timer.due_ns;
    int64_t due_ns = (int64_t)clock_duration_ns(&e->whence) - loop_wall_offset_ns(loop);
    if (due_ns <= (int64_t)loop->now_ns)
        return loop->now_ns;
    if (loop->wall_fd < 0)
        wall_watch(loop);
    return (uint64_t)due_ns;
}

static void fire(struct wheel_node *node)
{
    eventer_t e = list_entry(node, struct _event, timer);
    if (!take_state(e, SCHEDULE_ARMED, SCHEDULE_FIRING))
        return; /* removed by another thread, whose mail is on its way */

    e->is_monotonic = false; /* what it returns to is its whence, unless it is set anew */
    eventer_ref(e);
    if (event_run(loop_self, e, EVENTER_TIMER) == 0) {
        (void)take_state(e, SCHEDULE_FIRING, SCHEDULE_IDLE);
        eventer_free(e);
    } else if (atomic_load_explicit(&e->schedule, memory_order_relaxed) == SCHEDULE_FIRING) {
        schedule_add(e);
    }
    eventer_free(e);
}

/* The same as arm_timer(), and the clocks may have to be looked at before. */
static __attribute__((noinline)) void arm_first(struct loop *loop, eventer_t e)
{
    wheel_add(&loop->wheel, &e->timer, due_of(loop, e));
}

static inline void arm_timer(struct loop *loop, eventer_t e)
{
    e->timer.fire = fire;
    if (loop->has_offset && loop->wall_fd >= 0) /* due_of() calls nobody */
        wheel_add(&loop->wheel, &e->timer, due_of(loop, e));
    else
        arm_first(loop, e);
}

/* In e's loop: link it. */
static void arm(struct loop *loop, eventer_t e)
{
    if (e->kind == EVENT_TIMER)
        arm_timer(loop, e);
    else if (!ring_is_linked(&e->timer.link))
        ring_add_tail(&loop->recurrents, &e->timer.link);
}

eventer_t schedule_event_of(struct wheel_node *node)
{
    return node->fire == fire ? list_entry(node, struct _event, timer) : NULL;
}

static void take_by_wall_clock(struct wheel_node *node, void *taken)
{
    const struct _event *e = schedule_event_of(node);
    if (e == NULL || e->is_monotonic)
        return;
    ring_remove(&node->link);
    ring_add_tail(taken, &node->link);
}

void schedule_wall_was_set(struct loop *loop)
{
    struct ring moved;
    ring_init(&moved);
    wheel_each(&loop->wheel, take_by_wall_clock, &moved);
    while (!ring_is_empty(&moved))
        arm(loop, list_entry(moved.next, struct _event, timer.link));
}

static void run_mail(struct mail *mail, struct loop *loop)
{
    struct schedule_mail *message = list_entry(mail, struct schedule_mail, mail);
    eventer_t e = message->e;
    if (message->has_whence) {
        e->whence = message->whence;
        e->is_monotonic = false;
    }
    if (take_state(e, SCHEDULE_POSTED, SCHEDULE_ARMED))
        arm(loop, e);
    else if (take_state(e, SCHEDULE_CANCELLED, SCHEDULE_IDLE))
        wheel_cancel(&e->timer); /* or the recurrent's place on its ring: the node is the same */
    else if (atomic_load(&e->schedule) == SCHEDULE_ARMED && e->kind == EVENT_TIMER)
        arm(loop, e); /* its whence changed */
    alloc_free(message);
    eventer_free(e);
}

/* Return a message about e that is ready for post(), or NULL. */
static struct schedule_mail *message_new(eventer_t e)
{
    struct schedule_mail *message = alloc_zeroed(1, sizeof(*message));
    if (message == NULL)
        return NULL;
    message->mail.run = run_mail;
    message->e = e;
    eventer_ref(e);
    return message;
}

static void post(struct schedule_mail *message)
{
    loop_post(event_owner(message->e), &message->mail);
}

/*
 * Among a million timers, what an add or a remove costs is the wait for memory.  A processor that
 * looks some 250 instructions ahead finds the next timer to wait for at the same time, if there are
 * no more between the two.  So what the loop's own thread asks for takes few, and what needs mail
 * has functions of its own.
 */

static COLD void add_elsewhere(eventer_t e)
{
    struct schedule_mail *message = message_new(e);
    if (message == NULL) {
        (void)take_state(e, SCHEDULE_FIRING, SCHEDULE_IDLE);
        event_complain("eventer_add", e, ENOMEM, "not added");
        return;
    }
    atomic_store_explicit(&e->schedule, SCHEDULE_POSTED, memory_order_release);
    post(message);
}

static bool is_scheduled(eventer_t e)
{
    uint8_t state = atomic_load_explicit(&e->schedule, memory_order_acquire);
    return state == SCHEDULE_POSTED || state == SCHEDULE_ARMED;
}

void schedule_add(eventer_t e)
{
    if (is_scheduled(e)) {
        event_complain("eventer_add", e, EEXIST, "it is registered already");
    } else if (event_owner(e) != loop_self) {
        add_elsewhere(e);
    } else {
        atomic_store_explicit(&e->schedule, SCHEDULE_ARMED, memory_order_release);
        arm(loop_self, e);
    }
}

void schedule_add_timer(struct loop *loop, eventer_t e)
{
    if (is_scheduled(e)) {
        schedule_add(e); /* complains */
        return;
    }
    atomic_store_explicit(&e->schedule, SCHEDULE_ARMED, memory_order_release);
    arm_timer(loop, e);
}

static COLD eventer_t remove_elsewhere(eventer_t e)
{
    if (take_state(e, SCHEDULE_POSTED, SCHEDULE_CANCELLED))
        return e; /* the mail that would have armed it finds it so */
    if (atomic_load_explicit(&e->schedule, memory_order_acquire) != SCHEDULE_ARMED)
        return NULL;
    struct schedule_mail *message = message_new(e); /* first: once cancelled, it must be unlinked */
    if (message == NULL) {
        event_complain("eventer_remove", e, ENOMEM, "not removed");
        return NULL;
    }
    if (!take_state(e, SCHEDULE_ARMED, SCHEDULE_CANCELLED)) { /* it fires */
        eventer_free(e);
        alloc_free(message);
        return NULL;
    }
    post(message);
    return e;
}

eventer_t schedule_remove(eventer_t e)
{
    if (event_owner(e) != loop_self)
        return remove_elsewhere(e);
    if (take_state(e, SCHEDULE_ARMED, SCHEDULE_IDLE)) {
        wheel_cancel(&e->timer);
        return e;
    }
    return take_state(e, SCHEDULE_POSTED, SCHEDULE_CANCELLED) ? e : NULL;
}

/* Of a job, of another loop's timer, or of what has none. */
static COLD void update_elsewhere(eventer_t e, struct timeval whence)
{
    if (e->kind == EVENT_ASYNCH && asynch_update_whence(e, whence))
        return;
    if (e->kind != EVENT_TIMER) {
        event_complain("eventer_update_whence", e, EINVAL,
                       "it is no timer, and no job that its deadline leaves alone");
        return;
    }
    struct schedule_mail *message = message_new(e);
    if (message == NULL) {
        event_complain("eventer_update_whence", e, ENOMEM, "it fires at its old time");
        return;
    }
    message->whence = whence;
    message->has_whence = true;
    post(message);
}

void eventer_update_whence(eventer_t e, struct timeval whence)
{
    uint8_t state = atomic_load_explicit(&e->schedule, memory_order_acquire);
    if (e->kind != EVENT_TIMER || (state != SCHEDULE_IDLE && event_owner(e) != loop_self)) {
        update_elsewhere(e, whence);
        return;
    }
    e->whence = whence;
    e->is_monotonic = false;
    if (state == SCHEDULE_ARMED)
        arm(loop_self, e);
}

/* Run every recurrent event there is now; their callbacks may add and remove any. */
void schedule_run_recurrent(struct loop *loop)
{
    struct ring now;
    if (ring_is_empty(&loop->recurrents))
        return;
    now = loop->recurrents;
    now.next->prev = now.prev->next = &now;
    ring_init(&loop->recurrents);
    while (!ring_is_empty(&now)) {
        eventer_t e = list_entry(now.next, struct _event, timer.link);
        ring_remove(&e->timer.link);
        ring_add_tail(&loop->recurrents, &e->timer.link);
        if (atomic_load_explicit(&e->schedule, memory_order_acquire) != SCHEDULE_ARMED)
            continue;
        eventer_ref(e);
        event_run(loop, e, EVENTER_RECURRENT);
        eventer_free(e);
    }
}

/* ---- helpers --------------------------------------------------------------------- */

eventer_t eventer_at(eventer_func_t func, void *closure, struct timeval whence)
{
    return eventer_alloc_timer(func, closure, &whence);
}

static eventer_t added(eventer_t e)
{
    if (e != NULL)
        eventer_add(e);
    return e;
}

eventer_t eventer_add_at(eventer_func_t func, void *closure, struct timeval whence)
{
    return added(eventer_at(func, closure, whence));
}

/* The wall clock so much later than now, or than this turn of the loop began. */
static struct timeval whence_in(uint64_t wait_ns)
{
    uint64_t now_ns = loop_self == NULL ? clock_wall_ns() : clock_duration_ns(loop_wall(loop_self));
    return clock_timeval(now_ns + wait_ns);
}

eventer_t eventer_in(eventer_func_t func, void *closure, struct timeval diff)
{
    uint64_t wait_ns = clock_duration_ns(&diff);
    eventer_t e = eventer_alloc_timer(func, closure, NULL);
    if (e != NULL) {
        e->whence = whence_in(wait_ns); /* to be looked at; it is the other clock that decides */
        e->is_monotonic = true;
        e->timer.due_ns = clock_mono_ns() + wait_ns;
    }
    return e;
}

eventer_t eventer_add_in(eventer_func_t func, void *closure, struct timeval diff)
{
    return added(eventer_in(func, closure, diff));
}

static struct timeval duration(unsigned long seconds, unsigned long microseconds)
{
    if (seconds > INT64_MAX / 2) /* a time_t holds it, and more is not waited for anyway */
        seconds = INT64_MAX / 2;
    return (struct timeval){.tv_sec = (time_t)(seconds + microseconds / 1000000),
                            .tv_usec = (suseconds_t)(microseconds % 1000000)};
}

eventer_t eventer_in_s_us(eventer_func_t func, void *closure, unsigned long seconds,
                          unsigned long microseconds)
{
    return eventer_in(func, closure, duration(seconds, microseconds));
}

eventer_t eventer_add_in_s_us(eventer_func_t func, void *closure, unsigned long seconds,
                              unsigned long microseconds)
{
    return eventer_add_in(func, closure, duration(seconds, microseconds));
}

eventer_t eventer_alloc_timer_next_opportunity(eventer_func_t func, void *closure, pthread_t owner)
{
    eventer_t e = eventer_alloc_timer(func, closure, NULL);
    if (e != NULL)
        eventer_set_owner(e, owner);
    return e;
}

eventer_t eventer_add_timer_next_opportunity(eventer_func_t func, void *closure, pthread_t owner)
{
    return added(eventer_alloc_timer_next_opportunity(func, closure, owner));
}
