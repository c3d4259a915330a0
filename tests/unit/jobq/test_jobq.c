/* SPDX-License-Identifier: MIT */
/*
 * Goal: every job of a queue runs once, in order, on as many threads as allowed and no more.
 * Method: jobs that count who is inside, and that wait for one another; a storm from many
 * threads; the numbers of threads are waited for, never slept for.
 */
#include "harness.h"

#include "base/alloc.h"
#include "jobq/jobq.h"

#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <semaphore.h>
#include <stdatomic.h>
#include <string.h>

static struct jobq *make(const char *name, size_t threads_max)
{
    struct jobq *q = NULL;
    assert_int_equal(jobq_new(name, threads_max, &q), 0);
    return q;
}

/* Wait until q has as many threads. */
static void wait_for_threads(struct jobq *q, size_t wanted)
{
    while (jobq_counts(q).threads != wanted)
        sched_yield();
}

static void wait_for_inflight(struct jobq *q, size_t wanted)
{
    while (jobq_counts(q).inflight != wanted)
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
        jobq_submit(q, &jobs[i].job);
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
        jobq_submit(q, &gate.jobs[i]);
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
        assert_int_equal(jobq_counts(q).inflight, limit);
        assert_int_equal(jobq_counts(q).backlog, 16 - limit);
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
    assert_int_equal(jobq_counts(q).threads, 1);
    gate_init();
    submit_to_gate(q, 1);
    wait_for_inflight(q, 1);
    assert_in_range(jobq_counts(q).threads, 1, 2); /* the first may not have been asleep yet */
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
    assert_int_equal(jobq_set_threads_max(q, 5), 0);
    assert_int_equal(jobq_threads_max(q), 5);
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
    assert_int_equal(jobq_set_threads_max(q, 2), 0);
    open_gate(6); /* the six that run end; four threads go */
    wait_for_threads(q, 2);
    wait_for_inflight(q, 2);
    open_gate(10);
    wait_for_inflight(q, 0);
    while (jobq_counts(q).total != 16)
        sched_yield();
    assert_int_equal(jobq_set_threads_max(q, 1), 0); /* an idle one goes too */
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
        jobq_submit(storm_queue, &jobs[i].job);
        if (i % 1000 == 500) /* the number of threads changes meanwhile */
            jobq_set_threads_max(storm_queue, 1 + i / 1000 % 4);
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
    while (jobq_counts(storm_queue).total != SENDER_COUNT * STORM_COUNT)
        sched_yield();
    struct jobq_counts counts = jobq_counts(storm_queue);
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
        jobq_submit(chain->q, &chain->job);
}

static void a_job_may_submit_a_job_even_while_the_queue_is_freed(void **state)
{
    struct jobq *q = make("chain", 2);
    struct chain_job chain = {.job.run = submit_itself_again, .q = q, .left = 1000};
    jobq_submit(q, &chain.job);
    jobq_free(q);
    assert_int_equal(chain.left, UINT32_MAX);
}

/* ---- what is refused ------------------------------------------------------------- */

static void names_and_limits_are_checked_at_their_edges(void **state)
{
    char name[JOBQ_NAME_LEN_MAX + 2];
    struct jobq *q = NULL;
    memset(name, 'n', sizeof(name));
    name[JOBQ_NAME_LEN_MAX + 1] = '\0';
    assert_int_equal(jobq_new(name, 1, &q), -EINVAL);
    name[JOBQ_NAME_LEN_MAX] = '\0';
    q = make(name, JOBQ_THREADS_MAX);
    assert_string_equal(jobq_name(q), name);
    assert_int_equal(jobq_set_threads_max(q, JOBQ_THREADS_MAX + 1), -EINVAL);
    assert_int_equal(jobq_set_threads_max(q, 0), -EINVAL);
    assert_int_equal(jobq_threads_max(q), JOBQ_THREADS_MAX);
    assert_int_equal(jobq_set_threads_max(q, JOBQ_THREADS_MAX - 1), 0);
    jobq_free(q);
    name[JOBQ_NAME_LEN_MAX - 1] = '\0';
    jobq_free(make(name, JOBQ_THREADS_MAX - 1));
    q = NULL;
    assert_int_equal(jobq_new(NULL, 1, &q), -EINVAL);
    assert_int_equal(jobq_new("x", 0, &q), -EINVAL);
    assert_int_equal(jobq_new("x", JOBQ_THREADS_MAX + 1, &q), -EINVAL);
    assert_null(q);
    jobq_free(NULL);
}

static void make_and_free(void *closure)
{
    struct jobq *q = NULL;
    int err = jobq_new("short", 2, &q);
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
    jobq_submit(q, &job.job);
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
    cmocka_unit_test(names_and_limits_are_checked_at_their_edges),
    cmocka_unit_test(a_queue_that_cannot_be_made_leaves_nothing),
    cmocka_unit_test(threads_carry_the_name_of_their_queue),
};
HARNESS_MAIN(tests)
