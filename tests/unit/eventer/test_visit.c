/* SPDX-License-Identifier: MIT */
/*
 * Goal: a visitor comes to every loop once, in its thread, and a loop that is busy holds nobody up.
 * Method: two loops, one of which is held at times.
 */
#include "clean.h"

#include "base/alloc.h"
#include "eventer/visit.h"

#include <errno.h>

struct tour {
    int visited, skipped;
    int last; /* 0: go on for as long as there are loops */
};

static bool visit(struct loop *loop, void *closure)
{
    struct tour *tour = closure;
    check(loop == loop_self);
    return ++tour->visited != tour->last;
}

static void count_skipped(struct loop *loop, void *closure)
{
    ((struct tour *)closure)->skipped += loop == loop_at(0);
}

static void a_loop_that_is_busy_is_left_out_and_does_not_visit_later(void **state)
{
    struct hold hold;
    struct tour tour = {0};
    struct visitor visitor = {
        .visit = visit, .skip = count_skipped, .closure = &tour, .wait_ns = CLOCK_NS_PER_MS};
    hold_begin(&hold, loop_at(0));
    /* The other loop may be slow, too: what counts is that this one is not waited for. */
    assert_int_equal(visit_loops(&visitor), -ETIMEDOUT);
    assert_int_equal(tour.skipped, 1);
    int visited = tour.visited;
    visitor.skip = NULL;
    assert_int_equal(visit_loops(&visitor), -ETIMEDOUT);
    hold_end(&hold);
    settle_all();
    assert_true(tour.visited <= visited + 1);
    tour = (struct tour){0};
    visitor.wait_ns = VISIT_WAIT_NS;
    assert_int_equal(visit_loops(&visitor), 0);
    assert_int_equal(tour.visited, 2);
}

static void a_visitor_may_end_its_round(void **state)
{
    struct tour tour = {.last = 1};
    struct visitor visitor = {.visit = visit, .closure = &tour, .wait_ns = VISIT_WAIT_NS};
    assert_int_equal(visit_loops(&visitor), 0);
    assert_int_equal(tour.visited, 1);
}

static bool visit_again(struct loop *loop, void *closure)
{
    const struct visitor *visitor = closure;
    check_int(visit_loops(visitor), -EBUSY);
    return true;
}

static void a_round_within_a_round_is_refused(void **state)
{
    struct visitor visitor = {.visit = visit_again, .wait_ns = VISIT_WAIT_NS};
    visitor.closure = &visitor;
    assert_int_equal(visit_loops(&visitor), 0);
    assert_checks();
}

static void one_loop_alone_may_be_visited(void **state)
{
    struct hold hold;
    struct tour tour = {0};
    struct visitor visitor = {
        .visit = visit, .skip = count_skipped, .closure = &tour, .wait_ns = CLOCK_NS_PER_MS};
    hold_begin(&hold, loop_at(0));
    assert_int_equal(visit_loop(loop_at(0), &visitor), -ETIMEDOUT);
    assert_int_equal(tour.skipped, 1);
    assert_int_equal(tour.visited, 0);
    hold_end(&hold);
    visitor.wait_ns = VISIT_WAIT_NS;
    assert_int_equal(visit_loop(loop_at(1), &visitor), 0);
    assert_int_equal(tour.visited, 1);
    settle_all();
    assert_int_equal(tour.visited, 1);
    alloc_fail_nth(1, 0);
    assert_int_equal(visit_loop(loop_at(1), &visitor), -ENOMEM);
    alloc_fail_nth(0, 0);
}

static const struct CMUnitTest tests[] = {
    clean_test(a_loop_that_is_busy_is_left_out_and_does_not_visit_later),
    clean_test(a_visitor_may_end_its_round),
    clean_test(a_round_within_a_round_is_refused),
    clean_test(one_loop_alone_may_be_visited),
};

int main(void)
{
    logged_begin();
    start_loops(2);
    return harness_run(__FILE__, tests, sizeof(tests) / sizeof(tests[0]));
}
