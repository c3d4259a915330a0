/* SPDX-License-Identifier: MIT */
/*
 * Defect: every thread of a queue was woken when more than one job was pending.
 * Method: with four idle threads, count how many are woken for single jobs.
 * Shown red: have find_help() of jobq.c call call_all().
 */
#include "in_loop.h"

#include "eventer/asynch.h"

#define THREAD_COUNT 4
#define JOB_COUNT    200

static _Atomic int inside, completes;

static int meet(eventer_t e, int mask, void *closure, struct timeval *now)
{
    if (mask == EVENTER_ASYNCH_WORK) {
        atomic_fetch_add(&inside, 1);
        wait_until(&inside, THREAD_COUNT);
    }
    if (mask == EVENTER_ASYNCH_COMPLETE)
        atomic_fetch_add(&completes, 1);
    return 0;
}

static uint64_t wakes_of(eventer_jobq_t *q)
{
    static struct jobq_counts counts;
    do
        jobq_counts(q->q, &counts);
    while (counts.inflight > 0 || counts.backlog > 0);
    return counts.wakes;
}

static void a_job_wakes_one_of_many_idle_threads(void **state)
{
    eventer_jobq_t *q = eventer_jobq_create("many");
    eventer_jobq_set_concurrency(q, THREAD_COUNT);
    for (int i = 0; i < THREAD_COUNT; i++)
        eventer_add_asynch(q, eventer_alloc_asynch(meet, NULL));
    wait_until(&completes, THREAD_COUNT); /* all are there, and idle */
    uint64_t before = wakes_of(q);
    for (int i = 1; i <= JOB_COUNT; i++) {
        eventer_add_asynch(q, eventer_alloc_asynch(meet, NULL));
        wait_until(&completes, THREAD_COUNT + i);
    }
    assert_in_range(wakes_of(q) - before, 0, JOB_COUNT);
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(a_job_wakes_one_of_many_idle_threads),
};

int main(void)
{
    start_loops(1);
    return harness_run(__FILE__, tests, sizeof(tests) / sizeof(tests[0]));
}
