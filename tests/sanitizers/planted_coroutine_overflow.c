/* SPDX-License-Identifier: MIT */
/*
 * Goal: show that this build finds a write past a local of a coroutine, after its frame has
 * stood on the stack through a yield and after it has been moved away and back.
 * Method: yield, then write one past the end; the test passes when the sanitizer reports it.
 */
#include "parked.h"

static void overflow(void)
{
    char bytes[16];
    char *volatile past_end = bytes + sizeof(bytes); /* a pointer: array bounds tell nobody */
    memset(bytes, 'x', sizeof(bytes));
    aco_yield();
    *past_end = 'x';
    aco_exit();
}

int main(void)
{
    parked_begin(overflow);
    parked_end();
    return 0;
}
