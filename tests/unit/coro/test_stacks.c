/* SPDX-License-Identifier: MIT */
/*
 * Goal: coroutines share stacks without disturbing one another's locals; a pinned stack keeps
 * its owner; while all are pinned there are more; who lends gets a stack of its own.
 * Method: the pool of stacks by hand first; then many coroutines in a loop whose locals are
 * checked after every wait, with jobs that hold loans for as long as the test wants.  Run with
 * one stack and with the default number (ACO_STACKS in the environment).
 */
#include "in_coroutine.h"
#include "logged.h"

#include "base/alloc.h"
#include "coro/home_impl.h"

#include <string.h>

#define STACK_SIZE ((size_t)64 * 1024)

/* ---- by hand ---- */

static struct coro_home hand_home; /* only its lists are used */

static struct coro_stacks *hand_begin(size_t wanted)
{
    memset(&hand_home, 0, sizeof(hand_home));
    stacks_init(&hand_home.stacks, wanted, STACK_SIZE);
    return &hand_home.stacks;
}

#ifndef ACO_TSAN_ /* which always has private stacks */

static void up_to_as_many_stacks_as_wanted_are_made(void **state)
{
    struct coro_stacks *stacks = hand_begin(3);
    aco_t owners[3];
    for (size_t i = 0; i < 3; i++) {
        struct coro_stack *stack = stacks_choose(&hand_home, 0);
        assert_non_null(stack);
        assert_false(stack->is_private);
        assert_in_range(stack->stack.sz, STACK_SIZE, 2 * STACK_SIZE);
        stack->stack.owner = &owners[i];
        assert_int_equal(stacks->count, i + 1);
    }
    struct coro_stack *again[6];
    for (size_t i = 0; i < 6; i++)
        again[i] = stacks_choose(&hand_home, 0); /* they take turns then */
    assert_int_equal(stacks->count, 3);
    for (size_t i = 0; i < 3; i++)
        assert_ptr_equal(again[i], again[i + 3]);
    assert_ptr_not_equal(again[0], again[1]);
    stacks_fini(stacks);
    assert_int_equal(stacks->count, 0);
}

static void a_stack_without_owner_is_taken_first(void **state)
{
    struct coro_stacks *stacks = hand_begin(3);
    struct coro_stack *stack = stacks_choose(&hand_home, 0);
    stacks_release(stack); /* its coroutine has ended */
    assert_ptr_equal(stacks_choose(&hand_home, 0), stack);
    assert_int_equal(stacks->count, 1);
    stacks_release(stack);
    aco_t owner;
    stack->stack.owner = &owner; /* another that was bound to it came back */
    assert_ptr_not_equal(stacks_choose(&hand_home, 0), stack);
    stacks_fini(stacks);
}

static void pinned_stacks_are_passed_over_and_more_are_made(void **state)
{
    struct coro_stacks *stacks = hand_begin(2);
    aco_t owners[5];
    struct coro_stack *pinned[4];
    for (size_t i = 0; i < 4; i++) { /* more than wanted, while all are pinned */
        pinned[i] = stacks_choose(&hand_home, 0);
        pinned[i]->stack.owner = &owners[i];
        stacks_pin(pinned[i]);
        assert_int_equal(stacks->count, i + 1);
    }
    stacks_unpin(pinned[2]);
    for (int i = 0; i < 5; i++)
        assert_ptr_equal(stacks_choose(&hand_home, 0), pinned[2]);
    stacks_fini(stacks);
}

static void who_waits_for_a_pinned_stack_is_ready_when_the_last_loan_ends(void **state)
{
    struct coro_stacks *stacks = hand_begin(1);
    struct coro_stack *stack = stacks_choose(&hand_home, 0);
    struct coro a = {.co.share_stack = &stack->stack}, b = a;
    struct coro *items[2];
    hand_home.ready.items = items;
    stacks_pin(stack);
    stacks_pin(stack);
    stacks_await(stack, &a);
    stacks_await(stack, &b);
    stacks_unpin(stack);
    assert_int_equal(hand_home.ready.count, 0);
    stacks_unpin(stack);
    assert_int_equal(hand_home.ready.count, 2);
    assert_ptr_equal(items[0], &a);
    assert_ptr_equal(items[1], &b);
    assert_true(queue_is_empty(&stack->waiting));
    assert_int_equal(hand_home.stats.loans, 2);
    assert_int_equal(hand_home.stats.blocked, 2);
    assert_true(hand_home.stats.blocked_ns >= hand_home.stats.blocked_ns_max);
    stacks_fini(stacks);
}

#endif

static void a_private_stack_is_kept_for_the_next_who_wants_one(void **state)
{
    struct coro_stacks *stacks = hand_begin(1);
    struct coro_stack *stack = stacks_choose(&hand_home, STACK_SIZE);
    assert_true(stack->is_private);
    assert_int_equal(stacks->count, 0);
    struct coro_stack *other = stacks_choose(&hand_home, STACK_SIZE);
    assert_ptr_not_equal(other, stack);
    stacks_release(stack);
    assert_ptr_equal(stacks_choose(&hand_home, STACK_SIZE), stack);
    stacks_release(stack);
    stacks_release(other);
    stacks_fini(stacks);
}

static void a_loan_outlives_the_coroutine_that_made_it(void **state)
{
    struct coro_stacks *stacks = hand_begin(1);
    struct coro_stack *stack = stacks_choose(&hand_home, STACK_SIZE);
    stacks_pin(stack);
    stacks_release(stack); /* it has ended; its stack may still be written to */
    struct coro_stack *other = stacks_choose(&hand_home, STACK_SIZE);
    assert_ptr_not_equal(other, stack);
    stacks_unpin(stack);
    assert_ptr_equal(stacks_choose(&hand_home, STACK_SIZE), stack);
    stacks_release(stack);
    stacks_release(other);
    stacks_fini(stacks);
}

static void only_so_many_private_stacks_are_kept(void **state)
{
    static struct coro_stack *taken[CORO_PRIVATE_POOL_MAX + 1];
    struct coro_stacks *stacks = hand_begin(1);
    for (size_t i = 0; i <= CORO_PRIVATE_POOL_MAX; i++)
        taken[i] = stacks_choose(&hand_home, STACK_SIZE);
    for (size_t i = 0; i < CORO_PRIVATE_POOL_MAX - 1; i++)
        stacks_release(taken[i]);
    assert_int_equal(stacks->free_private_count, CORO_PRIVATE_POOL_MAX - 1);
    stacks_release(taken[CORO_PRIVATE_POOL_MAX - 1]);
    assert_int_equal(stacks->free_private_count, CORO_PRIVATE_POOL_MAX);
    stacks_release(taken[CORO_PRIVATE_POOL_MAX]);
    assert_int_equal(stacks->free_private_count, CORO_PRIVATE_POOL_MAX);
    stacks_fini(stacks);
}

static void choose_and_free(void *closure)
{
    struct coro_stacks *stacks = hand_begin(2);
    for (size_t i = 0; i < 20; i++) { /* past the first growth of the list */
        struct coro_stack *stack = stacks_choose(&hand_home, 0);
        if (stack == NULL)
            break;
        stacks_pin(stack);
    }
    struct coro_stack *stack = stacks_choose(&hand_home, STACK_SIZE);
    if (stack != NULL && stack->is_private)
        stacks_release(stack);
#ifdef ACO_TSAN_
    stack = NULL; /* the pinned ones are private there, and are not on a list */
#endif
    stacks_fini(stacks);
}

static void without_memory_nothing_is_lost(void **state)
{
#ifndef ACO_TSAN_
    harness_fail_each_allocation(choose_and_free, NULL);
#else
    (void)choose_and_free;
#endif
}

/* ---- in a loop ---- */

#define CROWD_COUNT 400 /* more than stacks */

static _Atomic int crowd_ended, crowd_broken;

static __attribute__((noinline)) void wait_over(unsigned seed, unsigned depth)
{
    volatile unsigned locals[32];
    for (unsigned i = 0; i < 32; i++)
        locals[i] = seed * 31 + i * depth;
    if (depth == 0)
        eventer_aco_sleep(&(struct timeval){0, (suseconds_t)(seed % 4) * 100});
    else
        wait_over(seed + 1, depth - 1);
    for (unsigned i = 0; i < 32; i++)
        if (locals[i] != seed * 31 + i * depth)
            atomic_fetch_add(&crowd_broken, 1);
}

static void be_one_of_the_crowd(void)
{
    unsigned seed = *(unsigned *)eventer_aco_arg();
    for (unsigned i = 0; i < 15; i++)
        wait_over(seed + i, (seed + i) % 7);
    atomic_fetch_add(&crowd_ended, 1);
}

static void start_crowd(void *closure)
{
    static unsigned seeds[CROWD_COUNT];
    for (unsigned i = 0; i < CROWD_COUNT; i++) {
        seeds[i] = i;
        eventer_aco_start(be_one_of_the_crowd, &seeds[i]);
    }
}

static void locals_survive_every_wait(void **state)
{
    crowd_ended = crowd_broken = 0;
    in_loop(0, start_crowd, NULL);
    wait_until(&crowd_ended, CROWD_COUNT);
    settle(0);
    assert_int_equal(crowd_broken, 0);
}

static void a_loop_has_as_many_stacks_as_configured(void **state)
{
#ifndef ACO_TSAN_
    const char *wanted = getenv("ACO_STACKS");
    const struct coro_home *home = loop_at(0)->coro;
    assert_int_equal(home->stacks.count,
                     wanted == NULL ? CORO_STACKS_DEFAULT : strtoul(wanted, NULL, 10));
#endif
}

/* ---- loans ---- */

static struct tally loan_may_end = TALLY_NONE;
static _Atomic int loans_begun;

static void write_to_loan(void *closure)
{
    volatile int *lent = closure;
    atomic_fetch_add(&loans_begun, 1);
    for (int i = 0; i < 1000; i++)
        lent[i % 8] = i;
    tally_wait(&loan_may_end);
    for (int i = 0; i < 8; i++)
        lent[i] = 100 + i;
}

static _Atomic int lenders_ended, lender_stack_was_private;

static void lend_a_local(void)
{
    int lent[8] = {0};
    struct coro_stack *stack = coro_stack_of(this_coroutine());
    eventer_aco_simple_asynch(write_to_loan, lent);
    for (int i = 0; i < 8; i++)
        check_int(lent[i], 100 + i);
    check_int(stack->pins, 0);
    lender_stack_was_private = stack->is_private;
    atomic_fetch_add(&lenders_ended, 1);
}

static void start_lenders(void *closure)
{
    for (int i = 0; i < *(int *)closure; i++)
        eventer_aco_start(lend_a_local, NULL);
}

static void lent_locals_stay_where_they_are_while_a_crowd_runs(void **state)
{
    int count = 4; /* no more than threads of the queue: all loans are held at once */
    crowd_ended = crowd_broken = lenders_ended = loans_begun = 0;
    in_loop(0, start_lenders, &count);
    wait_until(&loans_begun, count);
    in_loop(0, start_crowd, NULL);
    wait_until(&crowd_ended, CROWD_COUNT);
    assert_int_equal(crowd_broken, 0);
    assert_int_equal(lenders_ended, 0);
    for (int i = 0; i < count; i++)
        tally_raise(&loan_may_end);
    wait_until(&lenders_ended, count);
    settle(0);
    assert_checks();
}

static void who_has_lent_before_gets_a_stack_of_its_own(void **state)
{
    int count = 1;
    lenders_ended = 0;
    in_loop(0, start_lenders, &count);
    tally_raise(&loan_may_end);
    wait_until(&lenders_ended, 1);
    settle(0);
    assert_true(lender_stack_was_private);
}

#ifndef ACO_TSAN_

/* Two sleepers share the one stack with a coroutine that is on it and pins it by hand. */
static _Atomic int sleepers_awake;
static struct coro_stack *the_stack;
static struct coro *holder;

static void sleep_once(void)
{
    sleep_ms(1);
    atomic_fetch_add(&sleepers_awake, 1);
}

static void hold_the_stack(void)
{
    volatile int local = 42;
    the_stack = coro_stack_of(this_coroutine());
    holder = this_coroutine();
    stacks_pin(the_stack);
    do
        sleep_ms(1);
    while (eventer_aco_arg() != NULL && queue_is_empty(&the_stack->waiting)); /* for it */
    check(the_stack->stack.owner == &holder->co); /* nobody has moved it */
    check_int(local, 42);
    stacks_unpin(the_stack);
}

/* What is known of a function is known of the place it is started from. */
static void start_holder(void *closure)
{
    eventer_aco_start(hold_the_stack, closure);
}

static void start_holder_and_sleepers(void *closure)
{
    struct coro_home *home = loop_self->coro;
    for (size_t i = 0; i < home->stacks.wanted; i++) { /* on every stack a pair of sleepers */
        eventer_aco_start(sleep_once, NULL);
        eventer_aco_start(sleep_once, NULL);
    }
    start_holder(closure);
}

static void a_pinned_stack_keeps_its_owner_and_others_wait_and_then_run(void **state)
{
    const struct coro_home *home = loop_at(1)->coro;
    int count = 2 * (int)home->stacks.wanted;
    in_loop(1, start_holder_and_sleepers, NULL); /* known now, and not tried on private stacks */
    wait_for_all_to_end(1);
    sleepers_awake = 0;
    in_loop(1, start_holder_and_sleepers, &count);
    wait_until(&sleepers_awake, count);
    settle(1);
    settle(1);
    assert_false(the_stack->is_private);
    assert_int_equal(the_stack->pins, 0);
    wait_for_all_to_end(1);
    assert_checks();
}

#endif

static const struct CMUnitTest tests[] = {
#ifndef ACO_TSAN_
    cmocka_unit_test(up_to_as_many_stacks_as_wanted_are_made),
    cmocka_unit_test(a_stack_without_owner_is_taken_first),
    cmocka_unit_test(pinned_stacks_are_passed_over_and_more_are_made),
    cmocka_unit_test(who_waits_for_a_pinned_stack_is_ready_when_the_last_loan_ends),
#endif
    cmocka_unit_test(a_private_stack_is_kept_for_the_next_who_wants_one),
    cmocka_unit_test(a_loan_outlives_the_coroutine_that_made_it),
    cmocka_unit_test(only_so_many_private_stacks_are_kept),
    cmocka_unit_test(without_memory_nothing_is_lost),
    cmocka_unit_test(locals_survive_every_wait),
    cmocka_unit_test(a_loop_has_as_many_stacks_as_configured),
    cmocka_unit_test(lent_locals_stay_where_they_are_while_a_crowd_runs),
    cmocka_unit_test(who_has_lent_before_gets_a_stack_of_its_own),
#ifndef ACO_TSAN_
    cmocka_unit_test(a_pinned_stack_keeps_its_owner_and_others_wait_and_then_run),
#endif
};

int main(void)
{
    logged_begin();
    start_loops(2);
    return harness_run(__FILE__, tests, sizeof(tests) / sizeof(tests[0]));
}
