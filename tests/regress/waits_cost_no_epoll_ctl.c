/* SPDX-License-Identifier: MIT */
/*
 * Defect: each read or write that waited cost three epoll_ctl(2) calls.
 * Method: count the calls of the loop's poller over a hundred exchanges, each of which waits:
 * one to begin watching, one more at the first write that waits, one at the close.
 * Shown red: call edge_unregister(e) at the start of prepare_wait() of coro/io.c.
 */
#include "counted.h"
#include "in_coroutine.h"

#define EXCHANGE_COUNT 100

static eventer_aco_t ends[2];

static int never(eventer_t e, int mask, void *closure, struct timeval *now)
{
    return 0;
}

static void echo(void)
{
    char byte;
    while (eventer_aco_read(ends[1], &byte, 1, NULL) == 1)
        check_int(eventer_aco_write(ends[1], &byte, 1, NULL), 1);
    eventer_aco_close(ends[1]);
    eventer_aco_free(ends[1]);
}

static void exchange(void *closure)
{
    char byte = 'x';
    int fds[2];
    counted_watches = 0;
    check_int(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), 0);
    for (int i = 0; i < 2; i++)
        ends[i] = eventer_set_eventer_aco(eventer_alloc_fd(never, NULL, fds[i], EVENTER_READ));
    eventer_aco_start(echo, NULL);
    for (int i = 0; i < EXCHANGE_COUNT; i++) {
        check_int(eventer_aco_write(ends[0], &byte, 1, NULL), 1);
        check_int(eventer_aco_read(ends[0], &byte, 1, &(struct timeval){60, 0}), 1);
    }
    check_int(counted_watches, 2); /* one an end */
    eventer_aco_close(ends[0]);
    eventer_aco_free(ends[0]);
    sleep_ms(1);
}

static void a_wait_costs_no_epoll_ctl(void **state)
{
    in_coroutine(0, exchange, NULL);
}

static void fill_and_drain(void *closure)
{
    static char bytes[65536];
    int fds[2];
    counted_watches = 0;
    check_int(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, fds), 0);
    eventer_aco_t e = eventer_set_eventer_aco(eventer_alloc_fd(never, NULL, fds[0], 0));
    for (int i = 0; i < 20; i++) { /* each round ends in a wait that times out */
        while (eventer_aco_write(e, bytes, sizeof(bytes), &(struct timeval){0, 100}) > 0)
            ;
        while (read(fds[1], bytes, sizeof(bytes)) > 0)
            ;
    }
    check_int(counted_watches, 1);
    eventer_aco_close(e);
    eventer_aco_free(e);
    check_int(counted_watches, 2);
    close(fds[1]);
}

static void a_writer_costs_one_in_its_life(void **state)
{
    in_coroutine(0, fill_and_drain, NULL);
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(a_wait_costs_no_epoll_ctl),
    cmocka_unit_test(a_writer_costs_one_in_its_life),
};

int main(void)
{
    count_pollers();
    start_loops(1);
    return harness_run(__FILE__, tests, sizeof(tests) / sizeof(tests[0]));
}
