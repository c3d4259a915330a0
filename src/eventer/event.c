/* SPDX-License-Identifier: MIT */
#include "eventer/event.h"

#include "base/alloc.h"
#include "base/hot.h"
#include "eventer/loop.h"
#include "eventer/pool.h"

#include <assert.h>
#include <errno.h>
#include <string.h>

static _Atomic int64_t made, freed;
static const struct eventer_fd_opset *first_opset = &posix_opset;

void event_set_opset(const struct eventer_fd_opset *opset)
{
    first_opset = opset;
}

__thread eventer_t event_this;
mtev_log_stream_t eventer_err, eventer_deb;

static enum event_kind kind_of(int mask)
{
    if (mask & EVENTER_ASYNCH_D)
        return EVENT_ASYNCH;
    if (mask & EVENTER_RECURRENT)
        return EVENT_RECURRENT;
    if (mask & EVENTER_TIMER)
        return EVENT_TIMER;
    return EVENT_FD;
}

/* The part of e that depends on its kind, which must fit its mask. */
static int fill_kind(eventer_t e)
{
    e->kind = (uint8_t)kind_of(e->mask);
    if (e->kind == EVENT_FD)
        e->edge = (struct event_edge){.may_read = true, .may_recv = true, .may_write = true};
    else if (e->kind == EVENT_ASYNCH)
        e->job = async_job_new(e);
    else
        memset(&e->timer, 0, sizeof(e->timer));
    return e->kind == EVENT_ASYNCH && e->job == NULL ? -ENOMEM : 0;
}

static eventer_t make(eventer_func_t func, void *closure, int fd, int mask)
{
    const uint8_t contexts = contexts_count();
    const size_t size = sizeof(struct _event) + contexts * sizeof(void *);
    eventer_t e = alloc_bytes(size); /* calloc(3) would pass malloc's own cache by */
    if (e == NULL)
        return NULL;
    memset(e, 0, size);
    atomic_init(&e->refs, 1);
    e->context_count = contexts;
    e->fd = fd;
    atomic_init(&e->mask, mask);
    e->callback = func;
    e->closure = closure;
    e->opset = e->wire = first_opset;
    event_set_owner(e, loop_self != NULL ? loop_self : pool_first_loop());
    if (fill_kind(e) != 0) {
        alloc_free(e);
        return NULL;
    }
    atomic_fetch_add_explicit(&made, 1, memory_order_relaxed);
    if (contexts > 0)
        contexts_init(e);
    return e;
}

eventer_t eventer_alloc(void)
{
    return make(NULL, NULL, -1, 0);
}

eventer_t eventer_alloc_copy(eventer_t src)
{
    eventer_t e = make(src->callback, src->closure, src->fd, src->mask);
    if (e == NULL)
        return NULL;
    event_set_owner(e, event_owner(src));
    e->opset = e->wire = src->wire;
    e->wire_state = src->wire_state;
    e->whence = src->whence;
    e->is_monotonic = src->is_monotonic;
    e->guest = src->guest;
    if (e->kind == EVENT_FD)
        e->edge.is_stream = src->edge.is_stream;
    atomic_init(&e->is_file, atomic_load_explicit(&src->is_file, memory_order_relaxed));
    if (e->kind == EVENT_TIMER)
        e->timer.due_ns = src->timer.due_ns;
    if (e->kind == EVENT_ASYNCH)
        async_job_set_deadline(e->job, async_job_deadline_ns(src->job));
    if (e->guest != NULL)
        e->guest->take(e->guest);
    if (e->context_count > 0)
        contexts_copy(e, src);
    return e;
}

eventer_t eventer_alloc_fd(eventer_func_t func, void *closure, int fd, int mask)
{
    const int fd_bits = EVENTER_READ | EVENTER_WRITE | EVENTER_EXCEPTION;
    if ((mask & ~fd_bits) != 0 || fd < 0 || func == NULL) {
        errno = EINVAL;
        return NULL;
    }
    return make(func, closure, fd, mask);
}

eventer_t eventer_alloc_timer(eventer_func_t func, void *closure, struct timeval *whence)
{
    eventer_t e = make(func, closure, -1, EVENTER_TIMER);
    if (e != NULL && whence != NULL)
        e->whence = *whence;
    return e;
}

eventer_t eventer_alloc_recurrent(eventer_func_t func, void *closure)
{
    return make(func, closure, -1, EVENTER_RECURRENT);
}

eventer_t eventer_alloc_asynch(eventer_func_t func, void *closure)
{
    return make(func, closure, -1, EVENTER_ASYNCH);
}

HOT void eventer_ref(eventer_t e)
{
    atomic_fetch_add_explicit(&e->refs, 1, memory_order_relaxed);
}

/* Nobody holds e any more. */
static __attribute__((noinline)) void end(eventer_t e)
{
    if (e->context_count > 0)
        contexts_deinit(e);
    if (e->kind == EVENT_FD) {
        if (e->edge.on_ready != NULL)
            edge_unregister(e);
        chain_remove(&e->belongs);
        alloc_free(e->timeouts);
    }
    if (e->kind == EVENT_ASYNCH)
        async_job_free(e->job);
    if (e->guest != NULL)
        e->guest->drop(e->guest);
    alloc_free(e);
    atomic_fetch_add_explicit(&freed, 1, memory_order_relaxed);
}

HOT mtev_boolean eventer_free(eventer_t e)
{
    if (e == NULL)
        return mtev_false;
    /* release what was written here; the last one acquires it before it frees */
    uint32_t before = atomic_fetch_sub_explicit(&e->refs, 1, memory_order_acq_rel);
    assert(before > 0);
    if (__builtin_expect(before != 1, 1))
        return mtev_false;
    end(e);
    return mtev_true;
}

int eventer_get_fd(eventer_t e)
{
    return e->fd;
}

int eventer_get_mask(eventer_t e)
{
    return e->mask;
}

int event_become(eventer_t e, int mask)
{
    if (kind_of(mask) == (enum event_kind)e->kind) {
        e->mask = mask;
        return 0;
    }
    struct _event before = *e;
    e->mask = mask;
    if (fill_kind(e) != 0) {
        e->mask = before.mask;
        e->kind = before.kind;
        e->job = before.job;
        event_complain("eventer_set_mask", e, ENOMEM, "it keeps its kind");
        return -ENOMEM;
    }
    if (before.kind == EVENT_ASYNCH)
        async_job_free(before.job);
    return 0;
}

void eventer_set_mask(eventer_t e, int mask)
{
    (void)event_become(e, mask);
}

struct timeval eventer_get_whence(eventer_t e)
{
    return e->whence;
}

eventer_func_t eventer_get_callback(eventer_t e)
{
    return e->callback;
}

void eventer_set_callback(eventer_t e, eventer_func_t func)
{
    e->callback = func;
}

void *eventer_get_closure(eventer_t e)
{
    return e->closure;
}

void eventer_set_closure(eventer_t e, void *closure)
{
    e->closure = closure;
}

pthread_t eventer_get_owner(eventer_t e)
{
    struct loop *owner = event_owner(e);
    return owner == NULL ? (pthread_t)0 : owner->thread;
}

void eventer_set_owner(eventer_t e, pthread_t owner)
{
    struct loop *loop = pool_loop_of(owner);
    uint8_t schedule = atomic_load_explicit(&e->schedule, memory_order_acquire);
    const char *why = NULL;
    if (loop == NULL)
        why = "that thread is no loop";
    else if (e->is_aco)
        why = "a coroutine's event stays with it";
    else if (e->kind == EVENT_FD && e->running == 0 && eventer_find_fd(e->fd) == e)
        why = "it is registered, and this is not its callback";
    else if (schedule != SCHEDULE_IDLE &&
             (schedule != SCHEDULE_FIRING || event_owner(e) != loop_self))
        why = "it is registered, or its removal is on its way"; /* linked in its loop */
    if (why != NULL)
        event_complain("eventer_set_owner", e, EINVAL, why);
    else
        event_set_owner(e, loop);
}

int64_t eventer_allocations_current(void)
{
    int64_t gone = atomic_load(&freed); /* first, so that it is never more than were made */
    return atomic_load(&made) - gone;
}

int64_t eventer_allocations_total(void)
{
    return atomic_load(&made);
}

HOT int eventer_run_callback(eventer_func_t func, eventer_t e, int mask, void *closure,
                             struct timeval *now, uint64_t *ret_duration_ns)
{
    const uint64_t begun_ns = ret_duration_ns == NULL ? 0 : clock_mono_ns();
    const eventer_t outer = event_this;
    event_this = e;
    if (e->context_count > 0)
        contexts_prepare(e, mask, closure, now);
    int wanted = func(e, mask, closure, now);
    if (e->context_count > 0)
        contexts_clean_up(e, mask);
    event_this = outer;
    if (ret_duration_ns != NULL)
        *ret_duration_ns = clock_mono_ns() - begun_ns;
    return wanted;
}

static __attribute__((noinline)) int run_counted(struct loop *loop, eventer_t e, int mask)
{
    struct account_span span;
    const int fd = e->fd;
    account_begin(&span, loop, (const void *)(uintptr_t)e->callback, EVENTER_CALLBACK_EVENT);
    e->running++;
    int wanted = eventer_run_callback(e->callback, e, mask, e->closure, loop_wall(loop), NULL);
    e->running--;
    account_end(&span, fd);
    return wanted;
}

HOT int event_run(struct loop *loop, eventer_t e, int mask)
{
    if (account_is_kept())
        return run_counted(loop, e, mask);
    e->running++;
    int wanted = eventer_run_callback(e->callback, e, mask, e->closure, loop_wall(loop), NULL);
    e->running--;
    return wanted;
}

static __attribute__((constructor)) void make_streams(void)
{
    eventer_err = mtev_log_stream_find("error/eventer");
    eventer_deb = mtev_log_stream_find("debug/eventer");
}

void event_complain(const char *call, eventer_t e, int err, const char *why)
{
    mtevL(eventer_err, "%s: %s (fd %d): %s%s%s\n", call,
          e->callback == NULL ? "(no callback)" : eventer_name_for_callback(e->callback), e->fd,
          why, *why != '\0' ? ": " : "", strerror(err));
    errno = err;
}
