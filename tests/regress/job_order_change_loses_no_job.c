/* SPDX-License-Identifier: MIT */
/*
 * Defect: jobs that were queued when a queue changed from LIFO to FIFO were lost: 5 of 11.
 * Method: hold the only thread, change the order between jobs, and count the ends.
 * Shown red: have fair_put() empty the list of pending jobs first, where is_first is false; it then
 * waits for ever.
 */
#include "in_loop.h"

static _Atomic int completes, is_held, may_go;

static int count(eventer_t e, int mask, void *closure, struct timeval *now)
{
    if (mask == EVENTER_ASYNCH_COMPLETE)
        atomic_fetch_add(&completes, 1);
    return 0;
}

static int hold(eventer_t e, int mask, void *closure, struct timeval *now)
{
    if (mask == EVENTER_ASYNCH_WORK) {
        atomic_store(&is_held, 1);
        wait_until(&may_go, 1);
    }
    return count(e, mask, closure, now);
}

static void every_job_ends_whatever_the_order_becomes(void **state)
{
    eventer_jobq_t *q = eventer_jobq_create("order");
    eventer_add_asynch(q, eventer_alloc_asynch(hold, NULL));
    wait_until(&is_held, 1);
    for (int i = 0; i < 10; i++) {
        eventer_jobq_set_lifo(q, i < 5 ? mtev_true : mtev_false);
        eventer_add_asynch(q, eventer_alloc_asynch(count, NULL));
    }
    assert_int_equal(eventer_jobq_get_backlog(q), 10);
    atomic_store(&may_go, 1);
    wait_until(&completes, 11);
    assert_int_equal(eventer_jobq_get_backlog(q), 0);
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(every_job_ends_whatever_the_order_becomes),
};

int main(void)
{
    start_loops(1);
    return harness_run(__FILE__, tests, sizeof(tests) / sizeof(tests[0]));
}
