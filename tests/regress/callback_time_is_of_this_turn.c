/* SPDX-License-Identifier: MIT */
/*
 * Defect: the time that a callback of an fd was given was that of before the wait, up to 200 ms
 * ago.
 * Method: let the loop sleep a while, make its fd ready, and compare with the time of just before.
 * Shown red: do not forget the wall clock in wait_for_readiness() of eventer/loop.c.
 */
#include "clean.h"
#include "in_coroutine.h"

#include <fcntl.h>
#include <unistd.h>

#define ROUND_COUNT 20

static _Atomic uint64_t written_us;
static struct tally seen = TALLY_NONE;

static int compare(eventer_t e, int mask, void *closure, struct timeval *now)
{
    char byte;
    struct timeval again;
    uint64_t now_us = (uint64_t)now->tv_sec * 1000000 + (uint64_t)now->tv_usec;
    check_int(eventer_read(e, &byte, 1, &mask), 1);
    check(now_us >= written_us);
    check_int(eventer_callback_us(), now_us);
    check_int(eventer_callback_ms(), now_us / 1000);
    check_int(eventer_gettimeofcallback(&again, NULL), 0);
    check_int(compare_timeval(again, *now), 0);
    tally_raise(&seen);
    return EVENTER_READ;
}

static void a_callback_is_given_the_time_after_the_wait(void **state)
{
    int fds[2];
    assert_int_equal(pipe2(fds, O_CLOEXEC | O_NONBLOCK), 0);
    eventer_t e = eventer_alloc_fd(compare, NULL, fds[0], EVENTER_READ);
    eventer_add(e);
    for (int i = 0; i < ROUND_COUNT; i++) {
        struct timeval now;
        while (!atomic_load(&loop_at(0)->is_asleep))
            sched_yield();
        uint64_t begun_ns = clock_mono_ns();
        while (clock_mono_ns() - begun_ns < CLOCK_NS_PER_MS)
            ;
        mtev_gettimeofday(&now, NULL);
        written_us = (uint64_t)now.tv_sec * 1000000 + (uint64_t)now.tv_usec;
        assert_int_equal(write(fds[1], "x", 1), 1);
        tally_wait(&seen);
        assert_checks();
    }
    assert_ptr_equal(eventer_remove_fde(e), e);
    settle(0);
    eventer_free(e);
    close(fds[0]);
    close(fds[1]);
}

static const struct CMUnitTest tests[] = {
    clean_test(a_callback_is_given_the_time_after_the_wait),
};

int main(void)
{
    logged_begin();
    start_loops(1);
    return harness_run(__FILE__, tests, sizeof(tests) / sizeof(tests[0]));
}
