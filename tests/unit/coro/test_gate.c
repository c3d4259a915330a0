/* SPDX-License-Identifier: MIT */
/*
 * Goal: a gate lets its coroutine wait until all that went through it is done, once, however
 * many that are and whenever they end; its misuse is refused, and none is lost.
 * Method: jobs that wait for a word from the test, so that they end before, during or after the
 * wait.
 */
#include "clean.h"
#include "in_coroutine.h"

#include "base/alloc.h"
#include "coro/coro.h"
#include "coro/gate_impl.h"

struct work {
    struct tally may_end;
    _Atomic int done;
};

static void count_it(void *closure)
{
    atomic_fetch_add(&((struct work *)closure)->done, 1);
}

static void wait_for_word(void *closure)
{
    struct work *work = closure;
    tally_wait(&work->may_end);
    atomic_fetch_add(&work->done, 1);
}

static void wait_on_an_empty_gate(void *closure)
{
    eventer_aco_gate_t gate = eventer_aco_gate();
    check(gate != NULL);
    eventer_aco_gate_wait(gate);
    check(this_coroutine()->own_gates == 0);
}

static void a_gate_without_jobs_does_not_wait(void **state)
{
    in_coroutine(0, wait_on_an_empty_gate, NULL);
}

static void send_many(void *closure)
{
    struct work *work = closure;
    eventer_aco_gate_t gate = eventer_aco_gate();
    for (int i = 0; i < 100; i++)
        eventer_aco_simple_asynch_gated(gate, count_it, work);
    eventer_aco_gate_wait(gate);
    check_int(work->done, 100);
}

static void a_wait_ends_when_every_job_is_done(void **state)
{
    static struct work work = {TALLY_NONE, 0};
    in_coroutine(0, send_many, &work);
    assert_int_equal(work.done, 100);
}

static void wait_while_they_run(void *closure)
{
    struct work *work = closure;
    eventer_aco_gate_t gate = eventer_aco_gate();
    for (int i = 0; i < 3; i++)
        eventer_aco_simple_asynch_gated(gate, wait_for_word, work);
    check_int(work->done, 0); /* a gated call does not wait */
    for (int i = 0; i < 3; i++)
        tally_raise(&work->may_end);
    eventer_aco_gate_wait(gate);
    check_int(work->done, 3);
}

static void a_gated_call_returns_at_once(void **state)
{
    static struct work work = {TALLY_NONE, 0};
    in_coroutine(0, wait_while_they_run, &work);
}

static void wait_after_they_have_ended(void *closure)
{
    struct work *work = closure;
    eventer_aco_gate_t gate = eventer_aco_gate();
    for (int i = 0; i < 3; i++)
        eventer_aco_simple_asynch_gated(gate, count_it, work);
    while (gate->outstanding > 0)
        sleep_ms(1);
    eventer_aco_gate_wait(gate);
    check_int(work->done, 3);
}

static void jobs_may_be_done_before_the_wait(void **state)
{
    static struct work work = {TALLY_NONE, 0};
    in_coroutine(0, wait_after_they_have_ended, &work);
}

static void use_two_gates(void *closure)
{
    struct work *work = closure;
    eventer_aco_gate_t a = eventer_aco_gate(), b = eventer_aco_gate(), c = eventer_aco_gate();
    eventer_aco_simple_asynch_gated(a, wait_for_word, work);
    eventer_aco_simple_asynch_gated(b, count_it, work);
    eventer_aco_gate_wait(b);
    check_int(work->done, 1);
    eventer_aco_gate_wait(c);
    tally_raise(&work->may_end);
    eventer_aco_gate_wait(a);
    check_int(work->done, 2);
    check(this_coroutine()->own_gates == 0);
}

static void a_coroutine_may_have_several_gates(void **state)
{
    static struct work work = {TALLY_NONE, 0};
    in_coroutine(0, use_two_gates, &work);
}

/* ---- never waited on ---- */

static void leave_a_gate_behind(void *closure)
{
    eventer_aco_gate_t gate = eventer_aco_gate();
    (void)eventer_aco_gate(); /* and one without jobs */
    eventer_aco_simple_asynch_gated(gate, wait_for_word, closure);
}

static void a_gate_that_is_never_waited_on_is_freed_when_its_last_job_is_done(void **state)
{
    static struct work work = {TALLY_NONE, 0};
    in_coroutine(0, leave_a_gate_behind, &work); /* the coroutine has ended */
    tally_raise(&work.may_end);
    wait_until(&work.done, 1);
    settle(0); /* and what is not freed the leak checker finds */
}

/* ---- a job that comes when the waiter has been woken, and has not run yet ---- */

static eventer_aco_gate_t late_gate;
static struct work late_work = {TALLY_NONE, 0};
static struct coro *late_waiter;

static void wait_on_late_gate(void *closure)
{
    late_gate = eventer_aco_gate();
    late_waiter = this_coroutine();
    eventer_aco_simple_asynch_gated(late_gate, wait_for_word, &late_work);
    eventer_aco_gate_wait(late_gate);
    check_int(late_work.done, 2);
}

static void send_another(void)
{
    check_int(late_waiter->co.state_, CORO_READY); /* woken */
    eventer_aco_simple_asynch_gated(late_gate, wait_for_word, &late_work);
}

static void end_the_first_and_send_another(void *closure)
{
    tally_raise(&late_work.may_end);
    wait_until(&late_work.done, 1);
    while (!mailbox_has_mail(&loop_self->mail)) /* its completion, and nothing else */
        sched_yield();
    struct queue mail = mailbox_take_all(&loop_self->mail);
    if (!check(mail.first != NULL))
        return;
    struct mail *message = list_entry(mail.first, struct mail, node);
    message->run(message, loop_self);
    eventer_aco_start(send_another, NULL);
}

static void a_gate_that_was_entered_again_meanwhile_goes_on_waiting(void **state)
{
    struct errand waiting;
    coroutine_post(&waiting, 0, wait_on_late_gate, NULL);
    settle(0);
    in_loop(0, end_the_first_and_send_another, NULL);
    settle(0);
    assert_int_equal(late_work.done, 1); /* it still waits */
    tally_raise(&late_work.may_end);
    errand_wait(&waiting);
}

/* ---- misuse ---- */

static eventer_aco_gate_t stolen;

static void steal(void)
{
    eventer_aco_gate_wait(stolen);
    check_int(errno, EINVAL);
}

static void lend_to_thief(void *closure)
{
    stolen = eventer_aco_gate();
    eventer_aco_start(steal, NULL);
    eventer_aco_gate_wait(stolen);
}

static void another_coroutine_cannot_wait_on_it(void **state)
{
    in_coroutine(0, lend_to_thief, NULL);
    assert_logged(1, "the gate belongs to another coroutine");
}

static void misuse_gates(void *closure)
{
    eventer_aco_gate_wait(NULL);
    check_int(errno, EINVAL);
    eventer_aco_simple_asynch_gated(NULL, count_it, NULL);
    check_int(errno, EINVAL);
}

static void no_gate_is_refused(void **state)
{
    in_coroutine(0, misuse_gates, NULL);
    assert_int_equal(logged("no gate"), 2);
    logged_clear();
}

static void gates_exist_in_coroutines_only(void **state)
{
    errno = 0;
    assert_null(eventer_aco_gate());
    assert_int_equal(errno, EINVAL);
    assert_logged(1, "eventer_aco_gate: called outside a coroutine");
    eventer_aco_gate_wait(NULL);
    assert_logged(1, "eventer_aco_gate_wait: called outside a coroutine");
}

static eventer_aco_gate_t abroad;

static void send_through_foreign_gate(void *closure)
{
    eventer_aco_simple_asynch_gated(abroad, count_it, NULL);
    check_int(errno, EINVAL);
    eventer_aco_gate_wait(abroad);
}

static void keep_a_gate_while(void *closure)
{
    struct work *work = closure;
    abroad = eventer_aco_gate();
    atomic_store(&work->done, 1);
    while (atomic_load(&work->done) == 1)
        sleep_ms(1);
    eventer_aco_gate_wait(abroad);
}

static void a_gate_is_of_no_use_in_another_loop(void **state)
{
    static struct work work = {TALLY_NONE, 0};
    struct errand keeping;
    coroutine_post(&keeping, 0, keep_a_gate_while, &work);
    wait_until(&work.done, 1);
    in_coroutine(1, send_through_foreign_gate, NULL);
    atomic_store(&work.done, 2);
    errand_wait(&keeping);
    assert_int_equal(logged("the gate belongs to another loop"), 1);
    assert_int_equal(logged("the gate belongs to another coroutine"), 1);
    logged_clear();
}

static void make_gate_without_memory(void *closure)
{
    alloc_fail_nth(1, 0);
    check(eventer_aco_gate() == NULL);
    alloc_fail_nth(0, 0);
    check_int(errno, ENOMEM);
    check(this_coroutine()->own_gates == 0);
}

static void without_memory_there_is_no_gate(void **state)
{
    in_coroutine(0, make_gate_without_memory, NULL);
}

static const struct CMUnitTest tests[] = {
    clean_test(a_gate_without_jobs_does_not_wait),
    clean_test(a_wait_ends_when_every_job_is_done),
    clean_test(a_gated_call_returns_at_once),
    clean_test(jobs_may_be_done_before_the_wait),
    clean_test(a_coroutine_may_have_several_gates),
    clean_test(a_gate_that_is_never_waited_on_is_freed_when_its_last_job_is_done),
    clean_test(a_gate_that_was_entered_again_meanwhile_goes_on_waiting),
    clean_test(another_coroutine_cannot_wait_on_it),
    clean_test(no_gate_is_refused),
    clean_test(gates_exist_in_coroutines_only),
    clean_test(a_gate_is_of_no_use_in_another_loop),
    clean_test(without_memory_there_is_no_gate),
};

int main(void)
{
    logged_begin();
    start_loops(2);
    return harness_run(__FILE__, tests, sizeof(tests) / sizeof(tests[0]));
}
