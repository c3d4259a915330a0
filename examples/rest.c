/* SPDX-License-Identifier: MIT */
/*
 * rest.c - REST handlers in coroutines, which leave long work to the job queue.
 *
 * Usage: rest rest.conf
 *   GET /fibonacci/30   the 30th number of Fibonacci, computed the slow way on a job queue
 *   POST /upper         the body in capital letters
 */
#include <eventer/eventer.h>
#include <mtev_listener.h>
#include <mtev_main.h>
#include <mtev_memory.h>
#include <mtev_rest.h>

#include <ctype.h>
#include <stdio.h>

struct question {
    unsigned n;
    unsigned long answer;
};

static unsigned long fibonacci(unsigned n)
{
    return n < 2 ? n : fibonacci(n - 1) + fibonacci(n - 2);
}

static void compute(void *closure) /* in a thread of the job queue */
{
    struct question *q = closure;
    q->answer = fibonacci(q->n);
}

static int get_fibonacci(mtev_http_rest_closure_t *restc, int npats, char **pats)
{
    (void)npats;
    struct question q = {.n = (unsigned)strtoul(pats[0], NULL, 10)};
    eventer_aco_simple_asynch(compute, &q); /* q stays where it is until the job is done */
    mtev_http_response_ok(restc->http_ctx, "text/plain");
    mtev_http_response_appendf(restc->http_ctx, "%lu\n", q.answer);
    mtev_http_response_end(restc->http_ctx);
    return 0;
}

static int post_upper(mtev_http_rest_closure_t *restc, int npats, char **pats)
{
    (void)npats, (void)pats;
    mtev_http_session_ctx *ctx = restc->http_ctx;
    int64_t size = 0;
    int mask;
    if (!mtev_rest_complete_upload(restc, &mask))
        return mask;
    const char *body = mtev_http_request_get_upload(mtev_http_session_request(ctx), &size);
    mtev_http_response_ok(ctx, "text/plain");
    for (int64_t i = 0; i < size; i++)
        mtev_http_response_append(ctx, &(char){(char)toupper((unsigned char)body[i])}, 1);
    mtev_http_response_end(ctx);
    return 0;
}

static int child_main(void)
{
    if (eventer_init() != 0)
        return 2;
    mtev_http_rest_init();
    mtev_rest_mountpoint_t *rule =
        mtev_http_rest_new_rule("GET", "/", "^fibonacci/([0-9]|[1-3][0-9])$", get_fibonacci);
    mtev_rest_mountpoint_set_aco(rule, mtev_true);
    rule = mtev_http_rest_new_rule("POST", "/", "^upper$", post_upper);
    mtev_rest_mountpoint_set_aco(rule, mtev_true);
    mtev_listener_init("rest");
    eventer_loop();
    return 0;
}

int main(int argc, char **argv)
{
    if (argc != 2) {
        fprintf(stderr, "usage: rest FILE.conf\n");
        return 2;
    }
    mtev_memory_init();
    return mtev_main("rest", argv[1], 0, 1, MTEV_LOCK_OP_NONE, NULL, NULL, NULL, child_main);
}
