/* SPDX-License-Identifier: MIT */
/*
 * Goal: in a build for debugging (aco_debug_stacks) whoever touches the frames of a coroutine that
 * waits dies there and then, with both named; whoever may touch them, may, and all else works.
 * Method: children that keep the address of a local where they must not; the layer is compiled into
 * this program as that build compiles it.
 */
#include "dies.h"
#include "in_coroutine.h"

#include "coro/inspect_impl.h"

#ifndef ACO_DEBUG_STACKS
#error "this program tests the build for debugging"
#endif

static char said[65536];

static void assert_said(const char *part)
{
    if (strstr(said, part) == NULL)
        fail_msg("not said: %s\nsaid: %s", part, said);
}

/* ---- what must not be ---- */

static int *volatile leaked; /* the address of a local of a coroutine that waits */

static void leak_a_local(void)
{
    int local = 7;
    eventer_aco_set_name("owner");
    leaked = &local;
    sleep_ms(100000);
}

static void start_owner(void)
{
    alarm(20); /* should nothing end it */
    start_loops(1);
    eventer_aco_start_at(leak_a_local, NULL, "owner:1");
    settle(0);
}

static void use_it(void *closure)
{
    *leaked = 1;
    exit(0);
}

static void use_it_in_a_coroutine(void)
{
    eventer_aco_set_name("culprit");
    use_it(NULL);
}

static void touch_from_a_coroutine(void)
{
    start_owner();
    eventer_aco_start_at(use_it_in_a_coroutine, NULL, "culprit:1");
    for (;;)
        pause();
}

static void touch_from_a_callback(void)
{
    start_owner();
    in_loop(0, use_it, NULL);
}

static void send_job(void)
{
    eventer_aco_simple_asynch(use_it, NULL);
}

static void touch_from_a_job(void)
{
    start_owner();
    eventer_aco_start(send_job, NULL);
    for (;;)
        pause();
}

static void whoever_touches_a_local_of_a_coroutine_that_waits_dies_with_both_named(void **state)
{
    assert_int_equal(dies_run(touch_from_a_coroutine, said, sizeof(said)), SIGSEGV);
    assert_said("eventer: stray pointer 0x");
    assert_said("into the stack of another coroutine called owner, started at owner:1, ");
    assert_said("that is parked, waiting for: time; it was touched by the coroutine called "
                "culprit, started at culprit:1, ");
    assert_said("who touched it:\n");
    assert_non_null(strstr(strstr(said, "who touched it:\n"), "[0x"));

    assert_int_equal(dies_run(touch_from_a_callback, said, sizeof(said)), SIGSEGV);
    assert_said("called owner");
    assert_said("; it was touched by a callback in loop e:default/0\nwho touched it:\n");

    assert_int_equal(dies_run(touch_from_a_job, said, sizeof(said)), SIGSEGV);
    assert_said("called owner");
    assert_said("; it was touched by a thread that is no loop's\nwho touched it:\n");
}

static __attribute__((noinline)) int descend(int depth)
{
    volatile int below = depth == INT32_MAX ? 0 : descend(depth + 1);
    return below + 1;
}

static void run_off(void)
{
    exit(descend(0));
}

static void overflow(void)
{
    start_owner();
    eventer_aco_start(run_off, NULL);
    for (;;)
        pause();
}

static void an_overflow_is_still_told_apart(void **state)
{
    assert_int_equal(dies_run(overflow, said, sizeof(said)), SIGSEGV);
    assert_said("eventer: stack overflow at 0x");
}

/* ---- what may be ---- */

static void set_lent(void *closure)
{
    *(int *)closure = 5;
}

static void lend_to_a_job(void)
{
    volatile int lent = 0;
    eventer_aco_simple_asynch(set_lent, (void *)(uintptr_t)&lent);
    if (lent != 5)
        exit(3);
    sleep_ms(1);
    if (lent != 5)
        exit(4);
}

static void read_parent(void)
{
    if (*(int *)eventer_aco_arg() != 6)
        exit(5);
}

static void start_a_child(void)
{
    int lent = 6;
    eventer_aco_start(read_parent, &lent);
    sleep_ms(1);
    if (lent != 6)
        exit(6);
}

static int count_frames(const eventer_aco_info_t *info, void *closure)
{
    void *addresses[16];
    *(int *)closure += eventer_aco_backtrace(info->co, addresses, 16);
    return 0;
}

static void do_what_is_allowed(void)
{
    int frames = 0;
    start_owner();
    for (int i = 0; i < 100; i++) {
        eventer_aco_start(lend_to_a_job, NULL);
        eventer_aco_start(start_a_child, NULL);
    }
    eventer_aco_stats_t stats;
    do
        eventer_aco_get_stats(&stats);
    while (stats.started < 301 || stats.coroutines > 1);
    if (eventer_aco_foreach(count_frames, &frames) != 0 || frames < 2)
        exit(7);
    fputs("all is well", stderr);
    exit(0);
}

static void loans_children_and_lists_are_allowed(void **state)
{
    assert_int_equal(dies_run(do_what_is_allowed, said, sizeof(said)), 0);
    assert_string_equal(said, "all is well");
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(whoever_touches_a_local_of_a_coroutine_that_waits_dies_with_both_named),
    cmocka_unit_test(an_overflow_is_still_told_apart),
    cmocka_unit_test(loans_children_and_lists_are_allowed),
};

HARNESS_MAIN(tests)
