/* SPDX-License-Identifier: MIT */
/* stacks.c - what may be lent from a coroutine's stack, and its cost: chapter 3 of the guide. */
#include <eventer_run.h>

#include <inttypes.h>
#include <stdio.h>

struct sum {
    int first, last, result;
};

static void add_up(void *closure) /* on the job queue */
{
    struct sum *sum = closure;
    for (int i = sum->first; i <= sum->last; i++)
        sum->result += i;
}

/* GET /lend: the local is lent to the job until the call returns. */
static int lend(mtev_http_rest_closure_t *restc, int count, char **args)
{
    (void)count, (void)args;
    struct sum sum = {.first = 1, .last = 100};
    eventer_aco_simple_asynch(add_up, &sum);
    mtev_http_response_ok(restc->http_ctx, "text/plain");
    mtev_http_response_appendf(restc->http_ctx, "%d\n", sum.result);
    mtev_http_response_end(restc->http_ctx);
    return 0;
}

struct half { /* what a coroutine of its own works out for another */
    struct sum sum;
    int is_done;
};

static void add_up_slowly(void)
{
    struct half *half = eventer_aco_arg(); /* on the parent's stack, which stays where it is */
    eventer_aco_sleep(&(struct timeval){0, 1000});
    add_up(&half->sum);
    half->is_done = 1;
}

/* Started with eventer_aco_start_private(): others may use its locals while it waits. */
static void add_up_in_halves(void)
{
    struct half low = {.sum = {.first = 1, .last = 50}};
    struct half high = {.sum = {.first = 51, .last = 100}};
    eventer_aco_start(add_up_slowly, &low);
    eventer_aco_start(add_up_slowly, &high);
    while (!low.is_done || !high.is_done)
        eventer_aco_sleep(&(struct timeval){0, 1000});
    printf("halves: %d\n", low.sum.result + high.sum.result);
    fflush(stdout);
}

/* GET /halves: the answer is printed by the coroutine. */
static int halves(mtev_http_rest_closure_t *restc, int count, char **args)
{
    (void)count, (void)args;
    bool ok = eventer_aco_start_private(add_up_in_halves, NULL, 0) == 0;
    mtev_http_response_ok(restc->http_ctx, "text/plain");
    mtev_http_response_append_str(restc->http_ctx, ok ? "started\n" : "no memory\n");
    mtev_http_response_end(restc->http_ctx);
    return 0;
}

/* GET /cost */
static int tell_cost(mtev_http_rest_closure_t *restc, int count, char **args)
{
    (void)count, (void)args;
    eventer_aco_stats_t stats;
    eventer_aco_get_stats(&stats);
    mtev_http_response_ok(restc->http_ctx, "text/plain");
    mtev_http_response_appendf(restc->http_ctx,
                               "%" PRIu64 " coroutines on %" PRIu64 " shared and %" PRIu64
                               " private stacks, %" PRIu64 " loans, %" PRIu64 " waited for one\n",
                               stats.coroutines, stats.shared_stacks, stats.private_stacks,
                               stats.loans, stats.blocked);
    mtev_http_response_end(restc->http_ctx);
    return 0;
}

static int setup(void)
{
    mtev_rest_mountpoint_t *rule = mtev_http_rest_new_rule("GET", "/", "^lend$", lend);
    mtev_rest_mountpoint_set_aco(rule, mtev_true);
    mtev_http_rest_new_rule("GET", "/", "^halves$", halves);
    mtev_http_rest_new_rule("GET", "/", "^cost$", tell_cost);
    return 0;
}

int main(int argc, char **argv)
{
    return eventer_run(argc, argv, &(struct eventer_run_options){.name = "stacks", .setup = setup});
}
