/* SPDX-License-Identifier: MIT */
/*
 * Goal: a coroutine starts at once wherever that is possible, runs until it waits, and ends by
 * returning or by aco_exit(), with nothing left of it.
 * Method: coroutines that write a trace of letters, which shows the order in which all happened.
 */
#include "clean.h"
#include "in_coroutine.h"

#include "base/alloc.h"
#include "coro/coro.h"
#include "coro/home_impl.h"

#include <string.h>

static char trace[64];

static void say(char letter)
{
    size_t len = strlen(trace);
    if (check(len < sizeof(trace) - 1))
        trace[len] = letter;
}

static int begin(void **state)
{
    memset(trace, 0, sizeof(trace));
    return clean_set_up(state);
}

/* ---- starting ---- */

static void wait_and_say(void)
{
    say('b');
    sleep_ms(1);
    say('d');
    tally_raise(eventer_aco_arg());
}

static void start_one(void *closure)
{
    say('a');
    eventer_aco_start(wait_and_say, closure);
    say('c');
}

static void from_a_callback_a_start_runs_until_the_first_wait(void **state)
{
    struct tally ended = TALLY_NONE;
    in_loop(0, start_one, &ended);
    tally_wait(&ended);
    assert_string_equal(trace, "abcd");
}

static void say_and_return(void)
{
    say(*(char *)eventer_aco_arg());
}

static void start_three(void *closure)
{
    static char letters[] = "xyz";
    for (size_t i = 0; i < 3; i++)
        eventer_aco_start(say_and_return, &letters[i]);
    say('.');
}

static void a_coroutine_that_never_waits_has_ended_when_start_returns(void **state)
{
    in_loop(0, start_three, NULL);
    assert_string_equal(trace, "xyz.");
}

static void third(void)
{
    say('3');
    sleep_ms(1);
    say('6');
    tally_raise(eventer_aco_arg());
}

static void second(void)
{
    say('2');
    eventer_aco_start(third, eventer_aco_arg());
    say('4');
}

static void first(void *closure)
{
    volatile char local[200];
    memset((char *)(uintptr_t)local, 'L', sizeof(local));
    say('1');
    eventer_aco_start(second, closure);
    say('5');
    for (size_t i = 0; i < sizeof(local); i++)
        check(local[i] == 'L');
}

static void a_start_inside_coroutines_returns_when_the_child_first_waits(void **state)
{
    struct tally ended = TALLY_NONE;
    in_coroutine(0, first, &ended);
    tally_wait(&ended);
    assert_string_equal(trace, "123456");
}

static void off_the_loops_a_start_is_prompt(void **state)
{
    struct tally ended = TALLY_NONE;
    while (!atomic_load(&loop_at(0)->is_asleep))
        sched_yield();
    eventer_aco_start(wait_and_say, &ended);
    tally_wait(&ended); /* a sleeping loop would not wake by itself */
    assert_string_equal(trace, "bd");
}

static struct tally off_loop_ended = TALLY_NONE;
static int off_loop_index;

static void note_loop(void)
{
    off_loop_index = loop_self->index;
    tally_raise(&off_loop_ended);
}

static void off_the_loops_a_start_goes_to_the_first_loop(void **state)
{
    eventer_aco_start(note_loop, NULL);
    tally_wait(&off_loop_ended);
    assert_int_equal(off_loop_index, 0);
}

/* ---- in it ---- */

static void look_around(void *closure)
{
    check(coro_self() != NULL);
    check(eventer_is_aco(NULL));
    check(coro_self() == this_coroutine());
    check_int(this_coroutine()->co.state_, CORO_RUNNING);
    check(coro_home_of(this_coroutine())->loop == loop_self);
    check(eventer_in_loop());
    errno = 77;
}

static void look_around_outside(void *closure)
{
    check(coro_self() == NULL);
    check(!eventer_is_aco(NULL));
    check(eventer_aco_arg() == NULL);
}

static void a_coroutine_knows_that_it_is_one(void **state)
{
    in_coroutine(0, look_around, NULL);
    in_coroutine(1, look_around, NULL);
    in_loop(0, look_around_outside, NULL);
    look_around_outside(NULL);
    assert_checks();
}

static void sleep_a_little(void *closure)
{
    for (int ms = 0; ms < 5; ms++) {
        uint64_t begun_ns = clock_mono_ns();
        sleep_ms(ms);
        check(clock_mono_ns() - begun_ns >= (uint64_t)ms * CLOCK_NS_PER_MS);
    }
    eventer_aco_sleep(&(struct timeval){-1, 0}); /* negative: as zero */
}

static void a_sleep_is_never_too_short(void **state)
{
    in_coroutine(0, sleep_a_little, NULL);
}

static void a_sleep_outside_a_coroutine_is_refused(void **state)
{
    eventer_aco_sleep(&(struct timeval){3600, 0});
    assert_logged(1, "eventer_aco_sleep: called outside a coroutine");
}

static void sleep_without_duration(void *closure)
{
    eventer_aco_sleep(NULL);
    check_int(errno, EINVAL);
}

static void a_sleep_without_a_duration_is_refused(void **state)
{
    in_coroutine(0, sleep_without_duration, NULL);
    assert_logged(1, "eventer_aco_sleep: no duration");
}

/* ---- order of many ---- */

static void count_turns(void)
{
    _Atomic int *left = eventer_aco_arg();
    for (int i = 0; i < 20; i++)
        eventer_aco_sleep(&(struct timeval){0, i % 3 * 50});
    atomic_fetch_add(left, 1);
}

#define CROWD_COUNT 500

static void start_crowd(void *closure)
{
    for (int i = 0; i < CROWD_COUNT; i++)
        eventer_aco_start(count_turns, closure);
}

static void a_crowd_of_coroutines_all_end(void **state)
{
    _Atomic int ended = 0;
    in_loop(0, start_crowd, &ended);
    in_loop(1, start_crowd, &ended);
    wait_until(&ended, 2 * CROWD_COUNT);
    settle_all();
    for (uint32_t i = 0; i < 2; i++)
        assert_int_equal(((struct coro_home *)loop_at(i)->coro)->count, 0);
}

/* ---- ending ---- */

static __attribute__((noinline)) void leave_from(int depth, void (*leave)(void))
{
    volatile char frame[100];
    __asm__ volatile("" : : "r"(frame) : "memory");
    if (depth == 0)
        leave();
    else
        leave_from(depth - 1, leave);
    check(frame[depth] == 0); /* keeps the call above from being the last thing done */
}

static void leave(void)
{
    say('e');
    aco_exit();
}

static void leave_deep(void)
{
    sleep_ms(0);
    leave_from(10, leave);
    say('!');
}

static void start_leavers(void *closure)
{
    for (int i = 0; i < 3; i++)
        eventer_aco_start(leave_deep, NULL);
    sleep_ms(5);
}

static void aco_exit_from_nested_frames_ends_the_coroutine(void **state)
{
    in_coroutine(0, start_leavers, NULL);
    wait_for_all_to_end(0);
    assert_string_equal(trace, "eee");
}

static void the_memory_of_ended_coroutines_is_used_again(void **state)
{
    _Atomic int ended = 0;
    in_loop(0, start_crowd, &ended);
    wait_until(&ended, CROWD_COUNT);
    settle(0);
    const struct coro_home *home = loop_at(0)->coro;
    size_t regions = home->slabs.region_count;
    atomic_store(&ended, 0);
    in_loop(0, start_crowd, &ended);
    wait_until(&ended, CROWD_COUNT);
    settle(0);
    assert_int_equal(home->slabs.region_count, regions);
    assert_true(home->list_capacity < CROWD_COUNT); /* as are the lists, but for the last */
}

static void use_the_argument(void)
{
    volatile char frame[512];
    for (size_t i = 0; i < sizeof(frame); i++)
        frame[i] = 0x5a;
    int *local = eventer_aco_arg();
    check(*local == 41);
    *local += frame[0] - 0x59;
}

static void start_with_a_local(void *closure)
{
    volatile int local = 41;
    eventer_aco_start(use_the_argument, (void *)(uintptr_t)&local);
    check(local == 42);
}

static void a_child_may_be_given_a_local_until_it_first_waits(void **state)
{
    for (int i = 0; i < 3; i++) /* the first one of each is alone on its stack anyway */
        in_coroutine(0, start_with_a_local, NULL);
}

static void say_last_and_start_another(void *arg)
{
    static char letter = 'n';
    check(arg == trace);
    check(coro_self() == NULL); /* in the loop */
    say('z');
    eventer_aco_start(say_and_return, &letter);
}

static void wait_and_end(void)
{
    say('w');
    sleep_ms(1);
    leave();
}

static void start_with_end(void *closure)
{
    check_int(coro_start(&(struct coro_start){wait_and_end, trace, trace, NULL,
                                              say_last_and_start_another, 0}),
              0);
    say('s');
}

static void who_asked_is_told_of_the_end_in_the_loop(void **state)
{
    in_loop(0, start_with_end, NULL);
    wait_for_all_to_end(0);
    assert_string_equal(trace, "wsezn");
}

/* ---- misuse, and no memory ---- */

static void a_start_without_a_function_is_refused(void **state)
{
    errno = 0;
    eventer_aco_start(NULL, NULL);
    assert_int_equal(errno, EINVAL);
    assert_logged(1, "eventer_aco_start: no function");
}

static void fresh_function(void)
{
    say('f');
}

static void start_without_memory(void *closure)
{
    struct coro_home *home = loop_self->coro;
    size_t count = home->count;
    for (uint64_t nth = 1;; nth++) {
        stacks_fini(&home->stacks);
        trace[0] = '\0';
        alloc_fail_nth(nth, 0);
        eventer_aco_start(fresh_function, NULL);
        bool was_asked = alloc_asked() >= nth;
        alloc_fail_nth(0, 0);
        check_int(home->count, count);
        if (!was_asked)
            break;
        /* A stack of its own that cannot be had is replaced by a shared one. */
        check_int(strcmp(trace, "f") == 0 ? 0 : 1, (int)logged("not started"));
        logged_clear();
        check(nth < 100);
    }
    check(strcmp(trace, "f") == 0);
}

static void without_memory_a_coroutine_is_not_started_and_one_line_says_so(void **state)
{
    in_loop(1, start_without_memory, NULL); /* nothing else has run there that waits */
    trace[0] = '\0';
    alloc_fail_nth(1, 0);
    eventer_aco_start(fresh_function, NULL); /* the message to the loop */
    alloc_fail_nth(0, 0);
    assert_logged(1, "not started");
    settle(0);
    assert_string_equal(trace, "");
}

static void never_run(void)
{
}

/* Every allocation of the loops' start fails once; what was begun is undone. */
static void init_without_memory(void)
{
    for (uint64_t nth = 1; nth < 1000; nth++) {
        alloc_fail_nth(nth, 0);
        int rv = eventer_init();
        alloc_fail_nth(0, 0);
        if (rv == 0)
            return;
    }
    exit(1);
}

#define traced_test(test) cmocka_unit_test_setup_teardown(test, begin, clean_tear_down)

static const struct CMUnitTest tests[] = {
    traced_test(from_a_callback_a_start_runs_until_the_first_wait),
    traced_test(a_coroutine_that_never_waits_has_ended_when_start_returns),
    traced_test(a_start_inside_coroutines_returns_when_the_child_first_waits),
    traced_test(off_the_loops_a_start_is_prompt),
    traced_test(off_the_loops_a_start_goes_to_the_first_loop),
    traced_test(a_coroutine_knows_that_it_is_one),
    traced_test(a_sleep_is_never_too_short),
    traced_test(a_sleep_outside_a_coroutine_is_refused),
    traced_test(a_sleep_without_a_duration_is_refused),
    traced_test(aco_exit_from_nested_frames_ends_the_coroutine),
    traced_test(without_memory_a_coroutine_is_not_started_and_one_line_says_so),
    traced_test(a_crowd_of_coroutines_all_end),
    traced_test(a_child_may_be_given_a_local_until_it_first_waits),
    traced_test(the_memory_of_ended_coroutines_is_used_again),
    traced_test(who_asked_is_told_of_the_end_in_the_loop),
    traced_test(a_start_without_a_function_is_refused),
};

int main(void)
{
    const char *stacks = getenv("ACO_STACKS");
    logged_begin();
    eventer_aco_start(never_run, NULL);
    if (logged("eventer_init() was not called") != 1 || eventer_propset("concurrency", "2") != 0 ||
        (stacks != NULL && eventer_propset("aco_shared_stacks", stacks) != 0))
        return 1;
    init_without_memory();
    return harness_run(__FILE__, tests, sizeof(tests) / sizeof(tests[0]));
}
