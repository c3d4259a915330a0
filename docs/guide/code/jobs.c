/* SPDX-License-Identifier: MIT */
/* jobs.c - work that blocks, for many customers and in time: chapter 5 of the guide. */
#include <eventer_run.h>

#include <eventer/eventer_jobq.h>

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#define JOBS_MAX    64   /* that may wait; whoever comes then is told to come again */
#define PATIENCE_MS 2000 /* that a request may take */

static eventer_jobq_t *counters;

struct count {
    uint64_t up_to, sum;
};

/* As if it took long: it looks at the clock now and then. */
static void add_up(eventer_asynch_op_t op, void *closure)
{
    struct count *count = closure;
    if (op != EVENTER_ASYNCH_WORK)
        return;
    for (uint64_t i = 1; i <= count->up_to; i++) {
        if (i % 1000000 == 0 && eventer_job_cancelled())
            return;
        count->sum += i;
    }
}

static void answer(mtev_http_rest_closure_t *restc, int status, const char *text)
{
    if (status == 200)
        mtev_http_response_ok(restc->http_ctx, "text/plain");
    else
        mtev_http_response_standard(restc->http_ctx, status, "LATER", "text/plain");
    mtev_http_response_append_str(restc->http_ctx, text);
    mtev_http_response_end(restc->http_ctx);
}

/* GET /sum/CUSTOMER/NUMBER: each customer has an equal share of the threads. */
static int sum(mtev_http_rest_closure_t *restc, int count, char **args)
{
    (void)count;
    char text[32];
    uint64_t customer = strtoull(args[0], NULL, 10);
    struct count own = {.up_to = strtoull(args[1], NULL, 10)};
    struct timeval deadline;
    mtev_gettimeofday(&deadline, NULL);
    deadline.tv_sec += PATIENCE_MS / 1000;
    if (eventer_jobq_get_backlog(counters) >= JOBS_MAX) {
        answer(restc, 503, "come again\n");
        return 0;
    }
    eventer_aco_asynch_queue_subqueue_deadline(add_up, &own, counters, customer, &deadline);
    switch (eventer_aco_asynch_result()) {
    case EVENTER_JOB_DONE:
        snprintf(text, sizeof(text), "%" PRIu64 "\n", own.sum);
        answer(restc, 200, text);
        break;
    case EVENTER_JOB_CANCELLED:
        answer(restc, 503, "that takes too long\n");
        break;
    default:
        answer(restc, 503, "others were before you\n");
    }
    return 0;
}

/* A report is complete when its pages are. */
static int make_page(eventer_t e, int mask, void *closure, struct timeval *now)
{
    (void)e, (void)now;
    if (mask == EVENTER_ASYNCH_WORK)
        *(int *)closure = 1; /* as if it took long */
    return 0;
}

static void make_report(void *closure)
{
    int *pages = closure;
    for (int i = 0; i < 3; i++) {
        eventer_t page = eventer_alloc_asynch(make_page, &pages[i]);
        if (page != NULL)
            eventer_add_asynch_dep(counters, page);
    }
}

/* GET /report: one job that has more of them. */
static int report(mtev_http_rest_closure_t *restc, int count, char **args)
{
    (void)count, (void)args;
    char text[32];
    int pages[3] = {0, 0, 0};
    eventer_aco_simple_asynch_queue(make_report, pages, counters);
    snprintf(text, sizeof(text), "%d pages\n", pages[0] + pages[1] + pages[2]);
    answer(restc, 200, text);
    return 0;
}

/* GET /figures: how long jobs wait. */
static int figures(mtev_http_rest_closure_t *restc, int count, char **args)
{
    (void)count, (void)args;
    char text[64];
    eventer_jobq_stats_t stats;
    uint64_t late = 0;
    eventer_jobq_get_stats(counters, &stats);
    for (int i = 21; i < EVENTER_JOBQ_BUCKETS; i++) /* 2^20 ns and more */
        late += stats.wait_ns[i];
    snprintf(text, sizeof(text), "%" PRIu64 " done, %" PRIu64 " waited a millisecond\n", stats.done,
             late);
    answer(restc, 200, text);
    return 0;
}

static int setup(void)
{
    counters = eventer_jobq_create("counters");
    if (counters == NULL)
        return 1;
    eventer_jobq_set_concurrency(counters, 4);
    mtev_rest_mountpoint_set_aco(
        mtev_http_rest_new_rule("GET", "/", "^sum/([0-9]+)/([0-9]+)$", sum), mtev_true);
    mtev_rest_mountpoint_set_aco(mtev_http_rest_new_rule("GET", "/", "^report$", report),
                                 mtev_true);
    mtev_http_rest_new_rule("GET", "/", "^figures$", figures);
    return 0;
}

int main(int argc, char **argv)
{
    return eventer_run(argc, argv, &(struct eventer_run_options){.name = "jobs", .setup = setup});
}
