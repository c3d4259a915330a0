/* SPDX-License-Identifier: MIT */
/*
 * Goal: every job of a queue runs once, in order, on as many threads as allowed and no more.
 * Method: jobs that count who is inside, and that wait for one another; a storm from many
 * threads; the numbers of threads are waited for, never slept for.
 */
#include "harness.h"

#include "base/alloc.h"
#include "base/clock.h"
#include "jobq/jobq.h"

#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <semaphore.h>
#include <signal.h>
#include <stdatomic.h>
#include <string.h>

static struct jobq *make(const char *name, size_t threads_max)
{
    struct jobq *q = NULL;
    assert_int_equal(jobq_new(name, &JOBQ_LIMITS(threads_max), &q), 0);
    return q;
}

static void submit(struct jobq *q, struct jobq_job *job)
{
    assert_int_equal(jobq_submit(q, job, 0), 0);
}

static struct jobq_counts counts_of(struct jobq *q)
{
    struct jobq_counts counts;
    jobq_counts(q, &counts);
    return counts;
}

/* Change only how many threads there may be. */
static int set_threads_max(struct jobq *q, size_t threads_max)
{
    struct jobq_limits limits = jobq_limits(q);
    limits.threads_max = threads_max;
    return jobq_set_limits(q, &limits);
}

static size_t threads_max_of(struct jobq *q)
{
    return jobq_limits(q).threads_max;
}

/* Wait until q has as many threads. */
static void wait_for_threads(struct jobq *q, size_t wanted)
{
    while (counts_of(q).threads != wanted)
        sched_yield();
}

static void wait_for_inflight(struct jobq *q, size_t wanted)
{
    while (counts_of(q).inflight != wanted)
        sched_yield();
}

/* ---- order ----------------------------------------------------------------------- */

#define ORDER_COUNT 1000

struct numbered_job {
    struct jobq_job job;
    unsigned number;
};

static unsigned numbers[ORDER_COUNT], numbers_len;

static void note_number(struct jobq_job *job)
{
    numbers[numbers_len++] = list_entry(job, struct numbered_job, job)->number;
}

static void jobs_start_in_the_order_of_submission(void **state)
{
    static struct numbered_job jobs[ORDER_COUNT];
    struct jobq *q = make("order", 1);
    numbers_len = 0;
    for (unsigned i = 0; i < ORDER_COUNT; i++) {
        jobs[i] = (struct numbered_job){.job.run = note_number, .number = i};
        submit(q, &jobs[i].job);
    }
    jobq_free(q); /* runs what is pending */
    assert_int_equal(numbers_len, ORDER_COUNT);
    for (unsigned i = 0; i < ORDER_COUNT; i++)
        assert_int_equal(numbers[i], i);
}

/* ---- how many at once ------------------------------------------------------------ */

struct gate {
    struct jobq_job jobs[16];
    sem_t may_go;
    _Atomic int inside, most, done;
};

static struct gate gate;

static void pass_gate(struct jobq_job *job)
{
    int inside = atomic_fetch_add(&gate.inside, 1) + 1, most = atomic_load(&gate.most);
    while (inside > most && !atomic_compare_exchange_weak(&gate.most, &most, inside))
        ;
    while (sem_wait(&gate.may_go) != 0)
        ;
    atomic_fetch_sub(&gate.inside, 1);
    atomic_fetch_add(&gate.done, 1);
}

static void gate_init(void)
{
    memset(&gate, 0, sizeof(gate));
    sem_init(&gate.may_go, 0, 0);
}

static void submit_to_gate(struct jobq *q, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        gate.jobs[i].run = pass_gate;
        submit(q, &gate.jobs[i]);
    }
}

static void wait_for_inside(int wanted)
{
    while (atomic_load(&gate.inside) != wanted)
        sched_yield();
}

static void open_gate(size_t count)
{
    for (size_t i = 0; i < count; i++)
        sem_post(&gate.may_go);
}

static void the_limit_is_reached_and_not_exceeded(void **state)
{
    for (size_t limit = 1; limit <= 4; limit++) {
        struct jobq *q = make("limit", limit);
        gate_init();
        submit_to_gate(q, 16);
        wait_for_inside((int)limit); /* reached: else this waits for ever */
        assert_int_equal(counts_of(q).inflight, limit);
        assert_int_equal(counts_of(q).backlog, 16 - limit);
        open_gate(16);
        jobq_free(q);
        assert_int_equal(gate.most, limit);
        assert_int_equal(gate.done, 16);
        sem_destroy(&gate.may_go);
    }
}

static void threads_come_only_as_jobs_find_no_idle_one(void **state)
{
    struct jobq *q = make("lazy", 4);
    assert_int_equal(counts_of(q).threads, 1);
    gate_init();
    submit_to_gate(q, 1);
    wait_for_inflight(q, 1);
    assert_in_range(counts_of(q).threads, 1, 2); /* the first may not have been asleep yet */
    open_gate(1);
    jobq_free(q);
    sem_destroy(&gate.may_go);
}

static void raising_the_limit_lets_pending_jobs_begin(void **state)
{
    struct jobq *q = make("grow", 1);
    gate_init();
    submit_to_gate(q, 8);
    wait_for_inside(1);
    assert_int_equal(set_threads_max(q, 5), 0);
    assert_int_equal(threads_max_of(q), 5);
    wait_for_inside(5);
    open_gate(8);
    jobq_free(q);
    assert_int_equal(gate.most, 5);
    sem_destroy(&gate.may_go);
}

static void lowering_the_limit_lets_threads_go_and_loses_no_job(void **state)
{
    struct jobq *q = make("shrink", 6);
    gate_init();
    submit_to_gate(q, 16);
    wait_for_inside(6);
    assert_int_equal(set_threads_max(q, 2), 0);
    open_gate(6); /* the six that run end; four threads go */
    wait_for_threads(q, 2);
    wait_for_inflight(q, 2);
    open_gate(10);
    wait_for_inflight(q, 0);
    while (counts_of(q).total != 16)
        sched_yield();
    assert_int_equal(set_threads_max(q, 1), 0); /* an idle one goes too */
    wait_for_threads(q, 1);
    jobq_free(q);
    assert_int_equal(gate.done, 16);
    sem_destroy(&gate.may_go);
}

/* ---- a storm --------------------------------------------------------------------- */

#define SENDER_COUNT 4
#define STORM_COUNT  5000

struct storm_job {
    struct jobq_job job;
    _Atomic int runs;
};

static struct storm_job storm[SENDER_COUNT][STORM_COUNT];
static struct jobq *storm_queue;

static void count_run(struct jobq_job *job)
{
    atomic_fetch_add(&list_entry(job, struct storm_job, job)->runs, 1);
}

static void *send_storm(void *closure)
{
    struct storm_job *jobs = closure;
    for (size_t i = 0; i < STORM_COUNT; i++) {
        jobs[i].job.run = count_run;
        (void)jobq_submit(storm_queue, &jobs[i].job, i % 7);
        if (i % 1000 == 500) /* the number of threads changes meanwhile */
            set_threads_max(storm_queue, 1 + i / 1000 % 4);
    }
    return NULL;
}

static void every_job_of_a_storm_runs_exactly_once(void **state)
{
    pthread_t senders[SENDER_COUNT];
    memset(storm, 0, sizeof(storm));
    storm_queue = make("storm", 3);
    for (size_t i = 0; i < SENDER_COUNT; i++)
        assert_int_equal(pthread_create(&senders[i], NULL, send_storm, storm[i]), 0);
    for (size_t i = 0; i < SENDER_COUNT; i++)
        pthread_join(senders[i], NULL);
    while (counts_of(storm_queue).total != SENDER_COUNT * STORM_COUNT)
        sched_yield();
    struct jobq_counts counts = counts_of(storm_queue);
    assert_int_equal(counts.backlog, 0);
    assert_int_equal(counts.inflight, 0);
    jobq_free(storm_queue);
    for (size_t s = 0; s < SENDER_COUNT; s++)
        for (size_t i = 0; i < STORM_COUNT; i++)
            assert_int_equal(storm[s][i].runs, 1);
}

/* ---- jobs that submit jobs ------------------------------------------------------- */

struct chain_job {
    struct jobq_job job;
    struct jobq *q;
    unsigned left;
};

static void submit_itself_again(struct jobq_job *job)
{
    struct chain_job *chain = list_entry(job, struct chain_job, job);
    if (chain->left-- > 0)
        (void)jobq_submit(chain->q, &chain->job, 0);
}

static void a_job_may_submit_a_job_even_while_the_queue_is_freed(void **state)
{
    struct jobq *q = make("chain", 2);
    struct chain_job chain = {.job.run = submit_itself_again, .q = q, .left = 1000};
    submit(q, &chain.job);
    jobq_free(q);
    assert_int_equal(chain.left, UINT32_MAX);
}

/* ---- threads that are not needed ------------------------------------------------- */

static struct jobq *make_impatient(size_t threads_max, size_t threads_kept)
{
    struct jobq_limits limits = JOBQ_LIMITS(threads_max);
    struct jobq *q = NULL;
    limits.idle_ns = 1000000;
    limits.threads_kept = threads_kept;
    assert_int_equal(jobq_new("impatient", &limits, &q), 0);
    return q;
}

static void idle_threads_end_down_to_those_kept_and_come_again(void **state)
{
    for (size_t kept = 0; kept <= 3; kept++) {
        struct jobq *q = make_impatient(4, kept);
        for (int round = 0; round < 3; round++) {
            gate_init();
            submit_to_gate(q, 4);
            wait_for_inside(4);
            open_gate(4);
            wait_for_inflight(q, 0);
            sem_destroy(&gate.may_go);
            wait_for_threads(q, kept == 0 ? 1 : kept);
        }
        assert_int_equal(counts_of(q).total, 12);
        jobq_free(q);
    }
}

static void *come_and_go(void *closure)
{
    struct storm_job *own = closure;
    for (size_t i = 0; i < 300; i++) {
        (void)jobq_submit(storm_queue, &own[i].job, 0);
        if (i % 3 == 0)
            while (atomic_load(&own[i].runs) == 0)
                sched_yield();
    }
    return NULL;
}

static void jobs_that_meet_a_thread_about_to_end_are_run(void **state)
{
    pthread_t senders[SENDER_COUNT];
    struct jobq_limits limits = JOBQ_LIMITS(3);
    limits.idle_ns = 1; /* whoever waits is about to end */
    memset(storm, 0, sizeof(storm));
    assert_int_equal(jobq_new("hasty", &limits, &storm_queue), 0);
    for (size_t s = 0; s < SENDER_COUNT; s++) {
        for (size_t i = 0; i < 300; i++)
            storm[s][i].job.run = count_run;
        assert_int_equal(pthread_create(&senders[s], NULL, come_and_go, storm[s]), 0);
    }
    for (size_t i = 0; i < SENDER_COUNT; i++)
        pthread_join(senders[i], NULL);
    jobq_free(storm_queue);
    for (size_t s = 0; s < SENDER_COUNT; s++)
        for (size_t i = 0; i < 300; i++)
            assert_int_equal(storm[s][i].runs, 1);
}

static void a_burst_costs_its_sender_one_call(void **state)
{
    struct jobq *q = make("burst", 1);
    gate_init();
    submit_to_gate(q, 1);
    wait_for_inside(1);
    uint64_t wakes = counts_of(q).wakes;
    static struct storm_job burst[100];
    for (size_t i = 0; i < 100; i++) {
        burst[i].job.run = count_run;
        submit(q, &burst[i].job);
    }
    assert_int_equal(counts_of(q).wakes, wakes); /* its only thread is at work and comes anyway */
    open_gate(1);
    jobq_free(q);
    sem_destroy(&gate.may_go);
}

/* ---- order, and sub-queues ------------------------------------------------------- */

static void set_lifo(struct jobq *q, bool is_lifo)
{
    struct jobq_limits limits = jobq_limits(q);
    limits.is_lifo = is_lifo;
    assert_int_equal(jobq_set_limits(q, &limits), 0);
}

/* Hold the only thread of q until open_gate(1). */
static void hold_thread(struct jobq *q)
{
    gate_init();
    submit_to_gate(q, 1);
    wait_for_inside(1);
}

static void let_thread_go(struct jobq *q)
{
    open_gate(1);
    jobq_free(q);
    sem_destroy(&gate.may_go);
}

static void the_order_can_change_and_no_job_is_lost(void **state)
{
    static struct numbered_job some[9];
    struct jobq *q = make("order", 1);
    numbers_len = 0;
    hold_thread(q);
    for (unsigned i = 0; i < 9; i++) {
        if (i % 3 == 0)
            set_lifo(q, i == 3);
        some[i] = (struct numbered_job){.job.run = note_number, .number = i};
        submit(q, &some[i].job);
    }
    let_thread_go(q);
    const unsigned order[] = {5, 4, 3, 0, 1, 2, 6, 7, 8};
    assert_int_equal(numbers_len, 9);
    assert_memory_equal(numbers, order, sizeof(order));
}

static void subqueues_take_turns_and_go_with_their_jobs(void **state)
{
    static struct numbered_job some[6];
    struct jobq *q = make("turns", 1);
    numbers_len = 0;
    hold_thread(q);
    for (unsigned i = 0; i < 6; i++) {
        some[i] = (struct numbered_job){.job.run = note_number, .number = i};
        assert_int_equal(jobq_submit(q, &some[i].job, i < 4 ? 1 : i), 0);
    }
    assert_int_equal(counts_of(q).subqueues, 3);
    open_gate(1);
    while (counts_of(q).total != 7)
        sched_yield();
    assert_int_equal(counts_of(q).subqueues, 0);
    const unsigned order[] = {0, 4, 5, 1, 2, 3};
    assert_memory_equal(numbers, order, sizeof(order));
    jobq_free(q);
    sem_destroy(&gate.may_go);
}

/* ---- back-pressure, withdrawal, the end ------------------------------------------ */

static void tries_are_refused_at_the_limit_and_nothing_else_is(void **state)
{
    static struct numbered_job some[5];
    struct jobq *q = make("try", 1);
    struct jobq_limits limits = jobq_limits(q);
    limits.backlog_max = 3;
    assert_int_equal(jobq_set_limits(q, &limits), 0);
    numbers_len = 0;
    hold_thread(q);
    for (unsigned i = 0; i < 5; i++) {
        some[i] = (struct numbered_job){.job.run = note_number, .number = i};
        assert_int_equal(jobq_try_submit(q, &some[i].job, i % 2), i < 3 ? 0 : -EAGAIN);
    }
    submit(q, &some[4].job);
    assert_int_equal(jobq_backlog(q), 4);
    limits.backlog_max = 0;
    assert_int_equal(jobq_set_limits(q, &limits), 0);
    assert_int_equal(jobq_try_submit(q, &some[3].job, 0), 0);
    let_thread_go(q);
    assert_int_equal(numbers_len, 5);
}

static void only_what_has_not_begun_is_withdrawn(void **state)
{
    static struct numbered_job some[3];
    struct jobq *q = make("withdraw", 1);
    numbers_len = 0;
    hold_thread(q);
    for (unsigned i = 0; i < 3; i++) {
        some[i] = (struct numbered_job){.job.run = note_number, .number = i};
        submit(q, &some[i].job);
    }
    assert_true(jobq_withdraw(q, &some[1].job));
    assert_false(jobq_withdraw(q, &some[1].job));
    assert_false(jobq_withdraw(q, &gate.jobs[0])); /* it runs */
    jobq_ref(q);
    let_thread_go(q);
    assert_int_equal(numbers_len, 2);
    assert_int_equal(numbers[1], 2);
    assert_false(jobq_withdraw(q, &some[2].job)); /* of a queue that has ended */
    jobq_unref(q);
}

struct drain_job {
    struct jobq_job job;
    struct jobq *q;
    unsigned left;
    int drain_err;
    _Atomic int err;
};

static void submit_again_while_draining(struct jobq_job *job)
{
    struct drain_job *self = list_entry(job, struct drain_job, job);
    while (!jobq_is_shut(self->q))
        sched_yield();
    self->drain_err = jobq_drain(self->q);
    if (self->left-- == 0)
        return;
    int err = jobq_submit(self->q, job, 0); /* the other thread may run it before this returns */
    if (err != 0)
        atomic_store(&self->err, err);
}

static void a_drain_ends_all_jobs_and_theirs_and_refuses_others(void **state)
{
    struct jobq *q = make("drain", 2);
    struct drain_job job = {.job.run = submit_again_while_draining, .q = q, .left = 10};
    struct numbered_job late = {.job.run = note_number};
    submit(q, &job.job);
    assert_false(jobq_is_shut(q));
    assert_int_equal(jobq_drain(q), 0);
    assert_int_equal(job.err, 0);
    assert_int_equal(job.drain_err, -EDEADLK);
    assert_int_equal(job.left, UINT32_MAX);
    assert_int_equal(jobq_submit(q, &late.job, 0), -ESHUTDOWN);
    assert_int_equal(jobq_try_submit(q, &late.job, 0), -ESHUTDOWN);
    assert_int_equal(jobq_drain(q), 0);
    assert_int_equal(counts_of(q).total, 11);
    jobq_free(q);
}

/* ---- figures --------------------------------------------------------------------- */

static void every_job_is_in_both_histograms(void **state)
{
    static struct numbered_job some[20];
    struct jobq *q = make("figures", 1);
    numbers_len = 0;
    hold_thread(q);
    for (unsigned i = 0; i < 20; i++) {
        some[i] = (struct numbered_job){.job.run = note_number, .number = i};
        submit(q, &some[i].job);
    }
    uint64_t held_ns = clock_mono_ns();
    while (clock_mono_ns() - held_ns < 2 * CLOCK_NS_PER_MS)
        sched_yield();
    open_gate(1);
    while (counts_of(q).total != 21)
        sched_yield();
    struct jobq_counts counts = counts_of(q);
    uint64_t waits = 0, runs = 0, late = 0;
    for (size_t i = 0; i < JOBQ_BUCKET_COUNT; i++) {
        waits += counts.wait_ns[i];
        runs += counts.run_ns[i];
        if (i > 20) /* 2^20 ns and more */
            late += counts.wait_ns[i];
    }
    assert_int_equal(waits, 21);
    assert_int_equal(runs, 21);
    assert_in_range(late, 20, 21);
    jobq_free(q);
    sem_destroy(&gate.may_go);
}

struct thread_job {
    struct jobq_job job;
    sigset_t blocked;
    char name[16];
};

static void look_at_thread(struct jobq_job *job)
{
    struct thread_job *self = list_entry(job, struct thread_job, job);
    pthread_sigmask(SIG_SETMASK, NULL, &self->blocked);
    pthread_getname_np(pthread_self(), self->name, sizeof(self->name));
}

static void threads_block_signals_and_take_a_new_name(void **state)
{
    struct thread_job job = {.job.run = look_at_thread};
    struct jobq *q = make("old", 1);
    submit(q, &job.job);
    while (counts_of(q).total != 1)
        sched_yield();
    assert_string_equal(job.name, "q:old");
    assert_true(sigismember(&job.blocked, SIGTERM));
    assert_true(sigismember(&job.blocked, SIGALRM));
    assert_false(sigismember(&job.blocked, SIGSEGV));
    jobq_set_thread_name(q, "a_much_longer_name");
    submit(q, &job.job);
    jobq_free(q);
    assert_string_equal(job.name, "q:a_much_longer");
}

/* ---- what is refused ------------------------------------------------------------- */

static void names_and_limits_are_checked_at_their_edges(void **state)
{
    char name[JOBQ_NAME_LEN_MAX + 2];
    struct jobq *q = NULL;
    memset(name, 'n', sizeof(name));
    name[JOBQ_NAME_LEN_MAX + 1] = '\0';
    assert_int_equal(jobq_new(name, &JOBQ_LIMITS(1), &q), -EINVAL);
    name[JOBQ_NAME_LEN_MAX] = '\0';
    q = make(name, JOBQ_THREADS_MAX);
    assert_string_equal(jobq_name(q), name);
    assert_int_equal(set_threads_max(q, JOBQ_THREADS_MAX + 1), -EINVAL);
    assert_int_equal(set_threads_max(q, 0), -EINVAL);
    assert_int_equal(threads_max_of(q), JOBQ_THREADS_MAX);
    assert_int_equal(set_threads_max(q, JOBQ_THREADS_MAX - 1), 0);
    jobq_free(q);
    name[JOBQ_NAME_LEN_MAX - 1] = '\0';
    jobq_free(make(name, JOBQ_THREADS_MAX - 1));
    q = NULL;
    assert_int_equal(jobq_new(NULL, &JOBQ_LIMITS(1), &q), -EINVAL);
    assert_int_equal(jobq_new("x", &JOBQ_LIMITS(0), &q), -EINVAL);
    assert_int_equal(jobq_new("x", &JOBQ_LIMITS(JOBQ_THREADS_MAX + 1), &q), -EINVAL);
    assert_null(q);
    jobq_free(NULL);
}

static void make_and_free(void *closure)
{
    struct jobq *q = NULL;
    int err = jobq_new("short", &JOBQ_LIMITS(2), &q);
    assert_true(err == 0 || (err == -ENOMEM && q == NULL));
    jobq_free(q);
}

static void a_queue_that_cannot_be_made_leaves_nothing(void **state)
{
    harness_fail_each_allocation(make_and_free, NULL);
}

struct name_job {
    struct jobq_job job;
    char name[16];
};

static void read_name(struct jobq_job *job)
{
    pthread_getname_np(pthread_self(), list_entry(job, struct name_job, job)->name, 16);
}

static void threads_carry_the_name_of_their_queue(void **state)
{
    struct name_job job = {.job.run = read_name};
    struct jobq *q = make("a_long_name_of_a_queue", 1);
    submit(q, &job.job);
    jobq_free(q);
    assert_string_equal(job.name, "q:a_long_name_o");
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(jobs_start_in_the_order_of_submission),
    cmocka_unit_test(the_limit_is_reached_and_not_exceeded),
    cmocka_unit_test(threads_come_only_as_jobs_find_no_idle_one),
    cmocka_unit_test(raising_the_limit_lets_pending_jobs_begin),
    cmocka_unit_test(lowering_the_limit_lets_threads_go_and_loses_no_job),
    cmocka_unit_test(every_job_of_a_storm_runs_exactly_once),
    cmocka_unit_test(a_job_may_submit_a_job_even_while_the_queue_is_freed),
    cmocka_unit_test(idle_threads_end_down_to_those_kept_and_come_again),
    cmocka_unit_test(jobs_that_meet_a_thread_about_to_end_are_run),
    cmocka_unit_test(a_burst_costs_its_sender_one_call),
    cmocka_unit_test(the_order_can_change_and_no_job_is_lost),
    cmocka_unit_test(subqueues_take_turns_and_go_with_their_jobs),
    cmocka_unit_test(tries_are_refused_at_the_limit_and_nothing_else_is),
    cmocka_unit_test(only_what_has_not_begun_is_withdrawn),
    cmocka_unit_test(a_drain_ends_all_jobs_and_theirs_and_refuses_others),
    cmocka_unit_test(every_job_is_in_both_histograms),
    cmocka_unit_test(threads_block_signals_and_take_a_new_name),
    cmocka_unit_test(names_and_limits_are_checked_at_their_edges),
    cmocka_unit_test(a_queue_that_cannot_be_made_leaves_nothing),
    cmocka_unit_test(threads_carry_the_name_of_their_queue),
};
HARNESS_MAIN(tests)
