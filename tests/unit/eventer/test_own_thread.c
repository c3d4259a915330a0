/* SPDX-License-Identifier: MIT */
/*
 * Goal: an event that is given a thread of its own blocks there, and ends when its callback says
 * so, with nothing left.
 * Method: pipes that are read in such threads; a process that may have no more of them.
 */
#include "clean.h"

#include "base/alloc.h"
#include "base/thread.h"
#include "eventer/event.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

static char taken[64];
static _Atomic int taken_len;
static struct tally ended = TALLY_NONE;

/* Read until the end. */
static int take(eventer_t e, int mask, void *closure, struct timeval *now)
{
    size_t len = (size_t)atomic_load(&taken_len);
    int fd = eventer_get_fd(e);
    check(mask == EVENTER_READ && loop_self == NULL);
    check(strncmp(eventer_get_thread_name(), "dedicated/", 10) == 0);
    check(event_this == e);
    check((fcntl(fd, F_GETFL) & O_NONBLOCK) == 0);
    int count = eventer_read(e, taken + len, sizeof(taken) - 1 - len, &mask);
    if (count > 0) {
        atomic_fetch_add(&taken_len, count);
        return EVENTER_READ;
    }
    check_int(count, 0);
    eventer_close(e, &mask);
    tally_raise(&ended);
    return 0;
}

static int to_a_thread(eventer_t e, int mask, void *closure, struct timeval *now)
{
    eventer_set_callback(e, take);
    eventer_run_in_thread(e, EVENTER_READ);
    return 0;
}

static int fds[2];

static eventer_t event_of_a_pipe(eventer_func_t func)
{
    assert_int_equal(pipe2(fds, O_CLOEXEC | O_NONBLOCK), 0);
    memset(taken, 0, sizeof(taken));
    atomic_store(&taken_len, 0);
    return eventer_alloc_fd(func, NULL, fds[0], EVENTER_READ);
}

static void feed_and_wait(void)
{
    assert_int_equal(write(fds[1], "one ", 4), 4);
    wait_until(&taken_len, 4);
    assert_int_equal(write(fds[1], "two", 3), 3);
    close(fds[1]);
    tally_wait(&ended);
    while (eventer_allocations_current() > 0) /* the thread drops it last */
        sched_yield();
    assert_string_equal(taken, "one two");
    assert_checks();
}

static void an_event_of_a_loop_moves_to_a_thread(void **state)
{
    eventer_t e = event_of_a_pipe(take);
    eventer_add(e);
    eventer_run_in_thread(e, EVENTER_READ);
    assert_null(eventer_find_fd(fds[0]));
    feed_and_wait();
}

static void one_that_was_never_added_does_too(void **state)
{
    eventer_run_in_thread(event_of_a_pipe(take), EVENTER_READ);
    feed_and_wait();
}

static void it_may_move_in_its_own_callback(void **state)
{
    eventer_add(event_of_a_pipe(to_a_thread));
    feed_and_wait();
}

static int no_thread(pthread_t *out, const pthread_attr_t *attr, void *(*run)(void *arg), void *arg)
{
    return EAGAIN;
}

static int never(eventer_t e, int mask, void *closure, struct timeval *now)
{
    check(false);
    return 0;
}

static void without_a_thread_it_stays_where_it_was(void **state)
{
    eventer_t e = event_of_a_pipe(never);
    eventer_add(e);
    thread_ops.create = no_thread;
    eventer_run_in_thread(e, EVENTER_READ);
    thread_ops.create = pthread_create;
    assert_logged(1, "it stays as it was: Resource temporarily unavailable");
    assert_ptr_equal(eventer_find_fd(fds[0]), e);
    assert_true((fcntl(fds[0], F_GETFL) & O_NONBLOCK) != 0);
    alloc_fail_nth(1, 0);
    eventer_run_in_thread(e, EVENTER_READ);
    alloc_fail_nth(0, 0);
    assert_logged(1, "it stays as it was: Cannot allocate memory");
    assert_ptr_equal(eventer_find_fd(fds[0]), e);
    assert_ptr_equal(eventer_remove_fde(e), e);
    eventer_free(e);
    close(fds[0]);
    close(fds[1]);
}

static void others_are_refused(void **state)
{
    eventer_t timer = eventer_in_s_us(never, NULL, 1, 0), e = event_of_a_pipe(never);
    eventer_run_in_thread(timer, EVENTER_READ);
    assert_int_equal(errno, EINVAL);
    assert_logged(1, "no classic event");
    eventer_run_in_thread(e, 0);
    assert_logged(1, "no mask");
    eventer_free(timer);
    eventer_free(e);
    close(fds[0]);
    close(fds[1]);
}

static const struct CMUnitTest tests[] = {
    clean_test(an_event_of_a_loop_moves_to_a_thread),
    clean_test(one_that_was_never_added_does_too),
    clean_test(it_may_move_in_its_own_callback),
    clean_test(without_a_thread_it_stays_where_it_was),
    clean_test(others_are_refused),
};

int main(void)
{
    logged_begin();
    start_loops(1);
    return harness_run(__FILE__, tests, sizeof(tests) / sizeof(tests[0]));
}
