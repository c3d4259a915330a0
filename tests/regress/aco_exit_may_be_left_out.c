/* SPDX-License-Identifier: MIT */
/*
 * Defect: a coroutine's function that returned instead of calling aco_exit() ended the process.
 * Method: return, at once and after a wait; the loop goes on.
 * Shown red: drop aco_exit() from begin() of coro/coro.c.
 */
#include "in_coroutine.h"

static _Atomic int ended;

static void return_at_once(void)
{
    atomic_fetch_add(&ended, 1);
}

static void return_after_a_wait(void)
{
    sleep_ms(1);
    atomic_fetch_add(&ended, 1);
}

static void start_both(void *closure)
{
    eventer_aco_start(return_at_once, NULL);
    eventer_aco_start(return_after_a_wait, NULL);
}

static void a_function_may_return(void **state)
{
    in_loop(0, start_both, NULL);
    wait_until(&ended, 2);
    wait_for_all_to_end(0); /* in the loop, which is still there to say so */
    assert_int_equal(atomic_load(&ended), 2);
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(a_function_may_return),
};

int main(void)
{
    start_loops(1);
    return harness_run(__FILE__, tests, sizeof(tests) / sizeof(tests[0]));
}
