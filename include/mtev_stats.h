/* SPDX-License-Identifier: MIT */
/*
 * mtev_stats.h - let others read what a program has counted.
 */
#ifndef MTEV_STATS_H
#define MTEV_STATS_H

#include <mtev_defines.h>

MTEV_BEGIN_DECLS

/*
 * Answer, in JSON and for whom the <acl> admits:
 *   GET /mtev/stats.json     {NAME: NUMBER, ...}; format=simple or tagged is the kind of names;
 *                            with reset=1 counts begin anew behind the answer
 *   DELETE /mtev/stats.json  the same with reset=1; type=counter or histogram: of these alone
 *   GET /mtev/memory.json    what jemalloc says of the heap, where the process has it; or {}
 * mtev_stats(3) has the names.  A second call does nothing.  Rules that cannot be made are one line
 * each on mtev_error.
 */
API_EXPORT(void) mtev_stats_rest_init(void);

MTEV_END_DECLS

#endif
