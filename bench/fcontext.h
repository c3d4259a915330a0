/* SPDX-License-Identifier: MIT */
/*
 * fcontext.h - the C functions under boost.context, the peer of bench/switch and bench/idle.
 *
 * Boost installs no C header for them; these are their prototypes on every platform it supports.
 */
#ifndef BENCH_FCONTEXT_H
#define BENCH_FCONTEXT_H

#include <stddef.h>

typedef void *fcontext_t; /* a suspended context; used up by the jump into it */

typedef struct {
    fcontext_t fctx; /* the context that jumped here */
    void *data;      /* what it passed */
} transfer_t;

/* Continue to, handing it data; returns when something jumps back. */
transfer_t jump_fcontext(fcontext_t to, void *data);

/* Make a context that runs entry on the size bytes that end at stack_top.  entry never returns. */
fcontext_t make_fcontext(void *stack_top, size_t size, void (*entry)(transfer_t));

#endif
