/* SPDX-License-Identifier: MIT */
/*
 * Goal: show that this build finds a write past a local of a coroutine, after its frame has
 * stood on the stack through a yield and after it has been moved away and back.
 * Method: yield, and have another take the stack (EVICT=1) or not (EVICT=0), then write one past
 * the end; the test passes when the sanitizer reports it.
 */
#include <aco/aco.h>

#include <string.h>

static void overflow(void)
{
    char bytes[16];
    char *volatile past_end = bytes + sizeof(bytes); /* a pointer: array bounds tell nobody */
    memset(bytes, 'x', sizeof(bytes));
    aco_yield();
    *past_end = 'x';
    aco_exit();
}

static void take_the_stack(void)
{
    volatile char bytes[16];
    bytes[0] = 'y';
    aco_yield();
    aco_exit();
}

int main(void)
{
    aco_thread_init(NULL);
    aco_t *main_co = aco_create(NULL, NULL, 0, NULL, NULL);
    aco_share_stack_t *stack = aco_share_stack_new(0);
    aco_t *first = aco_create(main_co, stack, 0, overflow, NULL);
    aco_t *second = aco_create(main_co, stack, 0, take_the_stack, NULL);
    if (main_co == NULL || stack == NULL || first == NULL || second == NULL)
        return 0;
    aco_resume(first);
    if (EVICT)
        aco_resume(second);
    if (first->save_stack.ct_save != EVICT)
        return 0; /* its frames are not where they should be */
    aco_resume(first);
    return 0;
}
