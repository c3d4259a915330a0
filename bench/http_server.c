/* SPDX-License-Identifier: MIT */
/*
 * http_server.c - the library's side of bench/http: one REST handler, mounted twice.
 *
 * Usage: PORT=N http_server eventer.conf [FOREGROUND].  GET /coroutine runs it in a coroutine, GET
 * /classic on the loop's own stack.
 */
#include <eventer/eventer.h>
#include <mtev_conf.h>
#include <mtev_defines.h>
#include <mtev_listener.h>
#include <mtev_main.h>
#include <mtev_memory.h>
#include <mtev_rest.h>
#include <stdlib.h>

#define APPNAME "bench"

static int hello_handler(mtev_http_rest_closure_t *restc, int npats, char **pats)
{
    (void)npats, (void)pats;
    mtev_http_session_ctx *ctx = restc->http_ctx;
    mtev_http_response_ok(ctx, "text/plain");
    mtev_http_response_append_str(ctx, "Hello world.\n");
    mtev_http_response_end(ctx);
    return 0;
}

static int child_main(void)
{
    if (mtev_conf_load(NULL) == -1)
        exit(2);
    eventer_init();
    mtev_http_rest_init();
    mtev_listener_init(APPNAME);
    mtev_rest_mountpoint_t *rule =
        mtev_http_rest_new_rule("GET", "/", "^coroutine$", hello_handler);
    mtev_rest_mountpoint_set_aco(rule, mtev_true);
    mtev_http_rest_new_rule("GET", "/", "^classic$", hello_handler);
    eventer_loop();
    return 0;
}

int main(int argc, char **argv)
{
    if (argc < 2)
        return 2;
    mtev_memory_init();
    int foreground = argc > 2 ? (int)strtol(argv[2], NULL, 10) : 1;
    return mtev_main(APPNAME, argv[1], 0, foreground, MTEV_LOCK_OP_NONE, NULL, NULL, NULL,
                     child_main);
}
