/* SPDX-License-Identifier: MIT */
/*
 * parked.h - a coroutine that yields once, and stays in place (EVICT=0) or is moved away (EVICT=1).
 */
#ifndef EVENTER_TESTS_PARKED_H
#define EVENTER_TESTS_PARKED_H

#include <aco/aco.h>

#include <stdlib.h>
#include <string.h>

static void parked_take_the_stack(void)
{
    char bytes[16];
    memset(bytes, 'y', sizeof(bytes));
    __asm__ volatile("" : : "r"(bytes) : "memory");
    aco_yield();
    aco_exit();
}

/* What is known here is not lost. */
static aco_t *volatile parked_first, *volatile parked_second;

/* Call function with its frame well below the caller's. */
static __attribute__((noinline, unused)) void parked_call_deep(void (*function)(void))
{
    char bytes[1024];
    memset(bytes, 0, sizeof(bytes));
    __asm__ volatile("" : : "r"(bytes) : "memory");
    function();
    __asm__ volatile("" : : "r"(bytes) : "memory"); /* the call above is not the last thing done */
}

/* Leave nothing on this stack of the frames that were deeper than the caller's. */
static __attribute__((noinline, unused)) void parked_scrub(void)
{
    char bytes[16 * 1024];
    memset(bytes, 0, sizeof(bytes));
    __asm__ volatile("" : : "r"(bytes) : "memory");
}

/* Run function to its yield, and maybe have its frames moved. */
static void parked_begin(aco_cofuncp_t function)
{
    aco_thread_init(NULL);
    aco_t *main_co = aco_create(NULL, NULL, 0, NULL, NULL);
    aco_share_stack_t *stack = aco_share_stack_new(0);
    parked_first = aco_create(main_co, stack, 0, function, NULL);
    parked_second = aco_create(main_co, stack, 0, parked_take_the_stack, NULL);
    if (main_co == NULL || stack == NULL || parked_first == NULL || parked_second == NULL)
        exit(2);
    aco_resume(parked_first);
    if (EVICT)
        aco_resume(parked_second);
    if (parked_first->save_stack.ct_save != EVICT)
        exit(2); /* its frames are not where they should be */
}

/* Have it go on. */
static __attribute__((unused)) void parked_end(void)
{
    aco_resume(parked_first);
}

#endif
