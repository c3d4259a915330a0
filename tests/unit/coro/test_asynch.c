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

/* ---- sub-queues, deadlines, tries, and how it went ---- */

static void note_op(eventer_asynch_op_t op, void *closure)
{
    struct steps *steps = closure;
    atomic_fetch_add(op == EVENTER_ASYNCH_WORK      ? &steps->works
                     : op == EVENTER_ASYNCH_CLEANUP ? &steps->cleanups
                                                    : &steps->completes,
                     1);
}

static int on_late_event(eventer_t e, int mask, void *closure, struct timeval *now)
{
    note_op((eventer_asynch_op_t)mask, closure);
    return 0;
}

static struct timeval from_now(long ms)
{
    return clock_timeval(clock_wall_ns() + (uint64_t)(ms * (int64_t)CLOCK_NS_PER_MS));
}

static void use_each_variant(void *closure)
{
    static struct steps simple, asynch, event, gated;
    eventer_jobq_t *q = eventer_jobq_create("other");
    struct timeval later = from_now(3600 * 1000);
    check_int(eventer_aco_asynch_result(), EVENTER_JOB_NONE);
    eventer_aco_simple_asynch_queue_subqueue(simple_work, &simple, q, 7);
    check_int(eventer_aco_asynch_result(), EVENTER_JOB_DONE);
    eventer_aco_asynch_queue_subqueue(note_step, &asynch, q);
    eventer_aco_asynch_queue_subqueue(note_step, &asynch, q, 7);
    eventer_aco_asynch_queue_subqueue_deadline(note_step, &asynch, q, 7, &later);
    eventer_aco_asynch_queue_subqueue_deadline(note_step, &asynch, NULL, 7, NULL);
    eventer_aco_run_asynch_queue_subqueue(q, eventer_alloc_asynch(on_event, &event), 7);
    check(eventer_aco_try_run_asynch_queue_subqueue(q, eventer_alloc_asynch(on_event, &event), 7));
    check(eventer_aco_try_run_asynch_queue(q, eventer_alloc_asynch(on_event, &event)));
    check(eventer_aco_try_run_asynch(eventer_alloc_asynch(on_event, &event)));
    check_steps(&simple, 1, 0);
    check_steps(&asynch, 4, 4);
    check_steps(&event, 4, 4);
    check_int(eventer_aco_asynch_result(), EVENTER_JOB_DONE);

    eventer_aco_gate_t gate = eventer_aco_gate();
    eventer_aco_simple_asynch_queue_subqueue_gated(gate, simple_work, &simple, q, 7);
    eventer_aco_gate_wait(gate);
    check_int(eventer_aco_asynch_result(), EVENTER_JOB_DONE);
    gate = eventer_aco_gate();
    eventer_aco_asynch_queue_subqueue_deadline_gated(gate, note_op, &asynch, q, 7, &later);
    eventer_aco_asynch_queue_subqueue_gated(gate, note_op, &asynch, q);
    eventer_aco_asynch_queue_subqueue_gated(gate, note_op, &asynch, q, 8);
    eventer_aco_run_asynch_queue_subqueue_gated(gate, q, eventer_alloc_asynch(on_event, &gated), 7);
    eventer_aco_gate_wait(gate);
    gate = eventer_aco_gate();
    check(eventer_aco_try_run_asynch_queue_gated(gate, q, eventer_alloc_asynch(on_event, &event)));
    eventer_aco_gate_wait(gate);
    gate = eventer_aco_gate();
    check(eventer_aco_try_run_asynch_gated(gate, eventer_alloc_asynch(on_event, &event)));
    eventer_aco_gate_wait(gate);
    check_steps(&asynch, 7, 7);
    check_steps(&event, 6, 6);
    eventer_aco_gate_wait(eventer_aco_gate());
    check_int(eventer_aco_asynch_result(), EVENTER_JOB_NONE); /* nothing went through it */
}

static void each_variant_runs_its_work_once(void **state)
{
    in_coroutine(0, use_each_variant, NULL);
    assert_int_equal(eventer_aco_asynch_result(), EVENTER_JOB_NONE);
}

static struct tally queue_may_go = TALLY_NONE;
static _Atomic int queue_is_held;

static void hold_queue(void *closure)
{
    atomic_store(&queue_is_held, 1);
    tally_wait(&queue_may_go);
}

static void meet_deadlines(void *closure)
{
    struct steps steps = {.works = 0}; /* lent */
    eventer_jobq_t *q = eventer_jobq_create("one at a time");
    struct timeval deadline = from_now(-1000);
    deadline.tv_usec = 0;
    eventer_aco_asynch_queue_subqueue_deadline(note_op, &steps, q, 0, &deadline);
    check_int(eventer_aco_asynch_result(), EVENTER_JOB_TIMED_OUT);
    check_steps(&steps, 0, 1);
    struct steps of_event = {.works = 0};
    eventer_aco_run_asynch(eventer_alloc_asynch_timeout(on_late_event, &of_event, &deadline));
    check_int(eventer_aco_asynch_result(), EVENTER_JOB_TIMED_OUT);
    check_steps(&of_event, 0, 1);

    eventer_aco_gate_t gate = eventer_aco_gate();
    eventer_aco_simple_asynch_queue_gated(gate, hold_queue, NULL, q);
    deadline = from_now(5);
    eventer_aco_asynch_queue_subqueue_deadline(note_op, &steps, q, 0, &deadline);
    check_int(eventer_aco_asynch_result(), EVENTER_JOB_TIMED_OUT); /* though q's thread is held */
    check_steps(&steps, 0, 2);
    check(clock_wall_ns() >= clock_duration_ns(&deadline));
    eventer_aco_asynch_queue_subqueue_deadline_gated(gate, note_op, &steps, q, 0, &deadline);
    eventer_aco_asynch_queue_gated(gate, note_op, &steps, q);
    tally_raise(&queue_may_go);
    eventer_aco_gate_wait(gate);
    check_int(eventer_aco_asynch_result(), EVENTER_JOB_TIMED_OUT); /* the worst of three */
    check_steps(&steps, 1, 4);
}

static void a_deadline_ends_the_wait_and_is_told(void **state)
{
    in_coroutine(0, meet_deadlines, NULL);
}

static void work_until_cancelled(eventer_asynch_op_t op, void *closure)
{
    while (op == EVENTER_ASYNCH_WORK && !eventer_job_cancelled())
        sched_yield();
    note_op(op, closure);
}

static void be_cancelled(void *closure)
{
    struct steps steps = {.works = 0};
    struct timeval deadline = from_now(5);
    do {
        deadline = from_now(20);
        steps = (struct steps){.works = 0};
        eventer_aco_asynch_queue_subqueue_deadline(work_until_cancelled, &steps, NULL, 0,
                                                   &deadline);
    } while (steps.works == 0); /* so late did it begin */
    check_int(eventer_aco_asynch_result(), EVENTER_JOB_CANCELLED);
    check_steps(&steps, 1, 1);
}

static void work_that_was_told_of_its_deadline_is_cancelled(void **state)
{
    in_coroutine(0, be_cancelled, NULL);
}

static void be_refused(void *closure)
{
    struct steps steps = {.works = 0}, own = {.works = 0};
    eventer_jobq_t *q = eventer_jobq_create("full");
    eventer_jobq_set_max_backlog(q, 1);
    eventer_aco_gate_t gate = eventer_aco_gate(), other = eventer_aco_gate();
    queue_is_held = 0;
    eventer_aco_simple_asynch_queue_gated(gate, hold_queue, &own, q);
    while (atomic_load(&queue_is_held) == 0)
        sleep_ms(1);
    check(eventer_aco_try_run_asynch_queue_gated(gate, q, eventer_alloc_asynch(on_event, &steps)));
    eventer_t e = eventer_alloc_asynch(on_event, &steps);
    check(!eventer_aco_try_run_asynch_queue(q, e));
    check_int(errno, EAGAIN);
    check_int(eventer_aco_asynch_result(), EVENTER_JOB_REFUSED);
    check(!eventer_aco_try_run_asynch_queue_gated(other, q, e));
    eventer_aco_gate_wait(other); /* there is nothing to wait for */
    check_int(eventer_aco_asynch_result(), EVENTER_JOB_REFUSED);
    tally_raise(&queue_may_go);
    eventer_aco_gate_wait(gate);
    check_int(eventer_aco_asynch_result(), EVENTER_JOB_DONE);
    check_steps(&steps, 1, 1);
    eventer_aco_run_asynch_queue(q, e);
    check_steps(&steps, 2, 2);
    eventer_aco_simple_asynch(NULL, NULL);
    check_int(eventer_aco_asynch_result(), EVENTER_JOB_REFUSED);
}

static void a_refusal_is_told_and_nothing_is_left_of_it(void **state)
{
    in_coroutine(0, be_refused, NULL);
    assert_logged(1, "nothing to run");
}

static void use_a_queue_that_was_shut_down(void *closure)
{
    struct steps steps = {.works = 0};
    eventer_aco_simple_asynch_queue(simple_work, &steps, closure);
    check_int(errno, ESHUTDOWN);
    check_int(eventer_aco_asynch_result(), EVENTER_JOB_REFUSED);
    eventer_t e = eventer_alloc_asynch(on_event, &steps);
    check(!eventer_aco_try_run_asynch_queue(closure, e));
    check_int(errno, ESHUTDOWN);
    eventer_free(e);
    check_int(steps.works, 0);
}

static void a_queue_that_was_shut_down_refuses(void **state)
{
    eventer_jobq_t *q = eventer_jobq_create("shut");
    eventer_jobq_drain_and_shutdown(q);
    in_coroutine(0, use_a_queue_that_was_shut_down, q);
    assert_logged(1, "eventer_aco_simple_asynch: the queue was shut down");
    eventer_jobq_destroy(q);
}

static _Atomic int children;

static int on_child(eventer_t e, int mask, void *closure, struct timeval *now)
{
    if (mask == EVENTER_ASYNCH_COMPLETE)
        atomic_fetch_add(&children, 1);
    return 0;
}

static void have_children(void *closure)
{
    for (int i = 0; i < 3; i++)
        eventer_add_asynch_dep(NULL, eventer_alloc_asynch(on_child, NULL));
}

static void wait_for_children(void *closure)
{
    for (int round = 1; round <= 20; round++) {
        eventer_aco_simple_asynch(have_children, NULL);
        check_int(children, 3 * round);
    }
}

static void the_children_of_a_job_are_waited_for_too(void **state)
{
    in_coroutine(1, wait_for_children, NULL);
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
    clean_test(each_variant_runs_its_work_once),
    clean_test(a_deadline_ends_the_wait_and_is_told),
    clean_test(work_that_was_told_of_its_deadline_is_cancelled),
    clean_test(a_refusal_is_told_and_nothing_is_left_of_it),
    clean_test(a_queue_that_was_shut_down_refuses),
    clean_test(the_children_of_a_job_are_waited_for_too),
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
