/* SPDX-License-Identifier: MIT */
#include "base/alloc.h"

#include <errno.h>
#include <mtev_flow_regulator.h>
#include <stdatomic.h>

#define STOPPED UINT32_C(0x80000000) /* the producer was told to stop; the other bits count */

struct mtev_flow_regulator {
    uint32_t low, high;
    _Atomic uint32_t state; /* what is done under the count, others order by their own means */
};

mtev_flow_regulator_t *mtev_flow_regulator_create(unsigned int low, unsigned int high)
{
    if (low >= high || high > INT32_MAX) {
        errno = EINVAL;
        return NULL;
    }
    mtev_flow_regulator_t *regulator = alloc_bytes(sizeof(*regulator));
    if (regulator != NULL)
        *regulator = (mtev_flow_regulator_t){.low = low, .high = high};
    return regulator;
}

void mtev_flow_regulator_destroy(mtev_flow_regulator_t *regulator)
{
    alloc_free(regulator);
}

mtev_boolean mtev_flow_regulator_stable_try_raise_one(mtev_flow_regulator_t *regulator)
{
    uint32_t was = atomic_load_explicit(&regulator->state, memory_order_relaxed), becomes;
    do
        becomes = was & STOPPED ? was : was < regulator->high ? was + 1 : was | STOPPED;
    while (!atomic_compare_exchange_weak_explicit(&regulator->state, &was, becomes,
                                                  memory_order_acq_rel, memory_order_relaxed));
    return becomes & STOPPED ? mtev_false : mtev_true;
}

mtev_boolean mtev_flow_regulator_stable_lower(mtev_flow_regulator_t *regulator, unsigned int by)
{
    uint32_t was = atomic_load_explicit(&regulator->state, memory_order_relaxed), becomes;
    do {
        uint32_t count = was & ~STOPPED;
        becomes = count > by ? count - by : 0;
        if (was & STOPPED && becomes > regulator->low)
            becomes |= STOPPED;
    } while (!atomic_compare_exchange_weak_explicit(&regulator->state, &was, becomes,
                                                    memory_order_acq_rel, memory_order_relaxed));
    return was & STOPPED && !(becomes & STOPPED) ? mtev_true : mtev_false;
}
