/* SPDX-License-Identifier: MIT */
#include "observe/stats_impl.h"

#include "base/alloc.h"
#include "eventer/pool.h"
#include "log/log.h"
#include "observe/answer_impl.h"

#include <eventer_listen.h>

#define LISTENER_NAME_SIZE 160

struct gathering {
    void (*put)(const struct stat *stat, void *closure);
    void *closure;
    const char *group, *member;
};

static void put(const struct gathering *g, const char *what, enum stat_kind kind, uint64_t value)
{
    const struct stat stat = {
        .group = g->group, .member = g->member, .what = what, .kind = kind, .value = value};
    g->put(&stat, g->closure);
}

/* Buckets as of eventer_jobq_stats_t; empty ones are left out. */
static void put_buckets(const struct gathering *g, const char *what, const uint64_t *buckets,
                        size_t count)
{
    for (size_t i = 0; i < count; i++) {
        const struct stat stat = {.group = g->group,
                                  .member = g->member,
                                  .what = what,
                                  .kind = STAT_HISTOGRAM,
                                  .below = i == count - 1 ? UINT64_MAX : UINT64_C(1) << i,
                                  .value = buckets[i]};
        if (buckets[i] > 0)
            g->put(&stat, g->closure);
    }
}

static void gather_loop(struct loop *loop, void *closure)
{
    struct gathering *g = closure;
    g->member = loop->name;
    put(g, "turns", STAT_COUNTER, __atomic_load_n(&loop->turns, __ATOMIC_RELAXED));
}

static void gather_queue(eventer_jobq_t *q, void *closure)
{
    struct gathering *g = closure;
    eventer_jobq_stats_t stats;
    eventer_jobq_get_stats(q, &stats);
    g->member = eventer_jobq_get_queue_name(q);
    put(g, "threads", STAT_GAUGE, stats.threads);
    put(g, "subqueues", STAT_GAUGE, stats.subqueues);
    put(g, "backlog", STAT_GAUGE, stats.backlog);
    put(g, "inflight", STAT_GAUGE, stats.inflight);
    put(g, "done", STAT_COUNTER, stats.done);
    put(g, "timeouts", STAT_COUNTER, stats.timeouts);
    put_buckets(g, "wait_ns", stats.wait_ns, EVENTER_JOBQ_BUCKETS);
    put_buckets(g, "run_ns", stats.run_ns, EVENTER_JOBQ_BUCKETS);
}

static void gather_events(struct gathering *g)
{
    g->group = "events";
    g->member = NULL;
    put(g, "live", STAT_GAUGE, (uint64_t)eventer_allocations_current());
    put(g, "made", STAT_COUNTER, (uint64_t)eventer_allocations_total());
}

static void gather_coroutines(struct gathering *g)
{
    eventer_aco_stats_t stats;
    eventer_aco_get_stats(&stats);
    g->group = "coroutines";
    g->member = NULL;
    put(g, "live", STAT_GAUGE, stats.coroutines);
    put(g, "started", STAT_COUNTER, stats.started);
    put(g, "shared_stacks", STAT_GAUGE, stats.shared_stacks);
    put(g, "private_stacks", STAT_GAUGE, stats.private_stacks);
    put(g, "loans", STAT_COUNTER, stats.loans);
    put(g, "blocked", STAT_COUNTER, stats.blocked);
    put(g, "blocked_ns", STAT_COUNTER, stats.blocked_ns);
    put(g, "blocked_ns_max", STAT_GAUGE, stats.blocked_ns_max);
}

static int gather_callback(const eventer_callback_stats_t *stats, void *closure)
{
    static const char *const groups[] = {[EVENTER_CALLBACK_EVENT] = "callback",
                                         [EVENTER_CALLBACK_COROUTINE] = "coroutine",
                                         [EVENTER_CALLBACK_JOB] = "job"};
    struct gathering *g = closure;
    g->group = groups[stats->kind];
    g->member = answer_function_name(stats->name);
    put(g, "calls", STAT_COUNTER, stats->count);
    put(g, "total_ns", STAT_COUNTER, stats->total_ns);
    put_buckets(g, "run_ns", stats->run_ns, EVENTER_CALLBACK_BUCKETS);
    return 0;
}

static void gather_listener(eventer_listener_t *listener, void *closure)
{
    struct gathering *g = closure;
    struct eventer_listener_stats stats;
    char name[LISTENER_NAME_SIZE];
    eventer_listener_get_stats(listener, &stats);
    eventer_listener_address(listener, name, sizeof(name));
    g->member = name;
    put(g, "open", STAT_GAUGE, stats.is_open == mtev_true);
    put(g, "connections", STAT_GAUGE, stats.connections);
    put(g, "accepted", STAT_COUNTER, stats.accepted);
    put(g, "refused_full", STAT_COUNTER, stats.refused_full);
    put(g, "refused_address", STAT_COUNTER, stats.refused_address);
    put(g, "refused_proxy", STAT_COUNTER, stats.refused_proxy);
    put(g, "delayed", STAT_COUNTER, stats.delayed);
    put(g, "failed", STAT_COUNTER, stats.failed);
    g->member = NULL;
}

static void gather_logs(struct gathering *g)
{
    mtev_log_stream_t *streams = alloc_zeroed(LOG_STREAMS_MAX, sizeof(mtev_log_stream_t));
    int count = streams == NULL ? 0 : mtev_log_list(streams, LOG_STREAMS_MAX);
    g->group = "log";
    for (int i = 0; i < count; i++) {
        if (mtev_log_stream_get_type(streams[i]) == NULL)
            continue;
        g->member = mtev_log_stream_get_name(streams[i]);
        put(g, "written_bytes", STAT_COUNTER, mtev_log_stream_written(streams[i]));
        put(g, "lost_lines", STAT_COUNTER, log_stream_lost(streams[i]));
    }
    alloc_free(streams);
}

void stats_gather(void (*put_one)(const struct stat *stat, void *closure), void *closure)
{
    struct gathering g = {.put = put_one, .closure = closure};
    gather_events(&g);
    gather_coroutines(&g);
    g.group = "loop";
    pool_each_loop(gather_loop, &g);
    g.group = "jobq";
    eventer_jobq_process_each(gather_queue, &g);
    g.group = "listener";
    eventer_listener_each(gather_listener, &g);
    gather_logs(&g);
    (void)eventer_callback_stats_foreach(gather_callback, &g); /* without memory there are none */
}
