/* SPDX-License-Identifier: MIT */
/*
 * Goal: show that this build finds a block that nothing points to at the end.
 * Method: forget one; the test passes when the sanitizer reports it.
 */
#include <stdlib.h>

int main(void)
{
    void *volatile block = malloc(10);
    block = NULL;
    return block != NULL;
}
