/* SPDX-License-Identifier: MIT */
/*
 * Defect: a sleep left its time-out behind, so that the next read, write or accept that had to
 * wait failed with ETIMEDOUT although its fd became ready.
 * Method: sleep, then wait for a byte that comes later.
 * Shown red: in coro_wake() of coro/coro.h, keep the old result when the new one is 0.
 */
#include "in_coroutine.h"

static int peer;

static void write_later(void)
{
    sleep_ms(2);
    check_int(write(peer, "x", 1), 1);
}

static int never(eventer_t e, int mask, void *closure, struct timeval *now)
{
    return 0;
}

static void sleep_and_read(void *closure)
{
    char byte;
    int fds[2];
    check_int(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), 0);
    peer = fds[1];
    eventer_aco_t e = eventer_set_eventer_aco(eventer_alloc_fd(never, NULL, fds[0], EVENTER_READ));
    sleep_ms(1);
    eventer_aco_start(write_later, NULL);
    check_int(eventer_aco_read(e, &byte, 1, NULL), 1);
    eventer_aco_close(e);
    eventer_aco_free(e);
    close(peer);
}

static void a_read_after_a_sleep_gets_its_byte(void **state)
{
    in_coroutine(0, sleep_and_read, NULL);
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(a_read_after_a_sleep_gets_its_byte),
};

int main(void)
{
    start_loops(1);
    return harness_run(__FILE__, tests, sizeof(tests) / sizeof(tests[0]));
}
