/* SPDX-License-Identifier: MIT */
/*
 * inspect.c - what can be seen of coroutines from inside the process.
 */
#include "coro/coro.h"
#include "coro/home_impl.h"
#include "eventer/pool.h"

#include <string.h>

static uint64_t stat_get(const uint64_t *stat)
{
    return __atomic_load_n(stat, __ATOMIC_RELAXED);
}

static void add_stats(struct loop *loop, void *closure)
{
    const struct coro_home *home = loop->coro;
    eventer_aco_stats_t *sum = closure;
    if (home == NULL)
        return;
    const eventer_aco_stats_t *stats = &home->stats;
    sum->coroutines += stat_get(&stats->coroutines);
    sum->started += stat_get(&stats->started);
    sum->shared_stacks += stat_get(&stats->shared_stacks);
    sum->private_stacks += stat_get(&stats->private_stacks);
    sum->loans += stat_get(&stats->loans);
    sum->blocked += stat_get(&stats->blocked);
    sum->blocked_ns += stat_get(&stats->blocked_ns);
    sum->blocked_ns_max = MAX(sum->blocked_ns_max, stat_get(&stats->blocked_ns_max));
}

void eventer_aco_get_stats(eventer_aco_stats_t *out)
{
    *out = (eventer_aco_stats_t){0};
    pool_each_loop(add_stats, out);
}
