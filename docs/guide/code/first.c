/* SPDX-License-Identifier: MIT */
#include <eventer_run.h>

static int say_help(mtev_http_rest_closure_t *restc, int npats, char **pats)
{
    (void)npats, (void)pats;
    mtev_http_response_ok(restc->http_ctx, "text/plain");
    mtev_http_response_append_str(restc->http_ctx, "nothing to try yet\n");
    mtev_http_response_end(restc->http_ctx);
    return 0;
}

int main(int argc, char **argv)
{
    mtev_http_rest_new_rule("GET", "/", "^$", say_help);
    return eventer_run(argc, argv, &(struct eventer_run_options){.name = "first"});
}
