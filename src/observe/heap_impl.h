/* SPDX-License-Identifier: MIT */
/*
 * heap_impl.h - what the allocator of the process says of itself.
 *
 * Layer: observe.
 */
#ifndef EVENTER_OBSERVE_HEAP_IMPL_H
#define EVENTER_OBSERVE_HEAP_IMPL_H

#include "observe/answer_impl.h"

/* As answer.more: jemalloc's statistics in its own JSON, or {} without it. */
bool heap_tell(struct answer *a);

#endif
