/* SPDX-License-Identifier: MIT */
/*
 * Defect: starting a coroutine inside a coroutine, or triggering another's event from one,
 * resumed it on the same stack and corrupted memory.
 * Method: start children on the one stack, each over the other's locals, and trigger a waiter.
 * Shown red: in coro_start() of coro/coro.c, enter the child at once, with aco_take_stack_()
 * and aco_enter_(), although self is not NULL.
 */
#include "in_coroutine.h"

static _Atomic int begun, ended;
static eventer_aco_t shared;
static int peer;

static int depths[] = {0, 1, 2, 3, 4, 5};

static void child(void)
{
    volatile int locals[64];
    int depth = *(const int *)eventer_aco_arg();
    for (int i = 0; i < 64; i++)
        locals[i] = depth * 100 + i;
    atomic_fetch_add(&begun, 1);
    if (depth > 0)
        eventer_aco_start(child, &depths[depth - 1]); /* no local: its stack is shared */
    sleep_ms(1);
    for (int i = 0; i < 64; i++)
        check_int(locals[i], depth * 100 + i);
    atomic_fetch_add(&ended, 1);
}

static void start_a_chain(void *closure)
{
    eventer_aco_start(child, &depths[5]);
    check_int(begun, 6); /* a start is no promise: when it returns, they have begun */
    while (atomic_load(&ended) < 6)
        sleep_ms(1);
}

static void a_chain_of_starts_keeps_every_local(void **state)
{
    begun = ended = 0;
    in_coroutine(0, start_a_chain, NULL);
    assert_int_equal(ended, 6);
}

static int never(eventer_t e, int mask, void *closure, struct timeval *now)
{
    return 0;
}

static void read_one(void)
{
    char byte;
    volatile int local = 7;
    check_int(eventer_aco_read(shared, &byte, 1, NULL), 1);
    check_int(local, 7);
    atomic_fetch_add(&ended, 1);
}

static void trigger_a_reader(void *closure)
{
    int fds[2];
    volatile int local = 9;
    check_int(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), 0);
    peer = fds[1];
    shared = eventer_set_eventer_aco(eventer_alloc_fd(never, NULL, fds[0], EVENTER_READ));
    eventer_aco_start(read_one, NULL);
    eventer_trigger((eventer_t)shared, EVENTER_READ); /* it looks, finds nothing, waits on */
    sleep_ms(1);
    check_int(ended, 0);
    check_int(write(peer, "x", 1), 1);
    while (atomic_load(&ended) == 0)
        sleep_ms(1);
    check_int(local, 9);
    eventer_aco_close(shared);
    eventer_aco_free(shared);
    close(peer);
}

static void a_coroutine_may_trigger_what_another_waits_for(void **state)
{
    ended = 0;
    in_coroutine(0, trigger_a_reader, NULL);
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(a_chain_of_starts_keeps_every_local),
    cmocka_unit_test(a_coroutine_may_trigger_what_another_waits_for),
};

int main(void)
{
    start_loops(1);
    return harness_run(__FILE__, tests, sizeof(tests) / sizeof(tests[0]));
}
