/* SPDX-License-Identifier: MIT */
/*
 * Goal: show that this build finds a decision on a local that was never set, by a coroutine that
 * has waited meanwhile in place or moved away: what is known of a byte moves with it.
 * Method: leave a local as it is, yield, then look at it; the test passes when that is reported.
 */
#include "parked.h"

static volatile int decisions;

static void decide(void)
{
    volatile int set = 1, never_set[4];
    aco_yield();
    if (set == 1) /* this one is right */
        decisions++;
    if (never_set[2] == 42)
        decisions++;
    aco_exit();
}

int main(void)
{
    parked_begin(decide);
    parked_end();
    return 0;
}
