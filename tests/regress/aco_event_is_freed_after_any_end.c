/* SPDX-License-Identifier: MIT */
/*
 * Defect: a converted event was freed only if what resumed its coroutine last was its own fd,
 * not after a time-out, a sleep or a job.
 * Method: end connections after each of these, with one close and one free, and count the events
 * alive; also where the coroutine was started by the fd's classic callback.
 * Shown red: take one more reference in coro_convert() of coro/io.c.
 */
#include "in_coroutine.h"

enum last_wait {
    LAST_READ,
    LAST_TIMEOUT,
    LAST_SLEEP,
    LAST_JOB,
    LAST_COUNT
};

static _Atomic int ended;
static enum last_wait last_wait;
static int peer;

static void do_nothing_in_job(void *closure)
{
    (void)closure;
}

static void serve(void)
{
    char byte;
    eventer_aco_t e = eventer_set_eventer_aco(eventer_aco_arg());
    check(e != NULL);
    check_int(eventer_aco_read(e, &byte, 1, NULL), 1);
    switch (last_wait) {
    case LAST_TIMEOUT:
        check_int(eventer_aco_read(e, &byte, 1, &(struct timeval){0, 100}), -1);
        break;
    case LAST_SLEEP:
        sleep_ms(1);
        break;
    case LAST_JOB:
        eventer_aco_simple_asynch(do_nothing_in_job, NULL);
        break;
    default:
        break;
    }
    check_int(eventer_aco_close(e), 0);
    eventer_aco_free(e);
    atomic_fetch_add(&ended, 1);
}

static int start_server(eventer_t e, int mask, void *closure, struct timeval *now)
{
    eventer_remove_fde(e);
    eventer_aco_start(serve, e);
    return 0;
}

static void one_close_and_one_free_end_an_event(void **state)
{
    for (last_wait = LAST_READ; last_wait < LAST_COUNT; last_wait++) {
        int64_t before = eventer_allocations_current();
        int fds[2];
        harness_socketpair(fds);
        ended = 0;
        peer = fds[1];
        eventer_add(eventer_alloc_fd(start_server, NULL, fds[0], EVENTER_READ | EVENTER_WRITE));
        settle(0);
        assert_int_equal(write(peer, "x", 1), 1);
        wait_until(&ended, 1);
        settle(0);
        assert_checks();
        assert_int_equal(eventer_allocations_current(), before);
        close(peer);
    }
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(one_close_and_one_free_end_an_event),
};

int main(void)
{
    start_loops(1);
    return harness_run(__FILE__, tests, sizeof(tests) / sizeof(tests[0]));
}
