/* SPDX-License-Identifier: MIT */
/*
 * Defect: a deadline with tv_usec == 0 was ignored: WORK ran 10 s after it.
 * Method: a job with a deadline in the past, with and without microseconds.
 * Shown red: have is_late() of eventer/asynch.c ask deadline_ns % 1000000000 != 0, too.
 */
#include "in_loop.h"

static _Atomic int works, cleanups, completes;

static int count(eventer_t e, int mask, void *closure, struct timeval *now)
{
    atomic_fetch_add(mask == EVENTER_ASYNCH_WORK      ? &works
                     : mask == EVENTER_ASYNCH_CLEANUP ? &cleanups
                                                      : &completes,
                     1);
    return 0;
}

static void work_does_not_run_after_its_deadline(void **state)
{
    for (int usec = 0; usec < 2; usec++) {
        struct timeval deadline = {time(NULL) - 10, usec};
        eventer_add(eventer_alloc_asynch_timeout(count, NULL, &deadline));
        wait_until(&completes, usec + 1);
        assert_int_equal(works, 0);
        assert_int_equal(cleanups, usec + 1);
    }
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(work_does_not_run_after_its_deadline),
};

int main(void)
{
    start_loops(1);
    return harness_run(__FILE__, tests, sizeof(tests) / sizeof(tests[0]));
}
