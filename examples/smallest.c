/* SPDX-License-Identifier: MIT */
#include <eventer_run.h>

static int hello(mtev_http_rest_closure_t *restc, int npats, char **pats)
{
    mtev_http_response_ok(restc->http_ctx, "text/plain");
    mtev_http_response_appendf(restc->http_ctx, "Hello %s.\n", pats[npats - 1]);
    mtev_http_response_end(restc->http_ctx);
    return 0;
}

int main(int argc, char **argv)
{
    mtev_http_rest_new_rule("GET", "/", "^hello/(\\w+)$", hello);
    return eventer_run(argc, argv, &(struct eventer_run_options){.name = "smallest"});
}
