/* SPDX-License-Identifier: MIT */
/*
 * Defect: a wait lasted whole milliseconds, so that a loop with less than one to go did not sleep
 * at all: it asked the kernel again and again until the timer was due.
 * Method: timers of 900 us, one after another, whose waits are counted.
 * Shown red: have sleep_until_ns() of eventer/loop.c return POLLER_AT_ONCE for what is due within
 * a millisecond.
 */
#include "counted.h"
#include "in_coroutine.h"

#define ROUND_COUNT 50

static struct tally fired = TALLY_NONE;

static int on_timer(eventer_t e, int mask, void *closure, struct timeval *now)
{
    tally_raise(&fired);
    return 0;
}

static void a_timer_costs_a_few_waits(void **state)
{
    int before = atomic_load(&counted_waits);
    for (int i = 0; i < ROUND_COUNT; i++) {
        eventer_add_in_s_us(on_timer, NULL, 0, 900);
        tally_wait(&fired);
    }
    /* Woken for the mail, for a coarse slot of the timers, and when it is due. */
    assert_true(atomic_load(&counted_waits) - before < 6 * ROUND_COUNT);
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(a_timer_costs_a_few_waits),
};

int main(void)
{
    count_pollers();
    start_loops(1);
    return harness_run(__FILE__, tests, sizeof(tests) / sizeof(tests[0]));
}
