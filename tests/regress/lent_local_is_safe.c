/* SPDX-License-Identifier: MIT */
/*
 * Defect: a job that was given the address of a local wrote to whatever coroutine stood there
 * meanwhile, and its result was lost.
 * Method: lend a local to a job that writes only when neighbours on the same stack have run;
 * more than there are stacks.
 * Shown red: in lend() of coro/asynch.c, return NULL; and in make() of coro/coro.c ask for no
 * private stack.
 */
#include "in_coroutine.h"

#define NEIGHBOUR_COUNT 200

static struct tally may_write = TALLY_NONE;
static _Atomic int neighbours_waiting;

static void write_99(void *closure)
{
    tally_wait(&may_write);
    volatile int *lent = closure;
    for (int i = 0; i < 100; i++)
        lent[i] = 99;
}

static void be_a_neighbour(void)
{
    volatile int locals[200];
    for (int i = 0; i < 200; i++)
        locals[i] = 7;
    if (atomic_fetch_add(&neighbours_waiting, 1) + 1 == NEIGHBOUR_COUNT)
        tally_raise(&may_write);
    while (atomic_load(&neighbours_waiting) > 0)
        sleep_ms(1);
    for (int i = 0; i < 200; i++)
        if (locals[i] != 7)
            check_int(locals[i], 7);
}

static void start_neighbours(void *closure)
{
    for (int i = 0; i < NEIGHBOUR_COUNT; i++)
        eventer_aco_start(be_a_neighbour, NULL);
}

static void lend_a_local(void *closure)
{
    int lent[100] = {1};
    eventer_aco_simple_asynch(write_99, lent);
    for (int i = 0; i < 100; i++)
        if (lent[i] != 99)
            check_int(lent[i], 99);
    atomic_store(&neighbours_waiting, 0);
}

static void a_job_writes_to_the_local_it_was_lent(void **state)
{
    struct errand lending;
    coroutine_post(&lending, 0, lend_a_local, NULL);
    settle(0);
    in_loop(0, start_neighbours, NULL);
    errand_wait(&lending);
    settle(0);
    assert_checks();
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(a_job_writes_to_the_local_it_was_lent),
};

int main(void)
{
    start_loops(1);
    return harness_run(__FILE__, tests, sizeof(tests) / sizeof(tests[0]));
}
