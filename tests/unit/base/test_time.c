/* SPDX-License-Identifier: MIT */
/*
 * Goal: the clocks of mtev_time.h and mtev_perftimer.h are those of the system, in their units.
 * Method: each reading lies between two of the system's own; a source of time that stands still.
 */
#include "harness.h"

#include "base/clock.h"

#include <mtev_perftimer.h>
#include <mtev_time.h>

static uint64_t reading_of(clockid_t clock)
{
    struct timespec now;
    assert_int_equal(clock_gettime(clock, &now), 0);
    return (uint64_t)now.tv_sec * CLOCK_NS_PER_S + (uint64_t)now.tv_nsec;
}

static void durations_are_of_the_clock_that_runs_forward(void **state)
{
    uint64_t before = reading_of(CLOCK_MONOTONIC);
    uint64_t first = mtev_gethrtime(), second = mtev_sys_gethrtime();
    uint64_t after = reading_of(CLOCK_MONOTONIC);
    assert_true(before <= first && first <= second && second <= after);
}

static void the_wall_clock_comes_in_three_units(void **state)
{
    struct timeval now;
    uint64_t before = reading_of(CLOCK_REALTIME);
    uint64_t ns = mtev_get_nanos(), us = mtev_now_us(), ms = mtev_now_ms();
    assert_int_equal(mtev_gettimeofday(&now, NULL), 0);
    uint64_t after = reading_of(CLOCK_REALTIME);
    assert_in_range(ns, before, after);
    assert_in_range(us, before / 1000, after / 1000);
    assert_in_range(ms, before / 1000000, after / 1000000);
    assert_in_range((uint64_t)now.tv_sec, before / CLOCK_NS_PER_S, after / CLOCK_NS_PER_S);
    assert_in_range(now.tv_usec, 0, 999999);
}

static struct timespec planted;

static int read_planted(clockid_t clock, struct timespec *out)
{
    *out = planted;
    return 0;
}

static void a_timer_tells_what_has_passed_since_its_last_start(void **state)
{
    mtev_perftimer_t timer;
    int (*before)(clockid_t, struct timespec *) = clock_source.gettime;
    clock_source.gettime = read_planted;
    planted = (struct timespec){.tv_sec = 5, .tv_nsec = 999999999};
    mtev_perftimer_start(&timer);
    assert_int_equal(mtev_perftimer_elapsed(&timer), 0);
    planted = (struct timespec){.tv_sec = 7, .tv_nsec = 1};
    assert_int_equal(mtev_perftimer_elapsed(&timer), 1000000002);
    mtev_perftimer_start(&timer);
    planted.tv_nsec = 8;
    assert_int_equal(mtev_perftimer_elapsed(&timer), 7);
    clock_source.gettime = before;
}

static void there_is_nothing_to_calibrate(void **state)
{
    uint64_t before = mtev_gethrtime();
    mtev_time_start_tsc();
    mtev_time_toggle_tsc(mtev_true);
    mtev_time_toggle_require_invariant_tsc(mtev_false);
    assert_int_equal(mtev_time_maintain(), mtev_false);
    mtev_time_stop_tsc();
    assert_true(mtev_gethrtime() >= before);
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(durations_are_of_the_clock_that_runs_forward),
    cmocka_unit_test(the_wall_clock_comes_in_three_units),
    cmocka_unit_test(a_timer_tells_what_has_passed_since_its_last_start),
    cmocka_unit_test(there_is_nothing_to_calibrate),
};

HARNESS_MAIN(tests)
