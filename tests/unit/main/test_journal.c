/* SPDX-License-Identifier: MIT */
/*
 * Goal: changes are handed over once, together, in a job, again after a failure, and at the end;
 * mistakes are one line each.
 * Method: processes whose loop makes changes as it starts, and ends when enough was handed over.
 */
#include "child.h"
#include "harness.h"

#include "conf/conf.h"
#include "eventer/pool.h"

#include <eventer/eventer.h>
#include <mtev_conf.h>

#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>

static _Atomic int calls;
static int wanted_calls;
static pthread_t main_thread;

/* Say what it is called in and with, and what it sees; the last one that is wanted ends it. */
static int look(void *closure)
{
    int32_t n = 0;
    mtev_conf_get_int32(MTEV_CONF_ROOT, "@n", &n);
    printf("call %d: %s, %s, n=%d\n", atomic_fetch_add(&calls, 1) + 1,
           pthread_equal(pthread_self(), main_thread) ? "loop" : "job",
           closure == &calls ? "closure" : "?", n);
    fflush(stdout);
    if (atomic_load(&calls) >= wanted_calls)
        pool_request_stop();
    return 0;
}

static void set_n(int32_t n)
{
    if (mtev_conf_set_int32(MTEV_CONF_ROOT, "@n", n) != 1)
        abort();
}

static void make_changes(void)
{
    set_n(1);
    set_n(2);
    set_n(3);
}

/* In the loop, where no timer is due before it returns. */
static int on_begin(eventer_t e, int mask, void *closure, struct timeval *now)
{
    make_changes();
    return 0;
}

static void change_in_loop(void)
{
    if (eventer_add_in_s_us(on_begin, NULL, 0, 0) == NULL)
        abort();
}

static int begin(int (*f)(void *))
{
    main_thread = pthread_self();
    eventer_propset("concurrency", "1");
    if (conf_load_text("t", "<app/>") != 0 || eventer_init() != 0)
        return 1;
    mtev_conf_watch_and_journal_watchdog(f, &calls);
    return 0;
}

static int serve_changes_together(void)
{
    wanted_calls = 1;
    mtev_conf_coalesce_changes(0);
    if (begin(look) != 0 || pool_at_start(change_in_loop) != 0)
        return 2;
    eventer_loop();
    return 0;
}

static void changes_are_handed_over_together(void **state)
{
    assert_int_equal(child_status(serve_changes_together), 0);
    assert_string_equal(child_said, "call 1: job, closure, n=3\n");
}

static void stop_at_once(void)
{
    make_changes();
    pool_request_stop();
}

static int serve_until_stopped(void)
{
    mtev_conf_coalesce_changes(UINT32_MAX);
    if (begin(look) != 0 || pool_at_start(stop_at_once) != 0)
        return 2;
    eventer_loop();
    return 0;
}

static void what_waits_is_handed_over_at_the_end(void **state)
{
    assert_int_equal(child_status(serve_until_stopped), 0);
    assert_string_equal(child_said, "call 1: loop, closure, n=3\n");
}

static void stop_now(void)
{
    pool_request_stop();
}

static int serve_nothing(void)
{
    if (begin(look) != 0 || pool_at_start(stop_now) != 0)
        return 2;
    eventer_loop();
    return 0;
}

static void nothing_is_handed_over_without_a_change(void **state)
{
    assert_int_equal(child_status(serve_nothing), 0);
    assert_string_equal(child_said, "");
}

static int fail_once(void *closure)
{
    look(closure);
    return atomic_load(&calls) == 1 ? -1 : 0;
}

static int serve_failure(void)
{
    wanted_calls = 2;
    mtev_conf_coalesce_changes(0);
    if (begin(fail_once) != 0 || pool_at_start(change_in_loop) != 0)
        return 2;
    eventer_loop();
    return 0;
}

static void a_failure_is_tried_again(void **state)
{
    assert_int_equal(child_status(serve_failure), 0);
    assert_string_equal(child_said, "call 1: job, closure, n=3\ncall 2: job, closure, n=3\n");
}

static int make_mistakes(void)
{
    mtev_conf_watch_and_journal_watchdog(look, NULL);
    if (begin(look) != 0)
        return 2;
    mtev_conf_watch_and_journal_watchdog(look, NULL);
    mtev_conf_watch_and_journal_watchdog(NULL, NULL);
    return 0;
}

static void mistakes_are_one_line_each(void **state)
{
    assert_int_equal(child_status(make_mistakes), 0);
    assert_string_equal(child_said,
                        "mtev_conf_watch_and_journal_watchdog: eventer_init() was not called\n"
                        "mtev_conf_watch_and_journal_watchdog: there is one already\n"
                        "mtev_conf_watch_and_journal_watchdog: no function was given\n");
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(changes_are_handed_over_together),
    cmocka_unit_test(what_waits_is_handed_over_at_the_end),
    cmocka_unit_test(nothing_is_handed_over_without_a_change),
    cmocka_unit_test(a_failure_is_tried_again),
    cmocka_unit_test(mistakes_are_one_line_each),
};
HARNESS_MAIN(tests)
