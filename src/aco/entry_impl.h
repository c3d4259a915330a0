/* SPDX-License-Identifier: MIT */
/*
 * entry_impl.h - where a coroutine begins and what must not follow its end.
 *
 * Layer: aco; for its own files alone.
 */
#ifndef EVENTER_ACO_ENTRY_IMPL_H
#define EVENTER_ACO_ENTRY_IMPL_H

#include "aco/core.h"

/*
 * Return true if the processor keeps a shadow stack for this thread, which cannot follow frames
 * that are copied.  A test may put a function of the same name in place of this one.
 */
bool entry_has_shadow_stack(void);

/* What runs first in co: its function, or one that tells a sanitizer before that it has begun. */
#ifdef ACO_SANITIZED_
void entry_call(void);
#define ENTRY_CALL(co) ((void)(co), entry_call)
#else
#define ENTRY_CALL(co) ((co)->fp)
#endif

/* What follows if a coroutine's function returns. */
void aco_end_returned(void) __attribute__((noreturn));

#endif
