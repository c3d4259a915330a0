/* SPDX-License-Identifier: MIT */
/*
 * mtev_maybe_alloc.h - an array that lives on the stack, and on the heap where it has to grow.
 *
 *     MTEV_MAYBE_DECL(char, text, 64);          // text is a char *, with room for 64
 *     if (!MTEV_MAYBE_REALLOC(text, len + 1))   // and now for len + 1; what it held is still there
 *         ...                                   // no memory: it is as it was
 *     MTEV_MAYBE_FREE(text);
 *
 * Not in a coroutine: there a local that others point to has to be lent (see eventer_aco(3)).
 */
#ifndef MTEV_MAYBE_ALLOC_H
#define MTEV_MAYBE_ALLOC_H

#include <mtev_defines.h>

#include <stdlib.h>

MTEV_BEGIN_DECLS

/* Declare a variable name: a pointer to count elements of type, which begin on the stack. */
#define MTEV_MAYBE_DECL(type, name, count)                                                         \
    type name##_on_stack_[count];                                                                  \
    size_t name##_size_ = sizeof(name##_on_stack_);                                                \
    type *name = name##_on_stack_

/* The bytes that there is room for. */
#define MTEV_MAYBE_SIZE(name) (name##_size_)

/*
 * Make room for count elements; it never shrinks, and keeps what it holds.  An expression:
 * mtev_true, or mtev_false with ENOMEM, and then it is as it was.  Elements are plain data.
 */
#define MTEV_MAYBE_REALLOC(name, count)                                                            \
    mtev_maybe_grow_((void **)(void *)&(name), name##_on_stack_, &name##_size_, (count),           \
                     sizeof(*(name)))

/* Give back what is on the heap; what is on the stack may be used again. */
#define MTEV_MAYBE_FREE(name)                                                                      \
    do {                                                                                           \
        if ((name) != name##_on_stack_)                                                            \
            free(name);                                                                            \
        (name) = name##_on_stack_;                                                                 \
        name##_size_ = sizeof(name##_on_stack_);                                                   \
    } while (0)

/* Behind MTEV_MAYBE_REALLOC(): called by it only. */
API_EXPORT(mtev_boolean)
mtev_maybe_grow_(void **array, const void *on_stack, size_t *size, size_t count,
                 size_t element_size);

MTEV_END_DECLS

#endif
