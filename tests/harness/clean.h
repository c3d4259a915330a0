/* SPDX-License-Identifier: MIT */
/*
 * clean.h - tests in loops that leave nothing behind: no failed check, no line that the test has
 * not looked at, no event.
 *
 * For programs that call logged_begin() and start_loops() in main().
 */
#ifndef EVENTER_TESTS_CLEAN_H
#define EVENTER_TESTS_CLEAN_H

#include "in_loop.h"
#include "logged.h"

static int64_t clean_events; /* that were there before the test */

static inline int clean_set_up(void **state)
{
    clean_events = eventer_allocations_current();
    return logged_set_up(state);
}

static inline int clean_tear_down(void **state)
{
    settle_all();
    assert_checks();
    assert_int_equal(eventer_allocations_current(), clean_events);
    return logged_tear_down(state);
}

#define clean_test(test) cmocka_unit_test_setup_teardown(test, clean_set_up, clean_tear_down)

#endif
