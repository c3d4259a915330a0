/* SPDX-License-Identifier: MIT */
/*
 * Goal: a coroutine that runs off its stack is named, with its function, its waits, its depth and
 * its frames, and the process ends as it would have; what else faults ends it without a word.
 * Method: children that do it, each with a loop of its own.
 */
#include "dies.h"
#include "in_coroutine.h"

#include "coro/inspect_impl.h"

#define STACK_SIZE 65536

static char said[65536];

/* Run fn(closure) in a coroutine of a new loop until the process ends. */
static void run(void (*func)(void))
{
    alarm(20); /* should nothing end it */
    start_loops(1);
    check_int(eventer_aco_start_private(func, NULL, STACK_SIZE), 0);
    for (;;)
        pause();
}

static void assert_said(const char *part)
{
    if (strstr(said, part) == NULL)
        fail_msg("not said: %s\nsaid: %s", part, said);
}

/* The number that stands behind text. */
static unsigned long number_behind(const char *text)
{
    assert_said(text);
    return strtoul(strstr(said, text) + strlen(text), NULL, 0);
}

static unsigned times_said(const char *part)
{
    unsigned found = 0;
    for (const char *at = said; (at = strstr(at, part)) != NULL; at += strlen(part))
        found++;
    return found;
}

/* ---- running off a stack ---- */

static __attribute__((noinline)) int descend(int depth)
{
    volatile char bytes[200];
    bytes[0] = (char)depth;
    if (depth == 20)
        sleep_ms(1);
    return depth == INT32_MAX ? 0 : descend(depth + 1) + bytes[0];
}

static void run_off(void)
{
    eventer_aco_set_name("careless");
    exit(descend(0));
}

static int start_line;

static void overflow(void)
{
    start_line = __LINE__ + 1;
    run(run_off);
}

static void an_overflow_is_explained_and_the_process_dies_of_it(void **state)
{
    assert_int_equal(dies_run(overflow, said, sizeof(said)), SIGSEGV);
    assert_said("eventer: stack overflow at 0x");
    assert_said(" in the coroutine called careless, started at ");
    assert_said("test_overflow.c:");
    assert_said(" s old, in loop e:default/0; its function:\n");
    assert_said("; it last waited for: time\nits backtrace:\n");
    assert_int_equal(number_behind("its stack has "), STACK_SIZE);
    unsigned long waited = number_behind("and was at most ");
    assert_true(waited > 20 * 200 && waited < STACK_SIZE / 2);
    unsigned long depth = number_behind("bytes, it is ");
    assert_true(depth > STACK_SIZE - 1024 && depth < STACK_SIZE + ACO_GUARD_SIZE);
#ifndef EVENTER_VALGRIND /* whose registers are those in the midst of the instruction that faults  \
                          */
    /* 32 frames at the inner end, 8 at the outer one; and the function */
    assert_int_equal(times_said("[0x"), 32 + 8 + 1);
    assert_true(number_behind("\n... ") > 100);
    assert_said(" more ...\n");
#endif
}

static void run_off_unnamed(void)
{
    exit(descend(21));
}

static void overflow_without_a_wait(void)
{
    alarm(20);
    start_loops(1);
    struct errand errand;
    eventer_aco_start_private_at(run_off_unnamed, &errand, STACK_SIZE, NULL);
    for (;;)
        pause();
}

static void what_is_not_known_is_said_to_be(void **state)
{
    assert_int_equal(dies_run(overflow_without_a_wait, said, sizeof(said)), SIGSEGV);
    assert_said(" in the coroutine, started at a place not known, 0 s old");
    assert_said("and was at most 0 when it waited; it last waited for: nothing\n");
}

/* More than the guard at once, but touched from the top on as the compiler was told. */
static void use_a_large_frame(void)
{
    volatile char bytes[STACK_SIZE + 4096];
    bytes[4000] = 1; /* in the guard */
    exit(bytes[4000]);
}

static void overflow_by_one_frame(void)
{
    run(use_a_large_frame);
}

static void one_large_frame_is_an_overflow_as_well(void **state)
{
    assert_int_equal(dies_run(overflow_by_one_frame, said, sizeof(said)), SIGSEGV);
    assert_said("eventer: stack overflow at 0x");
    assert_true(number_behind("bytes, it is ") > STACK_SIZE);
}

/* ---- other faults ---- */

static int *volatile nowhere;

static void touch_nothing(void)
{
    *nowhere = 1;
}

static void fault_in_a_coroutine(void)
{
    run(touch_nothing);
}

static void touch_nothing_in_a_job(void *closure)
{
    touch_nothing();
}

static void send_a_job(void)
{
    eventer_aco_simple_asynch(touch_nothing_in_a_job, NULL);
}

static void fault_in_a_job(void)
{
    run(send_a_job);
}

static void signal_itself(void)
{
    raise(SIGSEGV);
    exit(0);
}

static void signal_without_a_fault(void)
{
    run(signal_itself);
}

static void other_faults_and_signals_end_the_process_without_a_word(void **state)
{
    void (*const functions[])(void) = {fault_in_a_coroutine, fault_in_a_job,
                                       signal_without_a_fault};
    for (size_t i = 0; i < sizeof(functions) / sizeof(functions[0]); i++) {
        assert_int_equal(dies_run(functions[i], said, sizeof(said)), SIGSEGV);
        assert_null(strstr(said, "eventer: ")); /* an emulator may say something */
    }
}

static void say_and_end(int number)
{
    static const char text[] = "the program's own handler\n";
    (void)!write(STDERR_FILENO, text, sizeof(text) - 1);
    _exit(0);
}

static void fault_with_a_handler(void)
{
    struct sigaction action = {.sa_handler = say_and_end, .sa_flags = SA_ONSTACK};
    sigaction(SIGSEGV, &action, NULL);
    run(run_off);
}

static void a_handler_that_is_there_is_left_in_place(void **state)
{
    assert_int_equal(dies_run(fault_with_a_handler, said, sizeof(said)), 0);
    assert_string_equal(said, "the program's own handler\n");
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(an_overflow_is_explained_and_the_process_dies_of_it),
    cmocka_unit_test(what_is_not_known_is_said_to_be),
    cmocka_unit_test(one_large_frame_is_an_overflow_as_well),
    cmocka_unit_test(other_faults_and_signals_end_the_process_without_a_word),
    cmocka_unit_test(a_handler_that_is_there_is_left_in_place),
};

HARNESS_MAIN(tests)
