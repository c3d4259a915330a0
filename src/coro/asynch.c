/* SPDX-License-Identifier: MIT */
/*
 * asynch.c - blocking work for a coroutine: out to a job queue, back by mail.
 *
 * What the caller hands over may point into its stack.  Then the stack is pinned until the work is
 * done (coro_stack in home_impl.h), and the function's later coroutines get stacks of their own.
 */
#include "eventer/asynch.h"
#include "base/alloc.h"
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
    struct jobq_job job;
    struct mail mail;
    struct loop *loop;
    struct work work;
    struct coro *waiter; /* NULL: it went through the gate */
    uint32_t generation; /* of the waiter's wait */
    struct eventer_aco_gate *gate;
    struct coro_stack *pinned; /* NULL: nothing on a stack was lent */
    struct coro_job *next_free;
};

/* ---- the three steps ------------------------------------------------------------- */

static void do_work(const struct work *work)
{
    struct timeval now;
    switch (work->kind) {
    case JOB_SIMPLE:
        work->simple(work->closure);
        break;
    case JOB_ASYNCH:
        work->asynch(EVENTER_ASYNCH_WORK, work->closure);
        work->asynch(EVENTER_ASYNCH_CLEANUP, work->closure);
        break;
    case JOB_EVENT:
        now = clock_timeval(clock_wall_ns());
        work->event->callback(work->event, EVENTER_ASYNCH_WORK, work->closure, &now);
        work->event->callback(work->event, EVENTER_ASYNCH_CLEANUP, work->closure, &now);
        break;
    }
}

static void do_complete(const struct work *work, struct loop *loop)
{
    if (work->kind == JOB_ASYNCH)
        work->asynch(EVENTER_ASYNCH_COMPLETE, work->closure);
    if (work->kind == JOB_EVENT) {
        event_run(loop, work->event, EVENTER_ASYNCH_COMPLETE);
        eventer_free(work->event);
    }
}

static void complete(struct mail *mail, struct loop *loop)
{
    struct coro_job *job = list_entry(mail, struct coro_job, mail);
    struct coro_home *home = loop->coro;
    do_complete(&job->work, loop);
    if (job->pinned != NULL)
        stacks_unpin(job->pinned);
    if (job->gate != NULL)
        gate_leave(job->gate);
    else
        coro_wake(job->waiter, job->generation, 0);
    if (home->free_job_count == CORO_JOB_POOL_MAX) {
        alloc_free(job);
        return;
    }
    job->next_free = home->free_jobs;
    home->free_jobs = job;
    home->free_job_count++;
}

static void run(struct jobq_job *base)
{
    struct coro_job *job = list_entry(base, struct coro_job, job);
    do_work(&job->work);
    loop_post(job->loop, &job->mail);
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

static void dispatch(const char *call, eventer_aco_gate_t gate, bool is_gated, eventer_jobq_t *q,
                     const struct work *work)
{
    struct coro *self = coro_self();
    struct jobq *queue = asynch_queue(q);
    const char *why = NULL;
    if (self == NULL || queue == NULL)
        why = self == NULL ? "called outside a coroutine" : "eventer_init() was not called";
    else if (is_gated && (gate == NULL || gate->loop != loop_self))
        why = gate == NULL ? "no gate" : "the gate belongs to another loop";
    else if (work->kind == JOB_EVENT ? work->event == NULL || work->event->kind != EVENT_ASYNCH ||
                                           !work->event->callback
                                     : work->simple == NULL)
        why = "nothing to run";
    if (why != NULL) {
        mtevL(mtev_error, "%s: %s\n", call, why);
        errno = EINVAL;
        return;
    }
    struct coro_job *job = take_job(coro_home_of(self));
    if (job == NULL) { /* rather late than never: everybody waits, and the work is done */
        mtevL(mtev_error, "%s: out of memory; the work runs in the loop\n", call);
        do_work(work);
        do_complete(work, loop_self);
        return;
    }
    *job = (struct coro_job){.job.run = run,
                             .mail.run = complete,
                             .loop = loop_self,
                             .work = *work,
                             .waiter = is_gated ? NULL : self,
                             .generation = self->co.generation_,
                             .gate = is_gated ? gate : NULL,
                             .pinned = lend(self, work->closure)};
    if (is_gated)
        gate_enter(gate);
    jobq_submit(queue, &job->job);
    if (!is_gated)
        coro_park(self, CORO_WAITS_FOR_JOB);
}

/* ---- the families ---------------------------------------------------------------- */

void eventer_aco_simple_asynch_queue(void (*func)(void *), void *closure, eventer_jobq_t *q)
{
    dispatch("eventer_aco_simple_asynch", NULL, false, q,
             &(struct work){.kind = JOB_SIMPLE, .simple = func, .closure = closure});
}

void eventer_aco_simple_asynch_queue_gated(eventer_aco_gate_t gate, void (*func)(void *),
                                           void *closure, eventer_jobq_t *q)
{
    dispatch("eventer_aco_simple_asynch_gated", gate, true, q,
             &(struct work){.kind = JOB_SIMPLE, .simple = func, .closure = closure});
}

void eventer_aco_asynch_queue(void (*func)(eventer_asynch_op_t, void *), void *closure,
                              eventer_jobq_t *q)
{
    dispatch("eventer_aco_asynch", NULL, false, q,
             &(struct work){.kind = JOB_ASYNCH, .asynch = func, .closure = closure});
}

void eventer_aco_asynch_queue_gated(eventer_aco_gate_t gate,
                                    void (*func)(eventer_asynch_op_t, void *), void *closure,
                                    eventer_jobq_t *q)
{
    dispatch("eventer_aco_asynch_gated", gate, true, q,
             &(struct work){.kind = JOB_ASYNCH, .asynch = func, .closure = closure});
}

void eventer_aco_run_asynch_queue(eventer_jobq_t *q, eventer_t e)
{
    dispatch(
        "eventer_aco_run_asynch", NULL, false, q,
        &(struct work){.kind = JOB_EVENT, .event = e, .closure = e == NULL ? NULL : e->closure});
}

void eventer_aco_run_asynch_queue_gated(eventer_aco_gate_t gate, eventer_jobq_t *q, eventer_t e)
{
    dispatch(
        "eventer_aco_run_asynch_gated", gate, true, q,
        &(struct work){.kind = JOB_EVENT, .event = e, .closure = e == NULL ? NULL : e->closure});
}
