/* SPDX-License-Identifier: MIT */
/*
 * Defect: looking for a queue before there was one used a lock that nobody had made.
 * Method: look for one, make one and set it up, all before eventer_init(), then use it.
 * Shown red: have eventer_jobq_create_ms() refuse where there is no default queue yet.
 */
#include "in_loop.h"

static _Atomic int completes;

static int count(eventer_t e, int mask, void *closure, struct timeval *now)
{
    if (mask == EVENTER_ASYNCH_COMPLETE)
        atomic_fetch_add(&completes, 1);
    return 0;
}

static void a_queue_may_come_before_the_loops(void **state)
{
    assert_null(eventer_jobq_retrieve("early"));
    eventer_jobq_t *q = eventer_jobq_create("early");
    assert_non_null(q);
    assert_ptr_equal(eventer_jobq_retrieve("early"), q);
    eventer_jobq_set_concurrency(q, 2);
    start_loops(1);
    harness_keep_fds();
    eventer_add_asynch(q, eventer_alloc_asynch(count, NULL));
    wait_until(&completes, 1);
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(a_queue_may_come_before_the_loops),
};
HARNESS_MAIN(tests)
