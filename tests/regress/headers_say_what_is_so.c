/* SPDX-License-Identifier: MIT */
/*
 * Defect: what headers said of eventer_is_loop(), eventer_thread_check(), eventer_wakeup() and
 * eventer_add_at() was not what these did.
 * Method: what eventer.h says of them now, from a loop, from another and from outside.
 * Shown red: have eventer_thread_check() of eventer/pool.c return the opposite.
 */
#include "clean.h"
#include "in_coroutine.h"

static struct tally fired = TALLY_NONE;

static int on_timer(eventer_t e, int mask, void *closure, struct timeval *now)
{
    tally_raise(&fired);
    return 0;
}

static void ask_in_the_owner(void *closure)
{
    check(eventer_thread_check(closure));
    check_int(eventer_is_loop(pthread_self()), 0);
    eventer_wakeup(NULL);
}

static void ask_in_another(void *closure)
{
    check(!eventer_thread_check(closure));
    check_int(eventer_is_loop(pthread_self()), 1);
}

static void the_calls_do_what_their_header_says(void **state)
{
    eventer_t e = eventer_alloc_fd(on_timer, NULL, 0, EVENTER_READ);
    eventer_set_owner(e, loop_at(0)->thread);
    in_loop(0, ask_in_the_owner, e);
    in_loop(1, ask_in_another, e);
    assert_false(eventer_thread_check(e));
    assert_int_equal(eventer_is_loop(pthread_self()), -1);
    eventer_wakeup(NULL);
    eventer_wakeup(e);
    eventer_free(e);
    assert_non_null(eventer_add_at(on_timer, NULL, (struct timeval){0, 0}));
    tally_wait(&fired);
    settle_all();
}

static const struct CMUnitTest tests[] = {
    clean_test(the_calls_do_what_their_header_says),
};

int main(void)
{
    logged_begin();
    start_loops(2);
    return harness_run(__FILE__, tests, sizeof(tests) / sizeof(tests[0]));
}
