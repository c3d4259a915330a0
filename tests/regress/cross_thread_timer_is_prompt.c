/* SPDX-License-Identifier: MIT */
/*
 * Defect: a timer that was added or moved by another thread did not wake its loop, and was up to
 * 200 ms late; so was a coroutine that was started off the loops.
 * Method: wait until the loop sleeps, for good, and then add, move, start: all of it happens,
 * and all of fifty rounds take less than 200 ms each.
 * Shown red: drop loop_wake() from loop_post() of eventer/loop.c.
 */
#include "in_coroutine.h"

#define ROUND_COUNT 50

static struct tally fired = TALLY_NONE;

static int on_timer(eventer_t e, int mask, void *closure, struct timeval *now)
{
    tally_raise(&fired);
    return 0;
}

static void run(void)
{
    tally_raise(&fired);
}

static void wait_until_asleep(void)
{
    while (!atomic_load(&loop_at(0)->is_asleep))
        sched_yield();
}

static void a_sleeping_loop_is_woken_for_a_timer_of_another_thread(void **state)
{
    uint64_t begun_ns = clock_mono_ns();
    for (int i = 0; i < ROUND_COUNT; i++) {
        wait_until_asleep();
        eventer_add_in_s_us(on_timer, NULL, 0, 1000);
        tally_wait(&fired);

        eventer_t e = eventer_add_in_s_us(on_timer, NULL, 3600, 0);
        wait_until_asleep();
        eventer_update_whence(e, (struct timeval){0, 1});
        tally_wait(&fired);

        wait_until_asleep();
        eventer_aco_start(run, NULL);
        tally_wait(&fired);
    }
    assert_true(clock_mono_ns() - begun_ns < ROUND_COUNT * 200 * CLOCK_NS_PER_MS);
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(a_sleeping_loop_is_woken_for_a_timer_of_another_thread),
};

int main(void)
{
    start_loops(1);
    return harness_run(__FILE__, tests, sizeof(tests) / sizeof(tests[0]));
}
