/* SPDX-License-Identifier: MIT */
/*
 * asynch.c - blocking work for a coroutine: out to a job queue, back by mail.
 *
 * What the caller hands over may point into its stack.  Then the stack is pinned until the work is
 * done (coro_stack in home_impl.h), and the function's later coroutines get stacks of their own.
 */
#include "eventer/asynch.h"
#include "base/alloc.h"
#include "base/spin.h"
#include "coro/coro.h"
#include "coro/gate_impl.h"
#include "coro/home_impl.h"
#include "eventer/event.h"

#include <assert.h>

enum job_kind {
    JOB_SIMPLE = 1,
    JOB_ASYNCH,
    JOB_EVENT
};

/* What is to be run; a small value, copied. */
struct work {
    enum job_kind kind;
    union {
        void (*simple)(void *);
        void (*asynch)(eventer_asynch_op_t, void *);
        eventer_t event; /* taken */
    };
    void *closure;
};

struct coro_job {
    struct asynch_job base;
    struct work work;
    struct coro *waiter; /* NULL: it went through the gate */
    uint32_t generation; /* of the waiter's wait */
    struct eventer_aco_gate *gate;
    struct coro_stack *pinned; /* NULL: nothing on a stack was lent */
    struct coro_job *next_free;
};

/* How a job is dispatched. */
struct way {
    const char *call; /* for messages */
    eventer_jobq_t *q;
    uint64_t subqueue;
    const struct timeval *deadline;
    eventer_aco_gate_t gate;
    bool is_gated;
    bool is_try;
};

/* ---- the three steps ------------------------------------------------------------- */

static void do_step(const struct work *work, eventer_asynch_op_t op)
{
    struct timeval now;
    switch (work->kind) {
    case JOB_SIMPLE:
        if (op == EVENTER_ASYNCH_WORK)
            work->simple(work->closure);
        break;
    case JOB_ASYNCH:
        work->asynch(op, work->closure);
        break;
    case JOB_EVENT:
        now = clock_timeval(clock_wall_ns());
        work->event->callback(work->event, (int)op, work->closure, &now);
        break;
    }
}

static const void *function_of(const struct work *work)
{
    return work->kind == JOB_EVENT ? (const void *)(uintptr_t)work->event->callback
                                   : (const void *)(uintptr_t)work->simple; /* or asynch */
}

static void do_complete(const struct work *work, struct loop *loop)
{
    struct account_span span;
    if (work->kind == JOB_ASYNCH) {
        account_enter(&span, loop, function_of(work));
        work->asynch(EVENTER_ASYNCH_COMPLETE, work->closure);
        account_leave(&span, -1);
    }
    if (work->kind == JOB_EVENT) {
        event_run(loop, work->event, EVENTER_ASYNCH_COMPLETE);
        eventer_free(work->event);
    }
}

static void give_back(struct coro_home *home, struct coro_job *job)
{
    if (home->free_job_count == CORO_JOB_POOL_MAX) {
        alloc_free(job);
        return;
    }
    job->next_free = home->free_jobs;
    home->free_jobs = job;
    home->free_job_count++;
}

static void step(struct asynch_job *base, eventer_asynch_op_t op)
{
    struct coro_job *job = list_entry(base, struct coro_job, base);
    if (op != EVENTER_ASYNCH_COMPLETE) {
        do_step(&job->work, op);
        return;
    }
    struct coro_home *home = base->loop->coro;
    home->jobs_are_short = base->was_short;
    do_complete(&job->work, base->loop);
    if (job->pinned != NULL)
        stacks_unpin(job->pinned);
    if (job->gate != NULL) {
        gate_leave(job->gate, (eventer_job_result_t)base->result);
    } else {
        coro_set_job_result(job->waiter, (eventer_job_result_t)base->result);
        coro_wake(job->waiter, job->generation, 0);
    }
    give_back(home, job);
}

/* ---- dispatching ----------------------------------------------------------------- */

static struct coro_job *take_job(struct coro_home *home)
{
    struct coro_job *job = home->free_jobs;
    if (job == NULL)
        return alloc_bytes(sizeof(*job));
    home->free_jobs = job->next_free;
    home->free_job_count--;
    return job;
}

void jobs_free(struct coro_home *home)
{
    while (home->free_jobs != NULL) {
        struct coro_job *job = home->free_jobs;
        home->free_jobs = job->next_free;
        alloc_free(job);
    }
}

static bool has_mail(void *loop)
{
    return mailbox_has_mail(&((struct loop *)loop)->mail);
}

/*
 * Only where the last job was as short as a look.  What this delays, readiness of fds and timers,
 * is late by 5 us at most.
 */
void jobs_look_out(struct coro_home *home)
{
    uint64_t sent_ns = home->job_sent_ns;
    home->job_sent_ns = 0;
    if (home->jobs_are_short)
        (void)spin_until(has_mail, home->loop, sent_ns);
}

/* Pin self's stack if p lies on it: its owner must stay while somebody else uses p. */
static struct coro_stack *lend(struct coro *self, const void *p)
{
    struct coro_stack *stack = coro_stack_of(self);
    if (!aco_stack_has(&stack->stack, p))
        return NULL;
    self->site->has_lent = true;
    stacks_pin(stack);
    return stack;
}

static const char *why_not(const struct coro *self, const struct way *way, const struct work *work)
{
    if (self == NULL)
        return "called outside a coroutine";
    if (asynch_queue(way->q) == NULL)
        return "eventer_init() was not called";
    if (way->is_gated && way->gate == NULL)
        return "no gate";
    if (way->is_gated && way->gate->loop != loop_self)
        return "the gate belongs to another loop";
    bool is_something = work->kind == JOB_EVENT
                            ? work->event != NULL && work->event->kind == EVENT_ASYNCH &&
                                  work->event->callback != NULL
                            : work->simple != NULL;
    return is_something ? NULL : "nothing to run";
}

/* Nothing was run.  Returns mtev_false. */
static mtev_boolean refuse(struct coro *self, const struct way *way, int err, const char *why)
{
    if (self != NULL)
        coro_set_job_result(self, EVENTER_JOB_REFUSED);
    if (self != NULL && way->is_gated && way->gate != NULL && way->gate->loop == loop_self)
        gate_note(way->gate, EVENTER_JOB_REFUSED);
    if (why != NULL)
        mtevL(eventer_err, "%s: %s\n", way->call, why);
    errno = err;
    return mtev_false;
}

static void run_here(struct coro *self, const struct way *way, const struct work *work)
{
    mtevL(eventer_err, "%s: out of memory; the work runs in the loop\n", way->call);
    do_step(work, EVENTER_ASYNCH_WORK);
    do_step(work, EVENTER_ASYNCH_CLEANUP);
    do_complete(work, loop_self);
    coro_set_job_result(self, EVENTER_JOB_DONE);
}

/* Fill in what asynch_submit() wants to know. */
static void set_up(struct coro_job *job, struct coro *self, const struct way *way,
                   const struct work *work)
{
    bool is_event = work->kind == JOB_EVENT;
    *job = (struct coro_job){.base.loop = loop_self,
                             .base.step = step,
                             .base.function = function_of(work),
                             .work = *work,
                             .waiter = way->is_gated ? NULL : self,
                             .generation = self->co.generation_,
                             .gate = way->is_gated ? way->gate : NULL,
                             .pinned = lend(self, work->closure)};
    job->base.deadline_ns =
        is_event ? async_job_deadline_ns(work->event->job) : asynch_deadline(way->deadline);
    job->base.is_cancellable = !is_event || (work->event->mask & ASYNCH_CANCEL_BITS) != 0;
}

/* Returns false if it was refused. */
static mtev_boolean dispatch(const struct way *way, const struct work *work)
{
    struct coro *self = coro_self();
    const char *why = why_not(self, way, work);
    if (why != NULL)
        return refuse(self, way, EINVAL, why);
    struct coro_job *job = take_job(coro_home_of(self));
    if (job == NULL && way->is_try)
        return refuse(self, way, ENOMEM, NULL);
    if (job == NULL) { /* rather late than never: everybody waits, and the work is done */
        run_here(self, way, work);
        return mtev_true;
    }
    set_up(job, self, way, work);
    int err = asynch_submit(&job->base, asynch_queue(way->q), way->subqueue, way->is_try);
    if (err != 0) {
        if (job->pinned != NULL)
            stacks_unpin(job->pinned);
        give_back(coro_home_of(self), job);
        return refuse(self, way, -err, way->is_try ? NULL : "the queue was shut down");
    }
    if (way->is_gated) {
        gate_enter(way->gate);
        return mtev_true;
    }
    coro_home_of(self)->job_sent_ns = job->base.job.submitted_ns;
    coro_park(self, CORO_WAITS_FOR_JOB);
    return mtev_true;
}

eventer_job_result_t eventer_aco_asynch_result(void)
{
    const struct coro *self = coro_self();
    return self == NULL ? EVENTER_JOB_NONE : (eventer_job_result_t)self->job_result;
}

/* ---- the families ---------------------------------------------------------------- */

void eventer_aco_simple_asynch_queue_subqueue(void (*func)(void *), void *closure,
                                              eventer_jobq_t *q, uint64_t id)
{
    (void)dispatch(&(struct way){.call = "eventer_aco_simple_asynch", .q = q, .subqueue = id},
                   &(struct work){.kind = JOB_SIMPLE, .simple = func, .closure = closure});
}

void eventer_aco_simple_asynch_queue_subqueue_gated(eventer_aco_gate_t gate, void (*func)(void *),
                                                    void *closure, eventer_jobq_t *q, uint64_t id)
{
    (void)dispatch(&(struct way){.call = "eventer_aco_simple_asynch_gated",
                                 .q = q,
                                 .subqueue = id,
                                 .gate = gate,
                                 .is_gated = true},
                   &(struct work){.kind = JOB_SIMPLE, .simple = func, .closure = closure});
}

void eventer_aco_simple_asynch_queue(void (*func)(void *), void *closure, eventer_jobq_t *q)
{
    eventer_aco_simple_asynch_queue_subqueue(func, closure, q, 0);
}

void eventer_aco_simple_asynch_queue_gated(eventer_aco_gate_t gate, void (*func)(void *),
                                           void *closure, eventer_jobq_t *q)
{
    eventer_aco_simple_asynch_queue_subqueue_gated(gate, func, closure, q, 0);
}

void eventer_aco_asynch_queue_subqueue_deadline(void (*func)(eventer_asynch_op_t, void *),
                                                void *closure, eventer_jobq_t *q, uint64_t id,
                                                struct timeval *deadline)
{
    (void)dispatch(
        &(struct way){.call = "eventer_aco_asynch", .q = q, .subqueue = id, .deadline = deadline},
        &(struct work){.kind = JOB_ASYNCH, .asynch = func, .closure = closure});
}

void eventer_aco_asynch_queue_subqueue_deadline_gated(eventer_aco_gate_t gate,
                                                      void (*func)(eventer_asynch_op_t, void *),
                                                      void *closure, eventer_jobq_t *q, uint64_t id,
                                                      struct timeval *deadline)
{
    (void)dispatch(&(struct way){.call = "eventer_aco_asynch_gated",
                                 .q = q,
                                 .subqueue = id,
                                 .deadline = deadline,
                                 .gate = gate,
                                 .is_gated = true},
                   &(struct work){.kind = JOB_ASYNCH, .asynch = func, .closure = closure});
}

void eventer_aco_asynch_queue(void (*func)(eventer_asynch_op_t, void *), void *closure,
                              eventer_jobq_t *q)
{
    eventer_aco_asynch_queue_subqueue_deadline(func, closure, q, 0, NULL);
}

void eventer_aco_asynch_queue_gated(eventer_aco_gate_t gate,
                                    void (*func)(eventer_asynch_op_t, void *), void *closure,
                                    eventer_jobq_t *q)
{
    eventer_aco_asynch_queue_subqueue_deadline_gated(gate, func, closure, q, 0, NULL);
}

static mtev_boolean run_event(const struct way *way, eventer_t e)
{
    return dispatch(
        way,
        &(struct work){.kind = JOB_EVENT, .event = e, .closure = e == NULL ? NULL : e->closure});
}

void eventer_aco_run_asynch_queue_subqueue(eventer_jobq_t *q, eventer_t e, uint64_t id)
{
    (void)run_event(&(struct way){.call = "eventer_aco_run_asynch", .q = q, .subqueue = id}, e);
}

void eventer_aco_run_asynch_queue_subqueue_gated(eventer_aco_gate_t gate, eventer_jobq_t *q,
                                                 eventer_t e, uint64_t id)
{
    (void)run_event(&(struct way){.call = "eventer_aco_run_asynch_gated",
                                  .q = q,
                                  .subqueue = id,
                                  .gate = gate,
                                  .is_gated = true},
                    e);
}

mtev_boolean eventer_aco_try_run_asynch_queue_subqueue(eventer_jobq_t *q, eventer_t e, uint64_t id)
{
    return run_event(
        &(struct way){.call = "eventer_aco_try_run_asynch", .q = q, .subqueue = id, .is_try = true},
        e);
}

mtev_boolean eventer_aco_try_run_asynch_queue_subqueue_gated(eventer_aco_gate_t gate,
                                                             eventer_jobq_t *q, eventer_t e,
                                                             uint64_t id)
{
    return run_event(&(struct way){.call = "eventer_aco_try_run_asynch_gated",
                                   .q = q,
                                   .subqueue = id,
                                   .gate = gate,
                                   .is_gated = true,
                                   .is_try = true},
                     e);
}

void eventer_aco_run_asynch_queue(eventer_jobq_t *q, eventer_t e)
{
    eventer_aco_run_asynch_queue_subqueue(q, e, 0);
}

void eventer_aco_run_asynch_queue_gated(eventer_aco_gate_t gate, eventer_jobq_t *q, eventer_t e)
{
    eventer_aco_run_asynch_queue_subqueue_gated(gate, q, e, 0);
}
