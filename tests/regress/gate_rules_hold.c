/* SPDX-License-Identifier: MIT */
/*
 * Defect: the end of a gate's last job woke whoever had sent that job, not who waited; a gate
 * that was never waited on, or used outside a coroutine, crashed or leaked.
 * Method: one coroutine waits on a gate through which another has sent the last job; gates that
 * are never waited on; use from outside.
 * Shown red: have gate_leave() of coro/gate.c not wake the waiter.
 */
#include "in_coroutine.h"
#include "logged.h"

static struct tally may_end = TALLY_NONE;
static eventer_aco_gate_t gate;
static _Atomic int sender_ran, jobs_done;

static void wait_for_word(void *closure)
{
    tally_wait(&may_end);
    atomic_fetch_add(&jobs_done, 1);
}

static void send_and_sleep(void)
{
    eventer_aco_simple_asynch_gated(gate, wait_for_word, NULL);
    sleep_ms(5);
    atomic_fetch_add(&sender_ran, 1);
}

static void wait_for_what_another_sends(void *closure)
{
    gate = eventer_aco_gate();
    eventer_aco_start(send_and_sleep, NULL);
    tally_raise(&may_end);
    eventer_aco_gate_wait(gate);
    check_int(jobs_done, 1);
    while (atomic_load(&sender_ran) == 0)
        sleep_ms(1);
}

static void who_waits_is_woken_not_who_sent(void **state)
{
    in_coroutine(0, wait_for_what_another_sends, NULL);
}

static void leave_without_waiting(void *closure)
{
    eventer_aco_simple_asynch_gated(eventer_aco_gate(), wait_for_word, NULL);
}

static void a_gate_that_is_not_waited_on_is_no_leak(void **state)
{
    atomic_store(&jobs_done, 0);
    in_coroutine(0, leave_without_waiting, NULL);
    tally_raise(&may_end);
    wait_until(&jobs_done, 1);
    settle(0);
}

static void outside_a_coroutine_a_gate_is_refused(void **state)
{
    logged_clear();
    assert_null(eventer_aco_gate());
    eventer_aco_simple_asynch_gated(NULL, wait_for_word, NULL);
    eventer_aco_gate_wait(NULL);
    assert_logged(3, "called outside a coroutine");
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(who_waits_is_woken_not_who_sent),
    cmocka_unit_test(a_gate_that_is_not_waited_on_is_no_leak),
    cmocka_unit_test(outside_a_coroutine_a_gate_is_refused),
};

int main(void)
{
    logged_begin();
    start_loops(1);
    return harness_run(__FILE__, tests, sizeof(tests) / sizeof(tests[0]));
}
