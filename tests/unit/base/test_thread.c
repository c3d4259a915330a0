/* SPDX-License-Identifier: MIT */
/*
 * Goal: a wait ends when its word changes, at a wake and when its time has passed; a latch lets all
 * pass once it is open; and whoever puts functions of his own in is asked instead.
 * Method: threads that wait before, while and after the word changes; a wait with a short time-out,
 * measured; a struct of functions that count.
 */
#include "harness.h"

#include "base/clock.h"
#include "base/thread.h"

#include <errno.h>

#define WAITERS 4

static void a_wait_for_another_value_ends_at_once(void **state)
{
    _Atomic uint32_t word = 1;
    assert_int_equal(thread_ops.wait(&word, 0, NULL), -EAGAIN);
}

static void a_wait_ends_when_its_time_has_passed_and_not_before(void **state)
{
    _Atomic uint32_t word = 0;
    const struct timespec timeout = clock_timespec(2 * CLOCK_NS_PER_MS);
    uint64_t before_ns = clock_mono_ns();
    int rv;
    do
        rv = thread_ops.wait(&word, 0, &timeout);
    while (rv == 0 || rv == -EINTR);
    assert_int_equal(rv, -ETIMEDOUT);
    assert_true(clock_mono_ns() - before_ns >= 2 * CLOCK_NS_PER_MS);
}

static void a_wake_with_nobody_there_changes_nothing(void **state)
{
    _Atomic uint32_t word = 0;
    errno = ERANGE;
    thread_ops.wake(&word, 1);
    assert_int_equal(errno, ERANGE);
    assert_int_equal(word, 0);
}

struct shared {
    struct latch begin, passed;
    _Atomic uint32_t left;
    int value; /* written before begin is opened */
};

static void *pass(void *arg)
{
    struct shared *shared = arg;
    latch_await(&shared->begin);
    if (shared->value == 7 && atomic_fetch_sub(&shared->left, 1) == 1)
        latch_open(&shared->passed);
    return NULL;
}

static void a_latch_lets_all_pass_once_it_is_open(void **state)
{
    struct shared shared = {.left = WAITERS};
    pthread_t threads[WAITERS];
    for (size_t i = 0; i < WAITERS; i++) {
        if (i == WAITERS / 2) { /* some come early, some late */
            shared.value = 7;
            latch_open(&shared.begin);
        }
        assert_int_equal(thread_ops.create(&threads[i], NULL, pass, &shared), 0);
    }
    latch_await(&shared.passed);
    for (size_t i = 0; i < WAITERS; i++)
        assert_int_equal(thread_ops.join(threads[i], NULL), 0);
    latch_await(&shared.begin); /* it stays open */
}

static int waits, wakes;

static int open_instead(_Atomic uint32_t *word, uint32_t value, const struct timespec *timeout)
{
    waits++;
    atomic_store(word, value + 1);
    return 0;
}

static void count_wake(_Atomic uint32_t *word, int count)
{
    wakes++;
}

static void whoever_puts_other_functions_in_is_asked_instead(void **state)
{
    struct thread_ops before = thread_ops;
    struct latch latch = {0};
    thread_ops.wait = open_instead;
    thread_ops.wake = count_wake;
    latch_await(&latch);
    latch_open(&latch);
    thread_ops = before;
    assert_int_equal(waits, 1);
    assert_int_equal(wakes, 1);
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(a_wait_for_another_value_ends_at_once),
    cmocka_unit_test(a_wait_ends_when_its_time_has_passed_and_not_before),
    cmocka_unit_test(a_wake_with_nobody_there_changes_nothing),
    cmocka_unit_test(a_latch_lets_all_pass_once_it_is_open),
    cmocka_unit_test(whoever_puts_other_functions_in_is_asked_instead),
};
HARNESS_MAIN(tests)
