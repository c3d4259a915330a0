/* SPDX-License-Identifier: MIT */
/*
 * Goal: show that this build finds a write past the end of a heap block.
 * Method: write one byte past it; the test passes when the sanitizer reports it.
 */
#include <stdlib.h>

int main(void)
{
    volatile size_t len = 10;
    char *bytes = malloc(len);
    volatile char *past_end = bytes + len; /* else the write is left out: nobody reads it */
    if (bytes == NULL)
        return 0;
    *past_end = 'x';
    free(bytes);
    return 0;
}
