/* SPDX-License-Identifier: MIT */
/*
 * Goal: show that this build finds a coroutine and a job's thread that change one variable
 * unordered.
 * Method: a gated job and the coroutine count on it at the same time; the test passes when the
 * sanitizer reports it.
 */
#include <eventer/eventer.h>

#include <sched.h>
#include <stdatomic.h>

static int shared;
static _Atomic int ended;

static void count_in_job(void *closure)
{
    for (int i = 0; i < 1000; i++)
        (*(int *)closure)++;
}

static void count_in_coroutine(void)
{
    eventer_aco_gate_t gate = eventer_aco_gate();
    eventer_aco_simple_asynch_gated(gate, count_in_job, &shared);
    for (int i = 0; i < 1000; i++)
        shared++;
    eventer_aco_gate_wait(gate);
    atomic_store(&ended, 1);
}

int main(void)
{
    if (eventer_init() != 0)
        return 0;
    eventer_aco_start(count_in_coroutine, NULL);
    while (!atomic_load(&ended))
        sched_yield();
    return 0;
}
