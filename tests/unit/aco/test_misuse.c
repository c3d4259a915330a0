/* SPDX-License-Identifier: MIT */
/*
 * Goal: a misuse of coroutines that leaves no way on ends the process with a message that says
 * what it was and whose.
 * Method: each in a child that has this process's main coroutine and a stack.
 */
#include "dies.h"
#include "harness.h"
#include "tools.h"

#include <aco/aco.h>

#include <pthread.h>

static aco_t *main_co;
static aco_share_stack_t *stack;

static aco_t *make(aco_cofuncp_t fp)
{
    aco_t *co = aco_create(main_co, stack, 0, fp, NULL);
    assert_non_null(co);
    return co;
}

/* ---- the end of its function ----------------------------------------------------- */

static void come_back(void)
{
}

static void run_one_that_returns(void)
{
    aco_resume(make(come_back));
}

static void yield_and_come_back(void)
{
    aco_yield();
}

static void run_one_that_yields_and_returns(void)
{
    aco_t *co = make(yield_and_come_back), *other = make(yield_and_come_back);
    aco_resume(co);
    aco_resume(other);
    aco_resume(co);
}

static void who_returns_is_named_by_its_function(void **state)
{
    char function[32];
    snprintf(function, sizeof(function), "function %p)", (void *)(uintptr_t)come_back);
    assert_dies(run_one_that_returns, SIGABRT, function);
    snprintf(function, sizeof(function), "function %p)", (void *)(uintptr_t)yield_and_come_back);
    assert_dies(run_one_that_yields_and_returns, SIGABRT, function);
}

/* ---- a thread without coroutines ------------------------------------------------- */

static void *yield_here(void *closure)
{
    aco_yield();
    return NULL;
}

static void *resume_here(void *closure)
{
    aco_resume(closure);
    return NULL;
}

static void *exit_here(void *closure)
{
    aco_exit();
    return NULL;
}

static void in_another_thread(void *(*fn)(void *closure), void *closure)
{
    pthread_t thread;
    if (pthread_create(&thread, NULL, fn, closure) == 0)
        pthread_join(thread, NULL);
}

static void yield_in_a_thread_without_coroutines(void)
{
    in_another_thread(yield_here, NULL);
}

static void exit_in_a_thread_without_coroutines(void)
{
    in_another_thread(exit_here, NULL);
}

static void resume_one_of_another_thread(void)
{
    in_another_thread(resume_here, make(yield_and_come_back));
}

static void a_thread_without_coroutines_is_told_so(void **state)
{
    assert_dies(yield_in_a_thread_without_coroutines, SIGABRT, "aco_yield: ");
    assert_dies(exit_in_a_thread_without_coroutines, SIGABRT,
                "aco_exit: called outside a coroutine");
    assert_dies(resume_one_of_another_thread, SIGABRT, "aco_resume: only the main coroutine");
}

/* ---- freed twice ----------------------------------------------------------------- */

#ifndef TOOLS_ASAN /* which finds it itself: tests/sanitizers */

static void end_at_once(void)
{
    aco_exit();
}

static void destroy_twice_after_its_end(void)
{
    aco_t *co = make(end_at_once);
    aco_resume(co);
    aco_destroy(co);
    aco_destroy(co);
}

static void destroy_twice_before_its_start(void)
{
    aco_t *co = make(end_at_once);
    aco_destroy(co);
    aco_destroy(co);
}

static void destroy_twice_while_it_is_moved_away(void)
{
    aco_t *co = make(yield_and_come_back), *other = make(yield_and_come_back);
    aco_resume(co);
    aco_resume(other);
    aco_destroy(co);
    aco_destroy(co);
}

static void resume_after_it_was_destroyed(void)
{
    aco_t *co = make(yield_and_come_back);
    aco_resume(co);
    aco_destroy(co);
    aco_resume(co);
}

static void who_was_destroyed_is_not_used_again(void **state)
{
    const char message[] = "aco_destroy: this coroutine was destroyed before";
    assert_dies(destroy_twice_after_its_end, SIGABRT, message);
    assert_dies(destroy_twice_before_its_start, SIGABRT, message);
    assert_dies(destroy_twice_while_it_is_moved_away, SIGABRT, message);
    assert_dies(resume_after_it_was_destroyed, SIGABRT, "only one that can run");
}

#endif

static int begin(void **state)
{
    aco_thread_init(NULL);
    main_co = aco_create(NULL, NULL, 0, NULL, NULL);
    stack = aco_share_stack_new(0);
    return main_co == NULL || stack == NULL;
}

static int end(void **state)
{
    aco_share_stack_destroy(stack);
    aco_destroy(main_co);
    return 0;
}

#define with_stack(test) cmocka_unit_test_setup_teardown(test, begin, end)

static const struct CMUnitTest tests[] = {
    with_stack(who_returns_is_named_by_its_function),
    with_stack(a_thread_without_coroutines_is_told_so),
#ifndef TOOLS_ASAN
    with_stack(who_was_destroyed_is_not_used_again),
#endif
};
HARNESS_MAIN(tests)
