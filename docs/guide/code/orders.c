/* SPDX-License-Identifier: MIT */
/* orders.c - what a service says of its work: chapter 9 of the guide. */
#include <eventer_run.h>

static mtev_log_stream_t access_log, debug_orders;

/* GET /order/NUMBER/AMOUNT: a line for each, and all that led to a failure only if there is one. */
static int order(mtev_http_rest_closure_t *restc, int count, char **args)
{
    int amount = atoi(args[1]), status = amount > 1000 ? 402 : 200;
    mtev_log_stream_t maybe = mtev_log_speculate(100, 10000);
    (void)count;
    mtevL(debug_orders, "order %s is looked at\n", args[0]);
    mtevL(maybe, "order %s: asked for %d\n", args[0], amount);
    mtevL(maybe, "order %s: the limit is %d\n", args[0], 1000);
    mtev_log_speculate_finish(status == 200 ? MTEV_LOG_SPECULATE_ROLLBACK : mtev_error, maybe);
    mtevEL(access_log,
           MLKV(MLKV_STR("order", args[0]), MLKV_NUM("amount", amount), MLKV_NUM("status", status),
                MLKV_END),
           "order\n");
    mtev_http_response_standard(restc->http_ctx, status, status == 200 ? "OK" : "NO", "text/plain");
    mtev_http_response_end(restc->http_ctx);
    return 0;
}

static int append_line(uint64_t index, const struct timeval *when, const char *text, size_t len,
                       void *closure)
{
    mtev_http_rest_closure_t *restc = closure;
    (void)index, (void)when;
    mtev_http_response_append(restc->http_ctx, text, len);
    return 0;
}

/* GET /recent: what is kept in memory. */
static int recent(mtev_http_rest_closure_t *restc, int count, char **args)
{
    (void)count, (void)args;
    mtev_http_response_ok(restc->http_ctx, "text/plain");
    mtev_log_memory_lines(mtev_log_stream_find("recent"), 20, append_line, restc);
    mtev_http_response_end(restc->http_ctx);
    return 0;
}

static int setup(void)
{
    access_log = mtev_log_stream_find("access");
    debug_orders = mtev_log_stream_find("debug/orders");
    mtev_http_rest_new_rule("GET", "/", "^order/([0-9]+)/([0-9]+)$", order);
    mtev_http_rest_new_rule("GET", "/", "^recent$", recent);
    return 0;
}

int main(int argc, char **argv)
{
    return eventer_run(argc, argv, &(struct eventer_run_options){.name = "orders", .setup = setup});
}
