/* SPDX-License-Identifier: MIT */
/*
 * Goal: show that this build finds the use of an object that was given back to its slab.
 * Method: read one; the test passes when that is reported.
 */
#include "base/slab.h"

int main(void)
{
    struct slabs slabs;
    slabs_init(&slabs);
    char *kept = slab_alloc(&slabs, 100), *object = slab_alloc(&slabs, 100);
    if (kept == NULL || object == NULL)
        return 0;
    object[50] = 'x';
    slab_free(&slabs, object, 100);
    return *(volatile char *)(object + 50) == 'x';
}
