/* SPDX-License-Identifier: MIT */
/*
 * mtev_flow_regulator.h - how much may be under way: stop at a high mark, go on at a low one.
 *
 * A producer raises the count before it begins a piece of work, and whoever ends the piece lowers
 * it.  When the count stands at the high mark the producer is told to stop; the one who brings it
 * down to the low mark after that, and nobody else, is told to set the producer going again.  Any
 * thread; no call blocks or yields.
 */
#ifndef MTEV_FLOW_REGULATOR_H
#define MTEV_FLOW_REGULATOR_H

#include <mtev_defines.h>

MTEV_BEGIN_DECLS

typedef struct mtev_flow_regulator mtev_flow_regulator_t;

/*
 * Return a regulator with those marks, at count 0, which the caller owns; or NULL with ENOMEM, or
 * EINVAL unless low < high <= INT32_MAX.
 */
API_EXPORT(mtev_flow_regulator_t *)
mtev_flow_regulator_create(unsigned int low, unsigned int high);
API_EXPORT(void) mtev_flow_regulator_destroy(mtev_flow_regulator_t *regulator);

/*
 * Raise the count by one and return mtev_true; or mtev_false: the count is as it was, and the
 * producer stops until a call of the next function returns mtev_true.
 */
API_EXPORT(mtev_boolean)
mtev_flow_regulator_stable_try_raise_one(mtev_flow_regulator_t *regulator);

/*
 * Lower the count by that much, at most to 0.  mtev_true: it is at the low mark or below, and the
 * producer was stopped: the caller sets it going.
 */
API_EXPORT(mtev_boolean)
mtev_flow_regulator_stable_lower(mtev_flow_regulator_t *regulator, unsigned int by);

MTEV_END_DECLS

#endif
