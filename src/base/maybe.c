/* SPDX-License-Identifier: MIT */
#include "base/alloc.h"

#include <errno.h>
#include <mtev_maybe_alloc.h>
#include <string.h>

mtev_boolean mtev_maybe_grow_(void **array, const void *on_stack, size_t *size, size_t count,
                              size_t element_size)
{
    size_t wanted;
    if (__builtin_mul_overflow(count, element_size, &wanted)) {
        errno = ENOMEM;
        return mtev_false;
    }
    if (wanted <= *size)
        return mtev_true;
    bool is_on_stack = *array == on_stack;
    void *grown = alloc_resize(is_on_stack ? NULL : *array, wanted);
    if (grown == NULL)
        return mtev_false;
    if (is_on_stack)
        memcpy(grown, on_stack, *size);
    *array = grown;
    *size = wanted;
    return mtev_true;
}
