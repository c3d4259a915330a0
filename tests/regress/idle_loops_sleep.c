/* SPDX-License-Identifier: MIT */
/*
 * Defect: every loop woke five times a second, there were four loops a CPU and one more, and
 * each job queue had a timer that ran every second.
 * Method: the default number of loops; count what their pollers are asked in
 * half a second with parked coroutines, a far timer and queues, and nothing to do.
 * Shown red: have sleep_until_ns() of eventer/loop.c return at most 200 ms from now.
 */
#include "counted.h"
#include "in_coroutine.h"

#include <poll.h>
#include <sched.h>

static void never_woken(void *closure)
{
    sleep_ms(3600 * 1000);
}

static int never(eventer_t e, int mask, void *closure, struct timeval *now)
{
    return 0;
}

static void there_is_one_loop_a_cpu_and_it_sleeps(void **state)
{
    cpu_set_t cpus;
    static struct errand parked;
    int loops = eventer_loop_concurrency();
    assert_int_equal(sched_getaffinity(0, sizeof(cpus), &cpus), 0);
    assert_true(loops >= 1 && loops <= CPU_COUNT(&cpus));
    assert_non_null(eventer_jobq_create("idle"));
    eventer_add_in_s_us(never, NULL, 3600, 0);
    coroutine_post(&parked, 0, never_woken, NULL);
    for (int i = 0; i < loops; i++) {
        settle((uint32_t)i);
        while (!atomic_load(&loop_at((uint32_t)i)->is_asleep))
            sched_yield();
    }
    int before = atomic_load(&counted_waits);
    poll(NULL, 0, 500); /* nothing to wait for: that nothing happens is what is shown */
    assert_in_range(counted_waits, before, before + 1); /* a coarse slot of the timers may end */
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(there_is_one_loop_a_cpu_and_it_sleeps),
};

int main(void)
{
    count_pollers();
    start_loops(0);
    return harness_run(__FILE__, tests, sizeof(tests) / sizeof(tests[0]));
}
