/* SPDX-License-Identifier: MIT */
/*
 * Defect: the lock of an fd was held while its callback ran, and other threads that asked about
 * the fd spun until it returned.
 * Method: while a callback waits for this thread, look its fd up, and change and list its event.
 * Shown red: have fd_event_ready() of eventer/fd.c unlock the slot after event_run() (it then never
 * ends).
 */
#include "in_coroutine.h"

#include <fcntl.h>
#include <unistd.h>

static struct tally begun = TALLY_NONE, may_end = TALLY_NONE;
static _Atomic int runs;

static int wait_for_the_other(eventer_t e, int mask, void *closure, struct timeval *now)
{
    tally_raise(&begun);
    tally_wait(&may_end);
    eventer_remove_fde(e);
    atomic_fetch_add(&runs, 1);
    return 0;
}

static void an_fd_can_be_looked_up_while_its_callback_runs(void **state)
{
    int fds[2];
    assert_int_equal(pipe2(fds, O_CLOEXEC | O_NONBLOCK), 0);
    eventer_t e = eventer_alloc_fd(wait_for_the_other, NULL, fds[0], EVENTER_READ);
    eventer_add(e);
    assert_int_equal(write(fds[1], "x", 1), 1);
    tally_wait(&begun);
    assert_ptr_equal(eventer_find_fd(fds[0]), e);
    eventer_update(e, EVENTER_READ | EVENTER_EXCEPTION);
    tally_raise(&may_end);
    wait_until(&runs, 1);
    settle(0);
    assert_null(eventer_find_fd(fds[0]));
    close(fds[0]);
    close(fds[1]);
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(an_fd_can_be_looked_up_while_its_callback_runs),
};

int main(void)
{
    start_loops(1);
    return harness_run(__FILE__, tests, sizeof(tests) / sizeof(tests[0]));
}
