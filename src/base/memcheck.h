/* SPDX-License-Identifier: MIT */
/*
 * memcheck.h - what valgrind's memcheck is told of memory that we manage ourselves.
 *
 * Layer: base.  In a build with -Dvalgrind=true; in any other these are nothing.
 *
 * memcheck sees malloc() and one stack a thread.  It has to be told of objects inside slabs, of the
 * stacks that coroutines run on, and that bytes copied onto one are no longer what was popped
 * there. Source: the memcheck and core manuals, "Client Requests".
 */
#ifndef EVENTER_BASE_MEMCHECK_H
#define EVENTER_BASE_MEMCHECK_H

#ifdef EVENTER_VALGRIND

#include <valgrind/memcheck.h>

/* An object of size bytes is taken from a place with some room, and given back. */
#define memcheck_take(p, size, room)                                                               \
    do {                                                                                           \
        VALGRIND_MAKE_MEM_NOACCESS((p), (room));                                                   \
        VALGRIND_MALLOCLIKE_BLOCK((p), (size), 0, 0);                                              \
    } while (0)
#define memcheck_give(p) VALGRIND_FREELIKE_BLOCK((p), 0)

/* Nobody uses these bytes; they hold anything; they hold what we put there. */
#define memcheck_no_access(p, size) VALGRIND_MAKE_MEM_NOACCESS((p), (size))
#define memcheck_undefined(p, size) VALGRIND_MAKE_MEM_UNDEFINED((p), (size))
#define memcheck_defined(p, size)   VALGRIND_MAKE_MEM_DEFINED((p), (size))

/* The stack pointer may move to this stack, and from it, without that being a push or a pop. */
#define memcheck_stack_begin(base, top) VALGRIND_STACK_REGISTER((base), (top))
#define memcheck_stack_end(id)          VALGRIND_STACK_DEREGISTER(id)

/* True if memcheck runs and nobody may use the byte at p. */
static inline int memcheck_is_no_access(const void *p)
{
    unsigned char bits = 0;
    return VALGRIND_GET_VBITS(p, &bits, 1) == 3;
}

#else

#define memcheck_take(p, size, room)    ((void)0)
#define memcheck_give(p)                ((void)0)
#define memcheck_no_access(p, size)     ((void)0)
#define memcheck_undefined(p, size)     ((void)0)
#define memcheck_defined(p, size)       ((void)0)
#define memcheck_stack_begin(base, top) 0U
#define memcheck_stack_end(id)          ((void)(id))
#define memcheck_is_no_access(p)        0

#endif

#endif
