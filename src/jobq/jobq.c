/* SPDX-License-Identifier: MIT */
/*
 * jobq.c - threads, and the jobs that they take.
 *
 *   started --> takes a job, runs it --> none is left: AWAKE --nobody called--> ASLEEP
 *                  ^     |   ^                            |                      |   |
 *                  |     `---'                            `--- CALLED <----------'   |
 *                  `------------------------------------------'           idle_ns passed: ends
 *
 * AWAKE and ASLEEP: the thread is on the ring of idle ones, whose last is called first, so that
 * those that are not needed reach their time-out.  Whoever takes it off the ring, under the lock,
 * is the one who calls it.  A caller that finds it AWAKE needs no system call.
 *
 * One call is under way at a time (help_is_coming).  The thread that was called takes a job, and if
 * more are pending, it calls the next thread before it runs its own.  So a job that comes while
 * nobody is called calls one, a burst of jobs costs its sender one call, and with many jobs that
 * take long all threads are up after one call each.  Where no thread is idle, a new one is started
 * in the same way.
 */
#include "base/alloc.h"
#include "base/clock.h"
#include "base/spin.h"
#include "base/thread.h"
#include "jobq/fair_impl.h"

#include <assert.h>
#include <errno.h>
#include <limits.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

#define SPIN_GAP_NS_MAX   (100 * CLOCK_NS_PER_US) /* who waited longer last time does not spin */
#define THREAD_TITLE_SIZE 16

enum worker_state {
    WORKER_AWAKE = 0,
    WORKER_ASLEEP,
    WORKER_CALLED,
};

struct worker { /* on its thread's stack */
    struct ring idle;
    _Atomic uint32_t state; /* a futex */
    uint32_t title_generation;
    bool is_quick; /* its last wait was a short one */
};

struct jobq {
    _Atomic uint32_t refs;
    pthread_mutex_t lock;     /* guards all below */
    _Atomic uint32_t changes; /* a futex: a thread has come or gone, or a drain's last job ended */
    struct fair pending;
    struct ring idle; /* workers */
    struct jobq_counts counts;
    struct jobq_limits limits;
    size_t starting;     /* threads that were made and have not arrived */
    bool help_is_coming; /* a thread was called or started, and nobody has arrived since */
    bool is_draining;    /* only jobs of the queue may submit */
    bool is_drained;     /* nobody may */
    bool is_closing;     /* threads end when nothing is pending */
    uint32_t title_generation;
    char title[THREAD_TITLE_SIZE]; /* of threads */
    char name[JOBQ_NAME_LEN_MAX + 1];
};

/* The queue whose thread this is: its jobs may submit while it drains. */
static __thread const struct jobq *self_queue;

/* Sleep until say_changed(); the lock is held, not while this sleeps. */
static void await_change(struct jobq *q)
{
    uint32_t seen = atomic_load_explicit(&q->changes, memory_order_relaxed);
    pthread_mutex_unlock(&q->lock);
    (void)thread_ops.wait(&q->changes, seen, NULL);
    pthread_mutex_lock(&q->lock);
}

/* The lock is held, which orders the count; the last thread is gone, or so. */
static void say_changed(struct jobq *q)
{
    atomic_fetch_add_explicit(&q->changes, 1, memory_order_relaxed);
    thread_ops.wake(&q->changes, INT_MAX);
}

/* ---- calling threads ------------------------------------------------------------- */

/* Whom to call for help: at most one of the two. */
struct help {
    struct worker *worker; /* taken off the ring of idle ones */
    bool is_new;
};

static void *thread_main(void *arg);

/* The lock is held. */
static struct worker *take_idle(struct jobq *q)
{
    if (ring_is_empty(&q->idle))
        return NULL;
    struct worker *worker = list_entry(q->idle.prev, struct worker, idle);
    ring_remove(&worker->idle);
    q->counts.wakes++;
    return worker;
}

/* Decide who is to help with what is pending; the lock is held, call() follows without it. */
static struct help find_help(struct jobq *q)
{
    struct help help = {NULL, false};
    if (q->counts.backlog == 0 || q->help_is_coming)
        return help;
    help.worker = take_idle(q);
    help.is_new = help.worker == NULL && q->counts.threads + q->starting < q->limits.threads_max;
    q->help_is_coming = help.worker != NULL || help.is_new;
    q->starting += help.is_new;
    q->counts.wakes += help.is_new;
    return help;
}

/* The worker may be gone when it is woken: to wake nobody there, or somebody else, is harmless. */
static void call_worker(struct worker *worker)
{
    _Atomic uint32_t *word = &worker->state;
    if (atomic_exchange(word, WORKER_CALLED) == WORKER_ASLEEP) /* pairs with wait_for_call() */
        thread_ops.wake(word, 1);
}

/* A thread could not be started: whoever became idle meanwhile was not called. */
static struct worker *give_up_starting(struct jobq *q)
{
    pthread_mutex_lock(&q->lock);
    q->starting--;
    struct worker *worker = q->counts.backlog > 0 ? take_idle(q) : NULL;
    q->help_is_coming = worker != NULL;
    say_changed(q);
    pthread_mutex_unlock(&q->lock);
    return worker;
}

static void call(struct jobq *q, struct help help)
{
    if (help.is_new && thread_start_detached(thread_main, q) != 0)
        help.worker = give_up_starting(q);
    if (help.worker != NULL)
        call_worker(help.worker);
}

/* Have every idle thread look whether it is to go; the lock is held. */
static void call_all(struct jobq *q)
{
    struct worker *worker;
    while ((worker = take_idle(q)) != NULL)
        call_worker(worker);
}

/* ---- a thread -------------------------------------------------------------------- */

static unsigned bucket_of(uint64_t ns)
{
    unsigned bucket = ns == 0 ? 0 : 64 - (unsigned)__builtin_clzll(ns);
    return bucket < JOBQ_BUCKET_COUNT ? bucket : JOBQ_BUCKET_COUNT - 1;
}

static bool is_called(void *worker)
{
    return atomic_load_explicit(&((struct worker *)worker)->state, memory_order_relaxed) ==
           WORKER_CALLED;
}

/* Sleep until worker is called (true), or for timeout_ns (0: for ever). */
static bool sleep_until_called(struct worker *worker, uint64_t timeout_ns)
{
    struct timespec timeout = {.tv_sec = (time_t)(timeout_ns / CLOCK_NS_PER_S),
                               .tv_nsec = (long)(timeout_ns % CLOCK_NS_PER_S)};
    uint32_t state = WORKER_AWAKE;
    (void)atomic_compare_exchange_strong(&worker->state, &state, WORKER_ASLEEP);
    while (atomic_load(&worker->state) != WORKER_CALLED) /* pairs with call_worker() */
        if (thread_ops.wait(&worker->state, WORKER_ASLEEP, timeout_ns == 0 ? NULL : &timeout) ==
            -ETIMEDOUT)
            return atomic_load(&worker->state) == WORKER_CALLED;
    return true;
}

static bool may_end(const struct jobq *q)
{
    return q->counts.threads > q->limits.threads_kept && q->counts.threads > 1;
}

/*
 * Wait for a call.  The lock is held, not while it waits.  Returns false if worker has waited long
 * enough to end.
 */
static bool wait_for_call(struct jobq *q, struct worker *worker, uint64_t since_ns)
{
    atomic_store_explicit(&worker->state, WORKER_AWAKE, memory_order_relaxed);
    ring_add_tail(&q->idle, &worker->idle);
    uint64_t timeout_ns = may_end(q) ? q->limits.idle_ns : 0;
    pthread_mutex_unlock(&q->lock);
    bool has_come = worker->is_quick && spin_until(is_called, worker, since_ns);
    while (!has_come) {
        has_come = sleep_until_called(worker, timeout_ns);
        if (has_come)
            break;
        timeout_ns = 0;
        pthread_mutex_lock(&q->lock);
        if (ring_is_linked(&worker->idle) && may_end(q)) {
            ring_remove(&worker->idle);
            return false;
        }
        pthread_mutex_unlock(&q->lock); /* it is called at this moment, or is one that stays */
    }
    worker->is_quick = clock_mono_ns() - since_ns < SPIN_GAP_NS_MAX;
    pthread_mutex_lock(&q->lock);
    q->help_is_coming = false;
    return true;
}

/* Run one job, if there is any; the lock is held, not while it runs.  *now_ns: of the last look. */
static bool run_one(struct jobq *q, bool brings_more, uint64_t *now_ns)
{
    struct jobq_job *job = fair_take(&q->pending);
    if (job == NULL)
        return false;
    struct subqueue *subqueue = job->subqueue;
    q->counts.backlog--;
    q->counts.inflight++;
    struct help help = {NULL, false};
    if (brings_more)
        help = find_help(q);
    pthread_mutex_unlock(&q->lock);
    call(q, help);
    uint64_t submitted_ns = job->submitted_ns, begun_ns = clock_mono_ns();
    job->begun_ns = begun_ns;
    job->run(job); /* it may be gone after this */
    *now_ns = clock_mono_ns();
    pthread_mutex_lock(&q->lock);
    uint64_t wait_ns = begun_ns > submitted_ns ? begun_ns - submitted_ns : 0;
    uint64_t run_ns = *now_ns - begun_ns;
    q->counts.wait_ns[bucket_of(wait_ns)]++;
    q->counts.run_ns[bucket_of(run_ns)]++;
    q->counts.wait_ns_sum += wait_ns;
    q->counts.run_ns_sum += run_ns;
    q->counts.inflight--;
    q->counts.total++;
    fair_done(&q->pending, subqueue);
    if (q->is_draining && q->counts.inflight == 0 && q->counts.backlog == 0)
        say_changed(q);
    return true;
}

/* Be called as the queue says; the lock is held. */
static void take_title(struct jobq *q, struct worker *worker)
{
    if (worker->title_generation == q->title_generation)
        return;
    worker->title_generation = q->title_generation;
    thread_set_name(q->title);
}

static void begin_thread(struct jobq *q)
{
    self_queue = q;
    pthread_mutex_lock(&q->lock);
    q->starting--;
    q->help_is_coming = false;
    q->counts.threads++;
    say_changed(q);
}

/*
 * The lock is held.  A job may have come while this thread was called or started, and called nobody
 * else; if it goes since there are too many, somebody who stays is called.
 */
static void end_thread(struct jobq *q)
{
    q->counts.threads--;
    struct worker *worker = q->counts.backlog > 0 ? take_idle(q) : NULL;
    if (worker != NULL)
        call_worker(worker);
    if (q->counts.threads == 0)
        say_changed(q);
    pthread_mutex_unlock(&q->lock);
}

static void *thread_main(void *arg)
{
    struct jobq *q = arg;
    struct worker worker = {.is_quick = true};
    uint64_t now_ns = clock_mono_ns();
    bool was_called = true;
    void *signal_stack = thread_add_signal_stack(THREAD_SIGNAL_STACK_SIZE);
    begin_thread(q);
    while (q->counts.threads <= q->limits.threads_max) {
        take_title(q, &worker);
        if (run_one(q, was_called, &now_ns)) {
            was_called = false;
            continue;
        }
        if (q->is_closing || !wait_for_call(q, &worker, now_ns))
            break;
        was_called = true;
    }
    thread_drop_signal_stack(signal_stack); /* before whoever waits for the end goes on */
    end_thread(q);
    return NULL;
}

/* ---- a queue's life -------------------------------------------------------------- */

static bool are_valid(const struct jobq_limits *limits)
{
    return limits->threads_max > 0 && limits->threads_max <= JOBQ_THREADS_MAX;
}

static void init_lock(pthread_mutex_t *lock)
{
    pthread_mutexattr_t attr;
    pthread_mutexattr_init(&attr);
    pthread_mutexattr_settype(&attr, PTHREAD_MUTEX_ADAPTIVE_NP); /* it is held for some 50 ns */
    pthread_mutex_init(lock, &attr);
    pthread_mutexattr_destroy(&attr);
}

void jobq_ref(struct jobq *q)
{
    atomic_fetch_add_explicit(&q->refs, 1, memory_order_relaxed);
}

void jobq_unref(struct jobq *q)
{
    if (atomic_fetch_sub_explicit(&q->refs, 1, memory_order_acq_rel) != 1)
        return;
    fair_fini(&q->pending);
    pthread_mutex_destroy(&q->lock);
    alloc_free(q);
}

static void set_title(struct jobq *q, const char *name)
{
    snprintf(q->title, sizeof(q->title), "q:%.13s", name);
    q->title_generation++;
}

int jobq_new(const char *name, const struct jobq_limits *limits, struct jobq **out)
{
    if (name == NULL || strlen(name) > JOBQ_NAME_LEN_MAX || !are_valid(limits))
        return -EINVAL;
    struct jobq *q = alloc_zeroed(1, sizeof(*q));
    if (q == NULL)
        return -ENOMEM;
    atomic_init(&q->refs, 1);
    init_lock(&q->lock);
    fair_init(&q->pending);
    ring_init(&q->idle);
    q->limits = *limits;
    snprintf(q->name, sizeof(q->name), "%s", name);
    set_title(q, name);

    q->starting = 1;
    q->help_is_coming = true;
    int err = thread_start_detached(thread_main, q);
    if (err != 0) {
        jobq_unref(q);
        return err;
    }
    pthread_mutex_lock(&q->lock);
    while (q->starting > 0)
        await_change(q);
    pthread_mutex_unlock(&q->lock);
    *out = q;
    return 0;
}

void jobq_free(struct jobq *q)
{
    if (q == NULL)
        return;
    assert(self_queue != q);
    pthread_mutex_lock(&q->lock);
    q->is_closing = true;
    while (q->counts.threads > 0 || q->starting > 0) {
        call_all(q);
        await_change(q);
    }
    pthread_mutex_unlock(&q->lock);
    assert(q->counts.backlog == 0 && q->counts.inflight == 0);
    jobq_unref(q);
}

int jobq_drain(struct jobq *q)
{
    if (self_queue == q)
        return -EDEADLK;
    pthread_mutex_lock(&q->lock);
    q->is_draining = true;
    while (q->counts.backlog > 0 || q->counts.inflight > 0)
        await_change(q);
    q->is_drained = true;
    pthread_mutex_unlock(&q->lock);
    return 0;
}

bool jobq_is_shut(struct jobq *q)
{
    pthread_mutex_lock(&q->lock);
    bool is_shut = q->is_draining;
    pthread_mutex_unlock(&q->lock);
    return is_shut;
}

/* ---- jobs ------------------------------------------------------------------------ */

static int submit(struct jobq *q, struct jobq_job *job, uint64_t subqueue, bool is_try)
{
    int err = 0;
    struct help help = {NULL, false};
    job->submitted_ns = clock_mono_ns();
    pthread_mutex_lock(&q->lock);
    if (q->is_drained || (q->is_draining && self_queue != q)) {
        err = -ESHUTDOWN;
    } else if (is_try && q->limits.backlog_max > 0 && q->counts.backlog >= q->limits.backlog_max) {
        err = -EAGAIN;
    } else {
        fair_put(&q->pending, job, subqueue, q->limits.is_lifo);
        q->counts.backlog++;
        help = find_help(q);
    }
    pthread_mutex_unlock(&q->lock);
    call(q, help);
    return err;
}

int jobq_submit(struct jobq *q, struct jobq_job *job, uint64_t subqueue)
{
    return submit(q, job, subqueue, false);
}

int jobq_try_submit(struct jobq *q, struct jobq_job *job, uint64_t subqueue)
{
    return submit(q, job, subqueue, true);
}

bool jobq_withdraw(struct jobq *q, struct jobq_job *job)
{
    pthread_mutex_lock(&q->lock);
    bool is_pending = ring_is_linked(&job->node);
    if (is_pending) {
        fair_remove(&q->pending, job);
        q->counts.backlog--;
        if (q->is_draining && q->counts.inflight == 0 && q->counts.backlog == 0)
            say_changed(q);
    }
    pthread_mutex_unlock(&q->lock);
    return is_pending;
}

/* ---- limits and figures ---------------------------------------------------------- */

int jobq_set_limits(struct jobq *q, const struct jobq_limits *limits)
{
    if (!are_valid(limits))
        return -EINVAL;
    pthread_mutex_lock(&q->lock);
    q->limits = *limits;
    if (q->counts.threads > limits->threads_max)
        call_all(q);
    struct help help = find_help(q);
    pthread_mutex_unlock(&q->lock);
    call(q, help);
    return 0;
}

struct jobq_limits jobq_limits(struct jobq *q)
{
    pthread_mutex_lock(&q->lock);
    struct jobq_limits limits = q->limits;
    pthread_mutex_unlock(&q->lock);
    return limits;
}

void jobq_set_thread_name(struct jobq *q, const char *name)
{
    pthread_mutex_lock(&q->lock);
    set_title(q, name);
    pthread_mutex_unlock(&q->lock);
}

const char *jobq_name(const struct jobq *q)
{
    return q->name;
}

size_t jobq_backlog(struct jobq *q)
{
    pthread_mutex_lock(&q->lock);
    size_t backlog = q->counts.backlog;
    pthread_mutex_unlock(&q->lock);
    return backlog;
}

void jobq_counts(struct jobq *q, struct jobq_counts *out)
{
    pthread_mutex_lock(&q->lock);
    *out = q->counts;
    out->subqueues = q->pending.count;
    pthread_mutex_unlock(&q->lock);
}
