/* SPDX-License-Identifier: MIT */
/*
 * Goal: a process that crashes says what it was at, in every thread, and then ends as it would
 * have. Method: processes of their own, with loops and coroutines, that signal themselves; where no
 * sanitizer is there before us also a real fault.
 */
#include "child.h"
#include "harness.h"

#include "coro/report.h"
#include "eventer/pool.h"
#include "main/crash.h"

#include <aco/aco.h>
#include <eventer/eventer.h>

#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/resource.h>

static int number;
static bool is_real, is_in_job;

static void wait_long(void)
{
    eventer_aco_set_name("patient");
    eventer_aco_sleep(&(struct timeval){1000, 0});
}

/* Use up whatever stack there is. */
static int sink(int depth)
{
    volatile char bytes[4096];
    bytes[0] = (char)depth;
    return depth < 0 ? 0 : sink(depth + 1) + bytes[0];
}

static void sink_in_job(void *closure)
{
    (void)sink(0);
}

static void crash(void)
{
    eventer_aco_set_name("clumsy");
    eventer_aco_sleep(&(struct timeval){0, 1000}); /* the other one sleeps by then */
    if (is_in_job)
        eventer_aco_simple_asynch(sink_in_job, NULL);
    int *volatile nowhere = (int *)64;
    if (is_real)
        *nowhere = 1;
    raise(number);
}

static int start(eventer_t e, int mask, void *closure, struct timeval *now)
{
    eventer_aco_start(wait_long, NULL);
    eventer_aco_start(crash, NULL);
    return 0;
}

static void start_soon(void)
{
    eventer_add_in_s_us(start, NULL, 0, 0);
}

static int run_crash(void)
{
    setrlimit(RLIMIT_CORE, &(struct rlimit){0, 0});
#ifndef ACO_SANITIZED_
    signal(SIGSEGV, SIG_DFL); /* the test's own handler goes, a sanitizer's stays */
#endif
    eventer_propset("concurrency", "2");
    if (crash_begin() != 0 || eventer_init() != 0 || pool_at_start(start_soon) != 0)
        return 3;
    eventer_loop();
    return 4;
}

static int dies_by(int signal_number, bool really)
{
    number = signal_number;
    is_real = really;
    return child_status(run_crash);
}

static void assert_said(const char *text)
{
    if (strstr(child_said, text) == NULL)
        fail_msg("not said: %s; but: %s", text, child_said);
}

static void assert_explained(const char *cause)
{
    assert_said(cause);
    assert_said(", in the coroutine clumsy started at ");
    assert_said("coroutine patient started at ");
    assert_said(", parked, waiting for: time\n");
    assert_said("loop e:default/0");
    assert_said("loop e:default/1");
    assert_said("2 coroutines, of which 1 wait and were shown\n");
}

static void a_signal_is_explained_and_kills(void **state)
{
    assert_int_equal(dies_by(SIGABRT, false), 128 + SIGABRT);
    assert_explained("]: Aborted\n");
}

static void a_fault_is_explained_and_kills(void **state)
{
#ifndef ACO_SANITIZED_
    assert_int_equal(dies_by(SIGSEGV, true), 128 + SIGSEGV);
    assert_explained("]: Segmentation fault, at address 0x40\n");
#else
    assert_int_not_equal(dies_by(SIGSEGV, true), 4); /* the sanitizer explains it */
#endif
}

static void a_job_that_overflows_its_stack_is_explained(void **state)
{
    is_in_job = true;
#ifndef ACO_SANITIZED_
    assert_int_equal(dies_by(SIGSEGV, false), 128 + SIGSEGV);
    assert_said("]: Segmentation fault, at address 0x");
    assert_said("coroutine clumsy started at ");
#else
    assert_int_not_equal(dies_by(SIGSEGV, false), 4);
#endif
    is_in_job = false;
}

static void the_monitors_signal_ends_by_an_abort(void **state)
{
    assert_int_equal(dies_by(CRASH_STALL_SIGNAL, false), 128 + SIGABRT);
    assert_explained("]: a thread stalls\n");
}

static int run_switched_off(void)
{
    setenv("MTEV_DIAGNOSE_CRASH", "0", 1);
    return run_crash();
}

static void it_can_be_switched_off(void **state)
{
    number = SIGABRT;
    is_real = false;
    assert_int_equal(child_status(run_switched_off), 128 + SIGABRT);
    assert_string_equal(child_said, "");
}

/* As the C library's own, which wants the locks of the heap: the one that crashes may hold them. */
static void before_fork(void)
{
    _exit(9);
}

static int run_diagnosed(void)
{
    pthread_atfork(before_fork, NULL, NULL);
    setenv("MTEV_DIAGNOSE_CRASH", "/bin/echo", 1);
    return run_crash();
}

static void a_program_may_look_at_it(void **state)
{
    number = SIGABRT;
    is_real = false;
    assert_int_equal(child_status(run_diagnosed), 128 + SIGABRT);
    const char *id = strchr(child_said, '[');
    assert_non_null(id);
    char wanted[64];
    snprintf(wanted, sizeof(wanted), "\n%lu crash\n", strtoul(id + 1, NULL, 10));
    assert_said(wanted);
}

static int run_begin_and_end(void)
{
    struct sigaction action;
    if (crash_begin() != 0)
        return 3;
    crash_end();
    if (sigaction(SIGABRT, NULL, &action) != 0 || action.sa_handler != SIG_DFL)
        return 5;
    raise(SIGABRT);
    return 4;
}

static void the_handlers_of_before_come_back(void **state)
{
    assert_int_equal(child_status(run_begin_and_end), 128 + SIGABRT);
    assert_string_equal(child_said, "");
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(a_signal_is_explained_and_kills),
    cmocka_unit_test(a_fault_is_explained_and_kills),
    cmocka_unit_test(a_job_that_overflows_its_stack_is_explained),
    cmocka_unit_test(the_monitors_signal_ends_by_an_abort),
    cmocka_unit_test(it_can_be_switched_off),
    cmocka_unit_test(a_program_may_look_at_it),
    cmocka_unit_test(the_handlers_of_before_come_back),
};

HARNESS_MAIN(tests)
