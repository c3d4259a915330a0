/* SPDX-License-Identifier: MIT */
/*
 * Goal: show that this build finds a block that a coroutine has lost, though its frames, where the
 * address once stood, are kept.
 * Method: forget a block, yield, and end the process; the test passes when that is reported.
 */
#include "parked.h"

static __attribute__((noinline)) void forget_a_block(void)
{
    void *volatile block = malloc(10000);
    block = NULL;
    (void)block;
}

static void forget(void)
{
    parked_call_deep(forget_a_block);
    parked_scrub();
    aco_yield();
    aco_exit();
}

int main(void)
{
    parked_begin(forget);
    return 0;
}
