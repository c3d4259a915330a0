/* SPDX-License-Identifier: MIT */
/*
 * Goal: a block is not lost while its only address stands in a frame of a coroutine that waits,
 * whether in place or moved away.
 * Method: have one wait with such a local, and end the process; the test passes when the search for
 * leaks, which then begins, finds none.
 */
#include "parked.h"

static __attribute__((noinline)) void *take_a_block(void)
{
    return malloc(10);
}

static void hold_a_block(void)
{
    void *volatile block = take_a_block();
    parked_scrub();
    aco_yield();
    free(block);
    aco_exit();
}

int main(void)
{
    parked_begin(hold_a_block);
    parked_scrub();
    return 0;
}
