/* SPDX-License-Identifier: MIT */
/*
 * program_jobs.c - work that coroutines and events have done on job queues: with deadlines, through
 * gates, with children and from children, while somebody changes the queues.
 *
 * Holds: WORK is done once or, after the deadline, not at all; CLEANUP and COMPLETE once each, in
 * this order, and COMPLETE in the loop; the coroutine learns how it went, and goes on after that; a
 * gate opens when all that went through it is done; a parent completes after its children.
 */
#include "world.h"

#define WORKERS_MAX  6
#define JOBS_MAX     6
#define GATED_MAX    6
#define PARENTS_MAX  5
#define CHILDREN_MAX 3
#define BUSY_NS_MAX  3000000

/* Maybe nothing, maybe a while. */
static void work_a_while(void)
{
    if (sim_chance(3))
        return;
    sim_busy(sim_random(BUSY_NS_MAX));
}

static eventer_jobq_t *some_queue(void)
{
    return sim_chance(2) ? world_queue : NULL;
}

/* The default queue lives on, and would keep what it needs for sub-queues. */
static uint64_t some_subqueue(const eventer_jobq_t *q)
{
    return q == NULL ? 0 : sim_random(3);
}

/* ---- jobs of coroutines ---------------------------------------------------------- */

struct job {
    unsigned works, cleanups, completes;
    bool was_told; /* that it is cancelled */
    uint64_t deadline_ns;
    uint32_t loop;
};

static void do_simple(void *closure)
{
    struct job *job = closure;
    sim_check(!eventer_in_loop());
    work_a_while();
    job->works++;
}

static void do_step(eventer_asynch_op_t op, void *closure)
{
    struct job *job = closure;
    sim_trace("job", op, 0);
    switch (op) {
    case EVENTER_ASYNCH_WORK:
        sim_check(!eventer_in_loop());
        sim_check(job->works == 0 && job->cleanups == 0);
        work_a_while();
        job->was_told = eventer_job_cancelled() == mtev_true;
        sim_check(!job->was_told || sim_wall_latest_ns() >= job->deadline_ns);
        job->works++;
        break;
    case EVENTER_ASYNCH_CLEANUP:
        sim_check(job->cleanups == 0 && job->completes == 0);
        job->cleanups++;
        break;
    default:
        sim_check(eventer_in_loop() == mtev_true);
        sim_check(job->cleanups == 1 && job->completes == 0);
        job->completes++;
        break;
    }
}

static void check_job(const struct job *job, eventer_job_result_t result)
{
    sim_trace("job ended", result, job->works);
    sim_check(job->cleanups == 1 && job->completes == 1);
    switch (result) {
    case EVENTER_JOB_DONE:
        sim_check(job->works == 1 && !job->was_told);
        break;
    case EVENTER_JOB_CANCELLED:
        sim_check(job->works == 1 && job->was_told);
        break;
    case EVENTER_JOB_TIMED_OUT:
        sim_check(job->works == 0 && sim_wall_latest_ns() >= job->deadline_ns);
        break;
    default:
        sim_check(false);
    }
}

static void await_simple(struct actor *actor)
{
    struct job job = {.works = 0}; /* on the stack that others share */
    struct job *heap = sim_chance(2) ? world_alloc(sizeof(job)) : NULL;
    struct job *used = heap == NULL ? &job : heap;
    eventer_jobq_t *q = some_queue();
    wait_begin(actor);
    eventer_aco_simple_asynch_queue_subqueue(do_simple, used, q, some_subqueue(q));
    wait_end(actor);
    sim_check(used->works == 1);
    sim_check(eventer_aco_asynch_result() == EVENTER_JOB_DONE);
    alloc_free(heap);
}

static void await_with_deadline(struct actor *actor)
{
    struct job *job = world_alloc(sizeof(*job));
    struct timeval deadline = clock_timeval(sim_wall_ns() + sim_random(2 * BUSY_NS_MAX));
    bool has_deadline = !sim_chance(4);
    job->deadline_ns = has_deadline ? clock_duration_ns(&deadline) : SIM_FOREVER;
    eventer_jobq_t *q = some_queue();
    wait_begin(actor);
    eventer_aco_asynch_queue_subqueue_deadline(do_step, job, q, some_subqueue(q),
                                               has_deadline ? &deadline : NULL);
    wait_end(actor);
    check_job(job, eventer_aco_asynch_result());
    alloc_free(job);
}

struct worker {
    struct actor actor;
    uint32_t jobs;
};

static void have_work_done(void)
{
    struct worker *w = eventer_aco_arg();
    for (; w->jobs > 0; w->jobs--) {
        if (sim_chance(2))
            await_simple(&w->actor);
        else
            await_with_deadline(&w->actor);
        if (sim_chance(4))
            checked_sleep(&w->actor, world_duration(CLOCK_NS_PER_MS));
    }
    actor_end(&w->actor);
    alloc_free(w);
}

static void start_workers(void)
{
    world_has_loans = true;
    for (uint32_t i = 1 + sim_random(WORKERS_MAX); i > 0; i--) {
        struct worker *w = world_alloc(sizeof(*w));
        actor_begin(&w->actor);
        w->jobs = 1 + sim_random(JOBS_MAX);
        world_start(world_loop(), have_work_done, w);
    }
}

const struct program program_jobs = {"jobs", start_workers};

/* ---- gates ----------------------------------------------------------------------- */

static void pass_gates(void)
{
    struct worker *w = eventer_aco_arg();
    for (; w->jobs > 0; w->jobs--) {
        uint32_t count = sim_random(GATED_MAX + 1);
        struct job *jobs = world_alloc(GATED_MAX * sizeof(*jobs));
        eventer_aco_gate_t gate = eventer_aco_gate();
        sim_check(gate != NULL);
        for (uint32_t i = 0; i < count; i++) {
            struct timeval deadline = clock_timeval(sim_wall_ns() + sim_random(2 * BUSY_NS_MAX));
            eventer_jobq_t *q = some_queue();
            jobs[i].deadline_ns = clock_duration_ns(&deadline);
            if (sim_chance(2)) {
                jobs[i].cleanups = jobs[i].completes = 1;
                eventer_aco_simple_asynch_queue_subqueue_gated(gate, do_simple, &jobs[i], q,
                                                               some_subqueue(q));
            } else {
                eventer_aco_asynch_queue_subqueue_deadline_gated(gate, do_step, &jobs[i], q,
                                                                 some_subqueue(q), &deadline);
            }
            if (sim_chance(4))
                checked_sleep(&w->actor, world_duration(CLOCK_NS_PER_MS));
        }
        wait_begin(&w->actor);
        eventer_aco_gate_wait(gate);
        wait_end(&w->actor);
        for (uint32_t i = 0; i < count; i++)
            sim_check(jobs[i].cleanups == 1 && jobs[i].completes == 1 && jobs[i].works <= 1);
        alloc_free(jobs);
    }
    actor_end(&w->actor);
    alloc_free(w);
}

static void start_gates(void)
{
    for (uint32_t i = 1 + sim_random(WORKERS_MAX / 2); i > 0; i--) {
        struct worker *w = world_alloc(sizeof(*w));
        actor_begin(&w->actor);
        w->jobs = 1 + sim_random(3);
        world_start(world_loop(), pass_gates, w);
    }
}

const struct program program_gates = {"gates", start_gates};

/* ---- jobs that are events, and their children ------------------------------------ */

struct task {
    struct actor actor;
    struct job job;
    struct task *parent;
    uint32_t children, unfinished; /* to begin; that have not completed */
};

static int on_task(eventer_t e, int mask, void *closure, struct timeval *now);

/* An event for a job; its reference is whoever's that adds it. */
static eventer_t make_task(struct task *parent, uint32_t children)
{
    struct task *task = world_alloc(sizeof(*task));
    struct timeval deadline = clock_timeval(sim_wall_ns() + sim_random(4 * BUSY_NS_MAX));
    bool has_deadline = sim_chance(2);
    task->parent = parent;
    task->children = children;
    task->job.deadline_ns = has_deadline ? clock_duration_ns(&deadline) : SIM_FOREVER;
    actor_begin(&task->actor);
    if (parent != NULL)
        parent->unfinished++;
    eventer_t e = eventer_alloc_asynch_timeout(on_task, task, has_deadline ? &deadline : NULL);
    sim_check(e != NULL);
    if (sim_chance(2))
        eventer_set_mask(e, EVENTER_ASYNCH | EVENTER_CANCEL);
    return e;
}

static void forget(eventer_t e)
{
    struct task *task = eventer_get_closure(e);
    if (task->parent != NULL)
        task->parent->unfinished--;
    actor_end(&task->actor);
    alloc_free(task);
    eventer_free(e);
}

static void add_child(struct task *parent)
{
    eventer_t e = make_task(parent, sim_chance(4));
    eventer_jobq_t *q = some_queue();
    if (sim_chance(2)) {
        eventer_add_asynch_dep_subqueue(q, e, some_subqueue(q));
    } else if (!eventer_try_add_asynch_dep(world_queue, e)) {
        sim_check(errno == EAGAIN);
        forget(e);
    }
}

static int on_task(eventer_t e, int mask, void *closure, struct timeval *now)
{
    struct task *task = closure;
    do_step((eventer_asynch_op_t)(mask & EVENTER_ASYNCH_D), &task->job);
    if ((mask & EVENTER_ASYNCH_D) == EVENTER_ASYNCH_WORK)
        for (; task->children > 0; task->children--)
            add_child(task);
    if ((mask & EVENTER_ASYNCH_D) != EVENTER_ASYNCH_COMPLETE)
        return 0;
    sim_check(task->unfinished == 0);
    sim_check(task->job.works == 1 || sim_wall_latest_ns() >= task->job.deadline_ns);
    if (task->parent != NULL)
        task->parent->unfinished--;
    actor_end(&task->actor);
    alloc_free(task);
    return 0;
}

static void add_tasks(void *arg)
{
    struct worker *w = arg;
    for (; w->jobs > 0; w->jobs--) {
        eventer_t e = make_task(NULL, sim_random(CHILDREN_MAX + 1));
        eventer_jobq_t *q = some_queue();
        if (sim_chance(2)) {
            eventer_add_asynch_subqueue(q, e, some_subqueue(q));
        } else if (!eventer_try_add_asynch(world_queue, e)) {
            sim_check(errno == EAGAIN);
            forget(e);
        }
    }
    actor_end(&w->actor);
    alloc_free(w);
}

/* Change what can be changed of a queue, while it works. */
static void change_queue(void)
{
    struct worker *w = eventer_aco_arg();
    for (; w->jobs > 0; w->jobs--) {
        checked_sleep(&w->actor, world_duration(CLOCK_NS_PER_MS));
        eventer_jobq_t *q = sim_chance(2) ? world_queue : eventer_default_jobq();
        switch (sim_random(4)) {
        case 0:
            eventer_jobq_set_lifo(q, sim_chance(2) ? mtev_true : mtev_false);
            break;
        case 1:
            eventer_jobq_set_concurrency(q, 1 + sim_random(4));
            break;
        case 2:
            eventer_jobq_set_floor(q, sim_random(2));
            break;
        default:
            eventer_jobq_set_max_backlog(q, sim_random(4));
        }
    }
    actor_end(&w->actor);
    alloc_free(w);
}

static void start_tasks(void)
{
    struct worker *adder = world_alloc(sizeof(*adder)), *w = world_alloc(sizeof(*w));
    actor_begin(&adder->actor);
    adder->jobs = 1 + sim_random(PARENTS_MAX);
    world_post(world_loop(), add_tasks, adder);
    actor_begin(&w->actor);
    w->jobs = 1 + sim_random(8);
    world_start(world_loop(), change_queue, w);
}

const struct program program_queues = {"queues", start_tasks};
