/* SPDX-License-Identifier: MIT */
/*
 * Goal: a coroutine hands blocking work to a queue and goes on when it is done: every family,
 * gated and not, on any queue, with locals lent; and nothing of it is left.
 * Method: work that notes on which thread each of its steps ran; the number of events alive
 * before and after.
 */
#include "clean.h"
#include "in_coroutine.h"

#include "base/alloc.h"
#include "eventer/event.h"

#include <string.h>

struct steps {
    _Atomic int works, cleanups, completes;
    char queue[16];
};

static void note_work(struct steps *steps)
{
    check(!eventer_in_loop());
    check(!eventer_is_aco(NULL));
    check(eventer_aco_arg() == NULL);
    pthread_getname_np(pthread_self(), steps->queue, sizeof(steps->queue));
    atomic_fetch_add(&steps->works, 1);
}

static void simple_work(void *closure)
{
    note_work(closure);
}

static void note_step(eventer_asynch_op_t op, void *closure)
{
    struct steps *steps = closure;
    if (op == EVENTER_ASYNCH_WORK) {
        check_int(steps->works, steps->completes);
        note_work(steps);
    } else if (op == EVENTER_ASYNCH_CLEANUP) {
        check(!eventer_in_loop());
        check_int(atomic_fetch_add(&steps->cleanups, 1) + 1, steps->works);
    } else {
        check_int(op, EVENTER_ASYNCH_COMPLETE);
        check(eventer_in_loop());
        check(!eventer_is_aco(NULL)); /* in the loop, not in the coroutine */
        check_int(atomic_fetch_add(&steps->completes, 1) + 1, steps->cleanups);
    }
}

static int on_event(eventer_t e, int mask, void *closure, struct timeval *now)
{
    check(now->tv_sec > 0);
    note_step((eventer_asynch_op_t)mask, closure);
    return EVENTER_ASYNCH; /* means nothing here */
}

static void check_steps(const struct steps *steps, int works, int others)
{
    check_int(steps->works, works);
    check_int(steps->cleanups, others);
    check_int(steps->completes, others);
}

/* ---- the families ---- */

static void use_each_family(void *closure)
{
    static struct steps simple, asynch, event;
    eventer_jobq_t *q = eventer_jobq_create("other");
    for (int i = 1; i <= 10; i++) {
        eventer_aco_simple_asynch(simple_work, &simple);
        check_steps(&simple, i, 0);
        eventer_aco_asynch(note_step, &asynch);
        check_steps(&asynch, i, i);
        eventer_aco_run_asynch(eventer_alloc_asynch(on_event, &event));
        check_steps(&event, i, i);
    }
    check(strcmp(simple.queue, "q:default_queue") == 0);
    eventer_aco_simple_asynch_queue(simple_work, &simple, q);
    check(strcmp(simple.queue, "q:other") == 0);
    eventer_aco_asynch_queue(note_step, &asynch, q);
    check(strcmp(asynch.queue, "q:other") == 0);
    eventer_aco_run_asynch_queue(q, eventer_alloc_asynch(on_event, &event));
    check(strcmp(event.queue, "q:other") == 0);
}

static void each_family_waits_until_its_work_is_done(void **state)
{
    in_coroutine(0, use_each_family, NULL);
}

static void use_each_gated_family(void *closure)
{
    static struct steps simple, asynch, event;
    eventer_jobq_t *q = eventer_jobq_create("other");
    eventer_aco_gate_t gate = eventer_aco_gate();
    eventer_aco_simple_asynch_gated(gate, simple_work, &simple);
    eventer_aco_asynch_gated(gate, note_step, &asynch);
    eventer_aco_run_asynch_gated(gate, eventer_alloc_asynch(on_event, &event));
    eventer_aco_gate_wait(gate);
    check_steps(&simple, 1, 0);
    check_steps(&asynch, 1, 1);
    check_steps(&event, 1, 1);
    gate = eventer_aco_gate();
    eventer_aco_simple_asynch_queue_gated(gate, simple_work, &simple, q);
    eventer_aco_asynch_queue_gated(gate, note_step, &asynch, q);
    eventer_aco_run_asynch_queue_gated(gate, q, eventer_alloc_asynch(on_event, &event));
    eventer_aco_gate_wait(gate);
    check_steps(&simple, 2, 0);
    check_steps(&asynch, 2, 2);
    check_steps(&event, 2, 2);
    check(strcmp(event.queue, "q:other") == 0);
}

static void each_gated_family_is_waited_for_at_the_gate(void **state)
{
    in_coroutine(0, use_each_gated_family, NULL);
}

static void run_and_count_events(void *closure)
{
    static struct steps steps;
    int64_t before = eventer_allocations_current();
    for (int i = 0; i < 100; i++)
        eventer_aco_run_asynch(eventer_alloc_asynch(on_event, &steps));
    check_int(eventer_allocations_current(), before);
    check_steps(&steps, 100, 100);
}

static void an_event_that_was_run_is_freed(void **state)
{
    in_coroutine(0, run_and_count_events, NULL);
}

/* ---- others run meanwhile ---- */

static struct tally may_end = TALLY_NONE;

static void wait_for_word(void *closure)
{
    tally_wait(&may_end);
}

static void give_word(void)
{
    sleep_ms(1);
    tally_raise(&may_end); /* only a loop that runs on can do this */
}

static void block_a_queue(void *closure)
{
    eventer_aco_start(give_word, NULL);
    eventer_aco_simple_asynch(wait_for_word, NULL);
}

static void the_loop_runs_on_meanwhile(void **state)
{
    in_coroutine(0, block_a_queue, NULL);
}

/* ---- lending ---- */

struct large {
    int numbers[100];
};

static void fill(void *closure)
{
    struct large *large = closure;
    for (int i = 0; i < 100; i++)
        large->numbers[i] += i;
}

static _Atomic int lenders_ended;

static void lend(void)
{
    struct large large = {{0}};
    for (int round = 1; round <= 10; round++) {
        eventer_aco_simple_asynch(fill, &large);
        for (int i = 0; i < 100; i++)
            if (large.numbers[i] != i * round)
                check_int(large.numbers[i], i * round);
    }
    eventer_aco_gate_t gate = eventer_aco_gate();
    struct large more[3] = {{{0}}};
    for (int i = 0; i < 3; i++)
        eventer_aco_simple_asynch_gated(gate, fill, &more[i]);
    sleep_ms(1); /* its frames stay in place while others run */
    eventer_aco_gate_wait(gate);
    for (int i = 0; i < 3; i++)
        check_int(more[i].numbers[99], 99);
    atomic_fetch_add(&lenders_ended, 1);
}

static void start_lenders(void *closure)
{
    for (int i = 0; i < 20; i++)
        eventer_aco_start(lend, NULL);
}

static void locals_can_be_lent_to_jobs(void **state)
{
    lenders_ended = 0;
    in_loop(0, start_lenders, NULL);
    in_loop(1, start_lenders, NULL);
    wait_until(&lenders_ended, 40);
    settle(1);
}

static void lend_and_leave(void)
{
    struct large large = {{0}};
    eventer_aco_gate_t gate = eventer_aco_gate();
    eventer_aco_simple_asynch_gated(gate, wait_for_word, NULL);
    eventer_aco_simple_asynch_gated(gate, fill, &large);
    aco_exit(); /* not by returning: the job may write to large, which must not be used again */
}

static void start_leaver(void *closure)
{
    eventer_aco_start(lend_and_leave, NULL);
}

static void a_loan_that_outlives_its_coroutine_harms_nobody(void **state)
{
    for (int i = 0; i < 20; i++)
        in_loop(0, start_leaver, NULL);
    for (int i = 0; i < 20; i++)
        tally_raise(&may_end);
    lenders_ended = 0;
    in_loop(0, start_lenders, NULL);
    wait_until(&lenders_ended, 20);
    settle(0);
}

/* ---- misuse, and no memory ---- */

static void outside_a_coroutine_nothing_is_run(void **state)
{
    struct steps steps = {.works = 0};
    errno = 0;
    eventer_aco_simple_asynch(simple_work, &steps);
    assert_int_equal(errno, EINVAL);
    assert_logged(1, "eventer_aco_simple_asynch: called outside a coroutine");
    eventer_aco_asynch(note_step, &steps);
    assert_logged(1, "eventer_aco_asynch: called outside a coroutine");
    eventer_t e = eventer_alloc_asynch(on_event, &steps);
    eventer_aco_run_asynch(e);
    assert_logged(1, "eventer_aco_run_asynch: called outside a coroutine");
    eventer_free(e); /* it is still the caller's */
    assert_int_equal(steps.works, 0);
}

static void run_nothing(void *closure)
{
    eventer_t timer = eventer_in_s_us(on_event, NULL, 1, 0);
    eventer_aco_simple_asynch(NULL, NULL);
    check_int(errno, EINVAL);
    eventer_aco_asynch(NULL, NULL);
    eventer_aco_run_asynch(NULL);
    eventer_aco_run_asynch(timer);
    eventer_free(timer);
}

static void nothing_to_run_is_refused(void **state)
{
    in_coroutine(0, run_nothing, NULL);
    assert_int_equal(logged("nothing to run"), 4);
    logged_clear();
}

struct late_steps {
    int works;
};

static void work_in_loop(void *closure)
{
    check(eventer_in_loop()); /* rather late than never */
    ((struct late_steps *)closure)->works++;
}

static void run_without_memory(void *closure)
{
    struct late_steps steps = {0};
    alloc_fail_nth(1, 1);
    eventer_aco_simple_asynch(work_in_loop, &steps);
    alloc_fail_nth(0, 0);
    check_int(steps.works, 1);
}

static void without_memory_the_work_runs_in_the_loop(void **state)
{
    in_coroutine(1, run_without_memory, NULL);
    assert_logged(1, "out of memory; the work runs in the loop");
}

static const struct CMUnitTest tests[] = {
    clean_test(
        without_memory_the_work_runs_in_the_loop), /* first: later there are jobs kept for reuse */
    clean_test(each_family_waits_until_its_work_is_done),
    clean_test(each_gated_family_is_waited_for_at_the_gate),
    clean_test(an_event_that_was_run_is_freed),
    clean_test(the_loop_runs_on_meanwhile),
    clean_test(locals_can_be_lent_to_jobs),
    clean_test(a_loan_that_outlives_its_coroutine_harms_nobody),
    clean_test(outside_a_coroutine_nothing_is_run),
    clean_test(nothing_to_run_is_refused),
};

int main(void)
{
    logged_begin();
    start_loops(2);
    return harness_run(__FILE__, tests, sizeof(tests) / sizeof(tests[0]));
}
