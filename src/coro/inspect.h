/* SPDX-License-Identifier: MIT */
/*
 * inspect.h - the coroutines of a loop, a part at a time, so that it need not stand still while all
 * of very many are looked at.
 *
 * Layer: coro (uses eventer).
 */
#ifndef EVENTER_CORO_INSPECT_H
#define EVENTER_CORO_INSPECT_H

#include <eventer/eventer.h>

#include <stdbool.h>
#include <stdint.h>

struct loop;

/*
 * Call cb, as eventer_aco_foreach() does, for some hundred coroutines of loop: those that come next
 * in memory from *at (0 at first) on, which is set to where to go on.  False: there are none.  One
 * that lives all the while is met once.  The loop's thread.
 */
bool inspect_next(struct loop *loop, uintptr_t *at,
                  int (*cb)(const eventer_aco_info_t *info, void *closure), void *closure);

#endif
