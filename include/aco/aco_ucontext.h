/* SPDX-License-Identifier: MIT */
/*
 * aco_ucontext.h - the switch between two stacks by the C library, for processors that we have no
 * assembly for.  Included by aco.h alone.
 *
 * A context is one word, as elsewhere: the lowest address of what has to be kept.  There lie some
 * address in the function that goes on and its frame pointer; what getcontext(3) saved is further
 * up. So each context has a signal mask of its own, and a switch costs two system calls.
 */
#ifndef ACO_UCONTEXT_H
#define ACO_UCONTEXT_H

#define ACO_CONTEXT_SIZE_ (2 * sizeof(void *))

/*
 * Save this context's stack pointer in *from_sp and go on in the context whose stack pointer is
 * to_sp.
 */
#define aco_switch_(from_sp, to_sp) aco_swap_((from_sp), (to_sp))

/* The same for a context that nobody comes back to. */
#define aco_leave_(to_sp)                                                                          \
    do {                                                                                           \
        void *nobody_;                                                                             \
        aco_swap_(&nobody_, (to_sp));                                                              \
        __builtin_unreachable();                                                                   \
    } while (0)

/*
 * Put on an empty stack what makes a switch to it call fp and then back; returns the stack pointer.
 */
#define aco_fresh_(top, fp, back) aco_prepare_((top), (fp), (back))

#endif
