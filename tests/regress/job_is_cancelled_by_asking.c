/* SPDX-License-Identifier: MIT */
/*
 * Defect: a job past its deadline was ended from outside, by a signal and a jump out of its code.
 * Method: a job past its deadline goes on, in its thread, until it asks; SIGALRM is as it was.
 * Shown red: have eventer_job_cancelled() return false.
 */
#include "in_loop.h"

#include <signal.h>

static _Atomic int completes;
static pthread_t worked_in, cleaned_in;
static bool has_begun, has_ended;

static int work(eventer_t e, int mask, void *closure, struct timeval *now)
{
    uint64_t begun_ns = clock_mono_ns();
    if (mask == EVENTER_ASYNCH_WORK) {
        has_begun = true;
        worked_in = pthread_self();
        while (!eventer_job_cancelled() && clock_mono_ns() - begun_ns < 5 * CLOCK_NS_PER_S)
            sched_yield();
        has_ended = eventer_job_cancelled(); /* it still says so, and this is still reached */
    }
    if (mask == EVENTER_ASYNCH_CLEANUP)
        cleaned_in = pthread_self();
    if (mask == EVENTER_ASYNCH_COMPLETE)
        atomic_fetch_add(&completes, 1);
    return 0;
}

static void run_past_deadline(int mask)
{
    int before = completes;
    struct timeval deadline = clock_timeval(clock_wall_ns() + 50 * CLOCK_NS_PER_MS);
    eventer_t e = eventer_alloc_asynch_timeout(work, NULL, &deadline);
    eventer_set_mask(e, EVENTER_ASYNCH | mask);
    eventer_add(e);
    wait_until(&completes, before + 1);
}

static void a_job_is_told_and_ends_by_itself(void **state)
{
    struct sigaction action;
    const int masks[] = {EVENTER_EVIL_BRUTAL, EVENTER_CANCEL_DEFERRED, EVENTER_CANCEL_ASYNCH};
    for (int i = 0; i < 3; i++) {
        has_ended = has_begun = false;
        while (!has_begun) /* on a busy machine it may come too late */
            run_past_deadline(masks[i]);
        assert_true(has_ended);
        assert_true(pthread_equal(worked_in, cleaned_in));
    }
    sigaction(SIGALRM, NULL, &action);
    assert_true(action.sa_handler == SIG_DFL);
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(a_job_is_told_and_ends_by_itself),
};

int main(void)
{
    start_loops(1);
    return harness_run(__FILE__, tests, sizeof(tests) / sizeof(tests[0]));
}
