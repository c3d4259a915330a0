/* SPDX-License-Identifier: MIT */
/*
 * Defect: eventer_aco_run_asynch() never freed the event that it ran: one leaked a call.
 * Method: run a hundred and count the events alive.
 * Shown red: drop eventer_free() from do_complete() of coro/asynch.c.
 */
#include "in_coroutine.h"

static int work(eventer_t e, int mask, void *closure, struct timeval *now)
{
    return 0;
}

static void run_a_hundred(void *closure)
{
    int64_t before = eventer_allocations_current();
    eventer_aco_gate_t gate = eventer_aco_gate();
    for (int i = 0; i < 50; i++) {
        eventer_aco_run_asynch(eventer_alloc_asynch(work, NULL));
        eventer_aco_run_asynch_gated(gate, eventer_alloc_asynch(work, NULL));
    }
    eventer_aco_gate_wait(gate);
    check_int(eventer_allocations_current(), before);
}

static void a_hundred_runs_leave_no_event(void **state)
{
    in_coroutine(0, run_a_hundred, NULL);
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(a_hundred_runs_leave_no_event),
};

int main(void)
{
    start_loops(1);
    return harness_run(__FILE__, tests, sizeof(tests) / sizeof(tests[0]));
}
