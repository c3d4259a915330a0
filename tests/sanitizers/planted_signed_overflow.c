/* SPDX-License-Identifier: MIT */
/*
 * Goal: show that this build finds undefined arithmetic.
 * Method: add one to the largest int; the test passes when the sanitizer reports it.
 */
#include <limits.h>

int main(void)
{
    volatile int largest = INT_MAX;
    volatile int sum = largest + 1;
    return sum == 0;
}
