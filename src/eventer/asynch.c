/* SPDX-License-Identifier: MIT */
/*
 * asynch.c - asynchronous events: WORK and CLEANUP on a job queue, COMPLETE in the event's loop.
 *
 * The memory that carries a job there and back is made with the event, so nothing on the way can
 * fail.
 */
#include "eventer/asynch.h"

#include "base/alloc.h"
#include "base/clock.h"
#include "base/smr.h"
#include "base/spin.h"
#include "eventer/event.h"
#include "eventer/pool.h"

#include <errno.h>
#include <string.h>

/* The job whose WORK or CLEANUP runs in this thread; children and inheritance need it. */
static __thread struct asynch_job *running;

/* ---- memory that jobs share without a lock --------------------------------------- */

static void guard_begin(eventer_jobq_memory_safety_t safety)
{
    if (safety == EVENTER_JOBQ_MS_CS)
        smr_begin();
}

static void guard_end(eventer_jobq_memory_safety_t safety)
{
    if (safety == EVENTER_JOBQ_MS_CS)
        (void)smr_end();
    if (smr_end_all())
        mtevL(eventer_err, "a job left a section open (mtev_memory_begin); it is closed\n");
    if (safety != EVENTER_JOBQ_MS_NONE)
        smr_collect_if_due();
}

/* ---- deadlines ------------------------------------------------------------------- */

uint64_t asynch_deadline(const struct timeval *whence)
{
    return whence == NULL ? ASYNCH_NO_DEADLINE : clock_duration_ns(whence);
}

static uint64_t deadline_of(struct asynch_job *job)
{
    return atomic_load_explicit(&job->deadline_ns, memory_order_relaxed);
}

static bool is_late(struct asynch_job *job)
{
    uint64_t deadline_ns = deadline_of(job);
    return deadline_ns != ASYNCH_NO_DEADLINE && clock_wall_ns() >= deadline_ns;
}

mtev_boolean eventer_job_cancelled(void)
{
    if (running == NULL || !running->is_cancellable || !is_late(running))
        return mtev_false;
    running->was_told = true;
    return mtev_true;
}

/* ---- a job's way ----------------------------------------------------------------- */

/* One reason less to wait for; the last one lets it complete.  It may be gone afterwards. */
static void release(struct asynch_job *job)
{
    /* release: what was done is seen by who completes it; acquire: what the others did, too */
    if (atomic_fetch_sub_explicit(&job->unfinished, 1, memory_order_acq_rel) == 1)
        loop_post(job->loop, &job->mail);
}

static void complete(struct mail *mail, struct loop *loop)
{
    struct asynch_job *job = list_entry(mail, struct asynch_job, mail);
    struct asynch_job *parent = job->parent;
    (void)loop;
    wheel_cancel(&job->timer);
    if (job->q != NULL) {
        jobq_unref(job->q);
        job->q = NULL;
    }
    job->step(job, EVENTER_ASYNCH_COMPLETE);
    if (parent != NULL)
        release(parent);
}

static void work(struct asynch_job *job)
{
    if (!account_is_kept()) {
        job->step(job, EVENTER_ASYNCH_WORK);
        return;
    }
    uint64_t begun_ns = clock_mono_ns();
    job->step(job, EVENTER_ASYNCH_WORK);
    account_job(job->function, jobq_name(job->on->q), clock_mono_ns() - begun_ns);
}

/* There is no WORK: its deadline has passed. */
static void time_out(struct asynch_job *job)
{
    job->result = EVENTER_JOB_TIMED_OUT;
    atomic_fetch_add_explicit(&job->on->timeouts, 1, memory_order_relaxed);
}

/* On a thread of the queue. */
static void run(struct jobq_job *base)
{
    struct asynch_job *job = list_entry(base, struct asynch_job, job);
    eventer_jobq_memory_safety_t safety = job->on->safety;
    guard_begin(safety);
    running = job;
    if (is_late(job)) {
        time_out(job);
    } else {
        work(job);
        job->result = job->was_told ? EVENTER_JOB_CANCELLED : EVENTER_JOB_DONE;
    }
    job->step(job, EVENTER_ASYNCH_CLEANUP);
    job->was_short = clock_mono_ns() - base->begun_ns < SPIN_NS_MAX;
    running = NULL;
    release(job); /* it may be gone after this */
    guard_end(safety);
}

/* The deadline of a job that may be cancelled: it is not to wait for a thread any longer. */
static void on_deadline(struct wheel_node *node)
{
    struct asynch_job *job = list_entry(node, struct asynch_job, timer);
    uint64_t wall_ns = clock_wall_ns(), deadline_ns = deadline_of(job);
    if (wall_ns < deadline_ns) { /* the wall clock was set back */
        wheel_add(&job->loop->wheel, node, clock_mono_ns() + (deadline_ns - wall_ns));
    } else if (jobq_withdraw(job->q, &job->job)) {
        eventer_jobq_memory_safety_t safety = job->on->safety;
        guard_begin(safety);
        time_out(job);
        job->step(job, EVENTER_ASYNCH_CLEANUP);
        guard_end(safety);
        release(job);
    }
}

/* In its loop.  The job does not complete before this has let go of it. */
static void arm(struct mail *mail, struct loop *loop)
{
    struct asynch_job *job = list_entry(mail, struct asynch_job, arm);
    uint64_t wall_ns = clock_wall_ns(), deadline_ns = deadline_of(job);
    job->timer.fire = on_deadline;
    wheel_add(&loop->wheel, &job->timer,
              clock_mono_ns() + (deadline_ns > wall_ns ? deadline_ns - wall_ns : 0));
    release(job);
}

static void arm_timer(struct asynch_job *job)
{
    if (job->loop == loop_self) {
        arm(&job->arm, job->loop);
        return;
    }
    job->arm.run = arm;
    loop_post(job->loop, &job->arm);
}

int asynch_submit(struct asynch_job *job, eventer_jobq_t *on, uint64_t subqueue, bool is_try)
{
    struct asynch_job *parent = job->parent;
    struct jobq *q = on->q;
    bool is_timed = job->is_cancellable && deadline_of(job) != ASYNCH_NO_DEADLINE;
    job->job.run = run;
    job->mail.run = complete;
    job->on = on;
    job->q = is_timed ? q : NULL;
    job->subqueue = subqueue;
    job->was_told = false;
    job->result = EVENTER_JOB_NONE;
    atomic_store_explicit(&job->unfinished, is_timed ? 2 : 1, memory_order_relaxed);
    if (parent != NULL) /* it runs here, so it is not complete */
        atomic_fetch_add_explicit(&parent->unfinished, 1, memory_order_relaxed);
    if (is_timed)
        jobq_ref(q);
    int err =
        is_try ? jobq_try_submit(q, &job->job, subqueue) : jobq_submit(q, &job->job, subqueue);
    if (err == 0) {
        if (is_timed)
            arm_timer(job);
        return 0;
    }
    if (parent != NULL)
        release(parent);
    if (is_timed)
        jobq_unref(q);
    job->result = EVENTER_JOB_REFUSED;
    return err;
}

/* ---- events ---------------------------------------------------------------------- */

struct async_job {
    struct asynch_job base;
    eventer_t e; /* borrowed: it owns this */
    bool is_submitted;
};

struct async_job *async_job_new(eventer_t e)
{
    struct async_job *async = alloc_zeroed(1, sizeof(*async));
    if (async == NULL)
        return NULL;
    async->e = e;
    atomic_init(&async->base.deadline_ns, ASYNCH_NO_DEADLINE);
    return async;
}

void async_job_free(struct async_job *async)
{
    alloc_free(async);
}

uint64_t async_job_deadline_ns(const struct async_job *async)
{
    return atomic_load_explicit(&async->base.deadline_ns, memory_order_relaxed);
}

void async_job_set_deadline(struct async_job *async, uint64_t deadline_ns)
{
    atomic_store_explicit(&async->base.deadline_ns, deadline_ns, memory_order_relaxed);
}

eventer_t eventer_alloc_asynch_timeout(eventer_func_t func, void *closure, struct timeval *deadline)
{
    eventer_t e = eventer_alloc_asynch(func, closure);
    if (e == NULL || deadline == NULL)
        return e;
    e->whence = *deadline;
    async_job_set_deadline(e->job, asynch_deadline(deadline));
    return e;
}

bool asynch_update_whence(eventer_t e, struct timeval whence)
{
    if (e->mask & ASYNCH_CANCEL_BITS)
        return false;
    e->whence = whence;
    async_job_set_deadline(e->job, asynch_deadline(&whence));
    return true;
}

static void complete_event(struct async_job *async)
{
    eventer_t e = async->e;
    async->is_submitted = false;
    int wanted = event_run(async->base.loop, e, EVENTER_ASYNCH_COMPLETE);
    if (wanted == 0) {
        eventer_free(e);
        return;
    }
    if (event_become(e, wanted) == 0) /* a new life, as what it returned */
        eventer_add(e);
}

static void step_event(struct asynch_job *job, eventer_asynch_op_t op)
{
    struct async_job *async = list_entry(job, struct async_job, base);
    if (op == EVENTER_ASYNCH_COMPLETE) {
        complete_event(async);
        return;
    }
    eventer_t e = async->e;
    struct timeval now = clock_timeval(clock_wall_ns());
    eventer_run_callback(e->callback, e, (int)op, e->closure, &now, NULL);
}

/* How an event is submitted. */
enum way {
    WAY_TRY = 1,  /* a refusal is no mistake */
    WAY_DEP = 2,  /* the running job is its parent */
    WAY_HEIR = 4, /* of the running job's sub-queue */
};

static const char *why_not(eventer_t e, eventer_jobq_t *queue, unsigned way)
{
    if (queue == NULL || event_owner(e) == NULL)
        return "eventer_init() was not called";
    if (e->kind != EVENT_ASYNCH)
        return "it is no asynchronous event";
    if (e->callback == NULL)
        return "it has no callback";
    if (e->job->is_submitted)
        return "it is on a queue already";
    return (way & WAY_DEP) && running == NULL ? "no job runs here that it could belong to" : NULL;
}

static mtev_boolean add(const char *call, eventer_jobq_t *q, eventer_t e, uint64_t subqueue,
                        unsigned way)
{
    eventer_jobq_t *queue = asynch_queue(q);
    if (event_owner(e) == NULL)
        event_set_owner(e, pool_first_loop());
    const char *why = why_not(e, queue, way);
    if (why != NULL) {
        event_complain(call, e, EINVAL, why);
        return mtev_false;
    }
    struct async_job *async = e->job;
    if ((way & WAY_HEIR) && running != NULL)
        subqueue = running->subqueue;
    async->is_submitted = true;
    async->base.loop = event_owner(e);
    async->base.step = step_event;
    async->base.function = (const void *)(uintptr_t)e->callback;
    async->base.parent = way & WAY_DEP ? running : NULL;
    async->base.is_cancellable = (e->mask & ASYNCH_CANCEL_BITS) != 0;
    int err = asynch_submit(&async->base, queue, subqueue, way & WAY_TRY);
    if (err == 0)
        return mtev_true;
    async->is_submitted = false;
    if (way & WAY_TRY)
        errno = -err;
    else
        event_complain(call, e, -err, "the queue was shut down");
    return mtev_false;
}

void eventer_add_asynch(eventer_jobq_t *q, eventer_t e)
{
    (void)add("eventer_add_asynch", q, e, 0, WAY_HEIR);
}

void eventer_add_asynch_subqueue(eventer_jobq_t *q, eventer_t e, uint64_t id)
{
    (void)add("eventer_add_asynch_subqueue", q, e, id, 0);
}

void eventer_add_asynch_dep(eventer_jobq_t *q, eventer_t e)
{
    (void)add("eventer_add_asynch_dep", q, e, 0, WAY_HEIR | WAY_DEP);
}

void eventer_add_asynch_dep_subqueue(eventer_jobq_t *q, eventer_t e, uint64_t id)
{
    (void)add("eventer_add_asynch_dep_subqueue", q, e, id, WAY_DEP);
}

mtev_boolean eventer_try_add_asynch(eventer_jobq_t *q, eventer_t e)
{
    return add("eventer_try_add_asynch", q, e, 0, WAY_TRY | WAY_HEIR);
}

mtev_boolean eventer_try_add_asynch_subqueue(eventer_jobq_t *q, eventer_t e, uint64_t id)
{
    return add("eventer_try_add_asynch_subqueue", q, e, id, WAY_TRY);
}

mtev_boolean eventer_try_add_asynch_dep(eventer_jobq_t *q, eventer_t e)
{
    return add("eventer_try_add_asynch_dep", q, e, 0, WAY_TRY | WAY_HEIR | WAY_DEP);
}

mtev_boolean eventer_try_add_asynch_dep_subqueue(eventer_jobq_t *q, eventer_t e, uint64_t id)
{
    return add("eventer_try_add_asynch_dep_subqueue", q, e, id, WAY_TRY | WAY_DEP);
}
