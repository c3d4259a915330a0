/* SPDX-License-Identifier: MIT */
/*
 * mtev_heap_profiler.h - let operators see what takes the memory of a program.
 */
#ifndef MTEV_HEAP_PROFILER_H
#define MTEV_HEAP_PROFILER_H

#include <mtev_defines.h>

MTEV_BEGIN_DECLS

/*
 * Answer GET /mtev/heap_profile, for whom the <acl> admits: with the parameter activate or
 * deactivate sampling begins or ends, with dump the profile is given, for jeprof(1), and else a
 * line says whether samples are taken.  It is jemalloc that takes them: a process without it, or
 * whose jemalloc does not profile, answers 501 and what to link or to set.  A second call does
 * nothing.  A rule that cannot be made is one line on mtev_error.
 */
API_EXPORT(void) mtev_heap_profiler_rest_init(void);

MTEV_END_DECLS

#endif
