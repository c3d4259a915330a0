/* SPDX-License-Identifier: MIT */
/*
 * mtev_memory.h - what a program calls first.
 */
#ifndef MTEV_MEMORY_H
#define MTEV_MEMORY_H

#include <mtev_defines.h>

MTEV_BEGIN_DECLS

/* Make memory ready for threads that share it.  First in main(); any number of times. */
API_EXPORT(void) mtev_memory_init(void);

MTEV_END_DECLS

#endif
