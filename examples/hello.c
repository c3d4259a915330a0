/* SPDX-License-Identifier: MIT */
/* hello.c - the demo: HTTP on port 8080, a conversation on port 9999, all in coroutines. */
#include <eventer_run.h>

static const char help[] = "Hello world. Now try: curl http://127.0.0.1:8080/hello\n"
                           "                      curl http://127.0.0.1:8080/sleep/250\n"
                           "                      curl telnet://127.0.0.1:9999\n";
static const char xml[] = "<hello><rest><acl><rule type='allow'/></acl></rest><listeners"
                          " address='127.0.0.1'><listener type='http_rest_api' port='8080'/>"
                          "<listener type='listen_to_me' port='9999'/></listeners></hello>";

static int say_help(mtev_http_rest_closure_t *restc, int npats, char **pats)
{
    (void)npats, (void)pats;
    mtev_http_response_ok(restc->http_ctx, "text/plain");
    mtev_http_response_append_str(restc->http_ctx, help);
    mtev_http_response_end(restc->http_ctx);
    return 0;
}

static void work(void *closure) /* in a thread of the job queue, where it may block */
{
    usleep(*(useconds_t *)closure);
}

static int hello(mtev_http_rest_closure_t *restc, int npats, char **pats)
{
    eventer_aco_simple_asynch(work, &(useconds_t){100000}); /* others are served meanwhile */
    return say_help(restc, npats, pats);
}

static int nap(mtev_http_rest_closure_t *restc, int npats, char **pats)
{
    eventer_aco_sleep(&(struct timeval){.tv_usec = strtol(pats[0], NULL, 10) * 1000});
    return say_help(restc, npats, pats);
}

static void listen_to_me(void)
{
    eventer_aco_t e = eventer_aco_arg();
    char line[128];
    int len;
    while ((len = eventer_aco_read(e, line, sizeof(line), &(struct timeval){.tv_sec = 10})) > 0 &&
           (len < 4 || strncasecmp(line, "quit", 4) != 0))
        eventer_aco_write(e, "thanks!\n", 8, NULL);
    eventer_aco_write(e, len > 0 ? "quitter!\n" : "bye!\n", len > 0 ? 9 : 5, NULL);
    eventer_aco_close(e);
    eventer_aco_free(e);
}

int main(int argc, char **argv)
{
    struct eventer_run_options options = {.name = "hello", .configuration = xml, .greeting = help};
    mtev_listener_register_aco_function("listen_to_me", listen_to_me);
    mtev_http_rest_new_rule("GET", "/", "^$", say_help);
    mtev_rest_mountpoint_set_aco(mtev_http_rest_new_rule("GET", "/", "^hello$", hello), mtev_true);
    mtev_rest_mountpoint_set_aco(mtev_http_rest_new_rule("GET", "/", "^sleep/(\\d{1,4})$", nap), 1);
    return eventer_run(argc, argv, &options);
}
