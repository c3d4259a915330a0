/* SPDX-License-Identifier: MIT */
/*
 * Goal: show that this build finds a write past a block of the heap that a coroutine does, after
 * it has waited in place or moved away.
 * Method: yield, then write one past the end; the test passes when that is reported.
 */
#include "parked.h"

static void overflow(void)
{
    char *block = malloc(10);
    volatile char *volatile past_end = block + 10; /* else the write is left out */
    aco_yield();
    *past_end = 'x';
    free(block);
    aco_exit();
}

int main(void)
{
    parked_begin(overflow);
    parked_end();
    return 0;
}
