/* SPDX-License-Identifier: MIT */
/* lookup.c - a REST service that looks up names: chapter 1 of the guide. */
#include <eventer_run.h>

#include <arpa/inet.h>
#include <netdb.h>

static int say_help(mtev_http_rest_closure_t *restc, int npats, char **pats)
{
    (void)npats, (void)pats;
    mtev_http_response_ok(restc->http_ctx, "text/plain");
    mtev_http_response_append_str(restc->http_ctx, "try /wait/500 or /address/localhost\n");
    mtev_http_response_end(restc->http_ctx);
    return 0;
}

static int wait_a_moment(mtev_http_rest_closure_t *restc, int npats, char **pats)
{
    (void)npats;
    long ms = strtol(pats[0], NULL, 10);
    struct timeval pause = {.tv_sec = ms / 1000, .tv_usec = ms % 1000 * 1000};
    eventer_aco_sleep(&pause);
    mtev_http_response_ok(restc->http_ctx, "text/plain");
    mtev_http_response_appendf(restc->http_ctx, "%ld ms later\n", ms);
    mtev_http_response_end(restc->http_ctx);
    return 0;
}

struct question {
    const char *name;
    int status; /* of getaddrinfo() */
    char address[INET_ADDRSTRLEN];
};

static void look_up(void *closure) /* in a thread of the job queue, where it may block */
{
    struct question *question = closure;
    struct addrinfo wanted = {.ai_family = AF_INET}, *found = NULL;
    question->status = getaddrinfo(question->name, NULL, &wanted, &found);
    if (question->status != 0)
        return;
    const struct sockaddr_in *first = (const void *)found->ai_addr;
    inet_ntop(AF_INET, &first->sin_addr, question->address, sizeof(question->address));
    freeaddrinfo(found);
}

static int tell_address(mtev_http_rest_closure_t *restc, int npats, char **pats)
{
    (void)npats;
    mtev_http_session_ctx *ctx = restc->http_ctx;
    struct question question = {.name = pats[0]};
    eventer_aco_simple_asynch(look_up, &question);
    if (question.status == 0) {
        mtev_http_response_ok(ctx, "text/plain");
        mtev_http_response_appendf(ctx, "%s\n", question.address);
    } else {
        mtev_http_response_not_found(ctx, "text/plain");
        mtev_http_response_appendf(ctx, "%s\n", gai_strerror(question.status));
    }
    mtev_http_response_end(ctx);
    return 0;
}

static int setup(void)
{
    mtev_http_rest_new_rule("GET", "/", "^$", say_help);
    mtev_rest_mountpoint_t *rule =
        mtev_http_rest_new_rule("GET", "/wait/", "^(\\d{1,5})$", wait_a_moment);
    mtev_rest_mountpoint_set_aco(rule, mtev_true);
    rule = mtev_http_rest_new_rule("GET", "/address/", "^([\\w.-]+)$", tell_address);
    mtev_rest_mountpoint_set_aco(rule, mtev_true);
    return 0;
}

int main(int argc, char **argv)
{
    return eventer_run(argc, argv, &(struct eventer_run_options){.name = "lookup", .setup = setup});
}
