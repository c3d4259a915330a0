/* SPDX-License-Identifier: MIT */
/*
 * @NAME@.c - a service over HTTP.
 *
 * Usage: @NAME@ -c @NAME@.conf.  GET /hello/NAME is answered by a coroutine, which may wait: for
 * time, for other machines, or for work on a job queue.
 */
#include <eventer_run.h>
#include <mtev_console.h>

#define PATIENCE_MS_MAX 10000

/* GET /hello/NAME */
static int hello(mtev_http_rest_closure_t *restc, int npats, char **pats)
{
    mtev_http_session_ctx *ctx = restc->http_ctx;
    (void)npats;
    mtev_http_response_ok(ctx, "text/plain");
    mtev_http_response_appendf(ctx, "hello, %s\n", pats[0][0] == '\0' ? "world" : pats[0]);
    mtev_http_response_end(ctx);
    return 0;
}

/* GET /wait/MILLISECONDS: nobody else waits meanwhile. */
static int wait_for_it(mtev_http_rest_closure_t *restc, int npats, char **pats)
{
    mtev_http_session_ctx *ctx = restc->http_ctx;
    unsigned long ms = strtoul(pats[0], NULL, 10);
    (void)npats;
    if (ms > PATIENCE_MS_MAX) {
        mtev_http_response_standard(ctx, 400, "BAD REQUEST", "text/plain");
        mtev_http_response_append_str(ctx, "that is too long\n");
        mtev_http_response_end(ctx);
        return 0;
    }
    struct timeval duration = {.tv_sec = (time_t)(ms / 1000),
                               .tv_usec = (suseconds_t)(ms % 1000 * 1000)};
    eventer_aco_sleep(&duration);
    mtev_http_response_ok(ctx, "text/plain");
    mtev_http_response_appendf(ctx, "%lu ms later\n", ms);
    mtev_http_response_end(ctx);
    return 0;
}

/* Have a coroutine of handler answer these requests.  Returns 0 or -1. */
static int answer(const char *expression, rest_request_handler handler)
{
    mtev_rest_mountpoint_t *rule = mtev_http_rest_new_rule("GET", "/", expression, handler);
    if (rule == NULL)
        return -1;
    mtev_rest_mountpoint_set_aco(rule, mtev_true);
    return 0;
}

/* Called once all is ready but the listeners. */
static int set_up(void)
{
    mtev_console_init("@NAME@");
    return answer("^hello/?([^/]*)$", hello) == 0 && answer("^wait/(\\d+)$", wait_for_it) == 0 ? 0
                                                                                               : -1;
}

int main(int argc, char **argv)
{
    const struct eventer_run_options options = {.name = "@NAME@", .setup = set_up};
    return eventer_run(argc, argv, &options);
}
