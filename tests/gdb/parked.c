/* SPDX-License-Identifier: MIT */
/*
 * parked.c - a process with coroutines that wait, to be looked at with gdb.
 *
 * Usage: parked
 * Four of them share one stack.  It says "ready" when they wait, ends when its input does, and says
 * "unharmed" if all locals are what they were.
 */
#include <eventer/eventer.h>

#include <stdio.h>

#define WAITERS 4

static _Atomic int has_ended, unharmed;

void marker(void);

/* Called in a coroutine: the place for a breakpoint. */
__attribute__((noinline)) void marker(void)
{
    __asm__ volatile("");
}

static __attribute__((noinline)) int wait_for_end(int number)
{
    volatile int locals[32];
    for (int i = 0; i < 32; i++)
        locals[i] = number * 100 + i;
    while (!has_ended)
        eventer_aco_sleep(&(struct timeval){0, 20000});
    int wrong = 0;
    for (int i = 0; i < 32; i++)
        wrong += locals[i] != number * 100 + i;
    return wrong;
}

static void be_a_waiter(void)
{
    int number = *(int *)eventer_aco_arg();
    char name[16];
    snprintf(name, sizeof(name), "waiter %d", number);
    eventer_aco_set_name(name);
    if (number == WAITERS - 1)
        marker();
    unharmed += wait_for_end(number) == 0;
}

static void start_all(void)
{
    static int numbers[WAITERS];
    for (int i = 0; i < WAITERS; i++) {
        numbers[i] = i;
        eventer_aco_start(be_a_waiter, &numbers[i]);
    }
    puts("ready");
    fflush(stdout);
}

int main(void)
{
    eventer_aco_stats_t stats;
    if (eventer_propset("concurrency", "1") != 0 ||
        eventer_propset("aco_shared_stacks", "1") != 0 || eventer_init() != 0)
        return 2;
    eventer_aco_start(start_all, NULL);
    while (getchar() != EOF)
        ;
    has_ended = 1;
    do {
        usleep(1000);
        eventer_aco_get_stats(&stats);
    } while (stats.started < 1 + WAITERS || stats.coroutines > 0);
    puts(unharmed == WAITERS ? "unharmed" : "harmed");
    return 0;
}
