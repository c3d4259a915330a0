/* SPDX-License-Identifier: MIT */
/*
 * queues.c - jobq.json and memory.json; and the call that has all of /eventer/ answered.
 */
#include "base/alloc.h"
#include "base/clock.h"
#include "observe/answer_impl.h"
#include "observe/endpoints_impl.h"

#include <mtev_events_rest.h>

#include <errno.h>
#include <stdatomic.h>

struct queues {
    json_t *json;
    int err;
};

/* The average in milliseconds, which of no jobs is 0. */
static double average_ms(uint64_t sum_ns, uint64_t count)
{
    return count == 0 ? 0 : (double)sum_ns / (double)count / (double)CLOCK_NS_PER_MS;
}

static void add_queue(eventer_jobq_t *q, void *closure)
{
    struct queues *queues = closure;
    eventer_jobq_stats_t stats;
    uint32_t min, max;
    eventer_jobq_get_stats(q, &stats);
    eventer_jobq_get_min_max(q, &min, &max);
    json_t *json = json_pack(
        "{s:I, s:s, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:f, s:f}", "concurrency",
        (json_int_t)stats.threads, "mode", eventer_jobq_get_lifo(q) ? "LIFO" : "FIFO",
        "desired_concurrency", (json_int_t)eventer_jobq_get_concurrency(q), "min_concurrency",
        (json_int_t)min, "max_concurrency", (json_int_t)max, "total_jobs", (json_int_t)stats.done,
        "backlog", (json_int_t)stats.backlog, "inflight", (json_int_t)stats.inflight, "timeouts",
        (json_int_t)stats.timeouts, "avg_wait_ms", average_ms(stats.wait_ns_sum, stats.done),
        "avg_run_ms", average_ms(stats.run_ns_sum, stats.done));
    json_t *name = json_of_text(eventer_jobq_get_queue_name(q));
    if (name == NULL || json == NULL)
        json_decref(json);
    if (name == NULL || json == NULL ||
        json_object_set_new_nocheck(queues->json, json_string_value(name), json) != 0)
        queues->err = -ENOMEM;
    json_decref(name);
}

static bool tell_of_queues(struct answer *a)
{
    struct queues queues = {.json = json_object()};
    eventer_jobq_process_each(add_queue, &queues);
    a->err = json_append(&a->text, queues.json);
    if (queues.err != 0)
        a->err = queues.err;
    return false;
}

static bool tell_of_memory(struct answer *a)
{
    a->err = json_append(&a->text, json_pack("{s:{s:I, s:I}}", "eventer_t", "current",
                                             (json_int_t)eventer_allocations_current(), "total",
                                             (json_int_t)eventer_allocations_total()));
    return false;
}

/* Answer with what more() says at once. */
static int answer_with(mtev_http_session_ctx *ctx, bool (*more)(struct answer *a))
{
    struct answer *a = alloc_zeroed(1, sizeof(*a));
    if (a != NULL)
        *a = (struct answer){.more = more, .end = "\n"};
    answer_send(ctx, a);
    alloc_free(a);
    return 0;
}

static int endpoint_queues(mtev_http_rest_closure_t *restc, int npats, char **pats)
{
    return answer_with(restc->http_ctx, tell_of_queues);
}

static int endpoint_memory(mtev_http_rest_closure_t *restc, int npats, char **pats)
{
    return answer_with(restc->http_ctx, tell_of_memory);
}

void mtev_events_rest_init(void)
{
    static atomic_flag is_ready = ATOMIC_FLAG_INIT;
    if (atomic_flag_test_and_set(&is_ready))
        return;
    answer_rule("GET", "/eventer/", "^sockets\\.json$", endpoint_sockets);
    answer_rule("GET", "/eventer/", "^timers\\.json$", endpoint_timers);
    answer_rule("GET", "/eventer/", "^coroutines\\.json$", endpoint_coroutines);
    answer_rule("GET", "/eventer/", "^jobq\\.json$", endpoint_queues);
    answer_rule("GET", "/eventer/", "^memory\\.json$", endpoint_memory);
    answer_rule("GET", "/eventer/", "^logs/(.+)\\.json$", endpoint_logs);
}
