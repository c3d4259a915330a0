/* SPDX-License-Identifier: MIT */
/*
 * ticker.c - a service that runs for long: a connection to the listener "ticker" is told a number
 * every ten milliseconds, and GET /process tells which process answers.
 */
#include <eventer_run.h>
#include <mtev_watchdog.h>

#include <pthread.h>
#include <stdio.h>
#include <unistd.h>

static void tick(void)
{
    eventer_aco_t e = eventer_aco_arg();
    char line[32];
    for (int count = 1; !eventer_aco_draining(); count++) {
        int len = snprintf(line, sizeof(line), "%d\n", count);
        if (eventer_aco_write(e, line, (size_t)len, NULL) != len)
            break;
        eventer_aco_sleep(&(struct timeval){.tv_usec = 10000});
    }
    eventer_aco_write(e, "bye\n", 4, NULL);
    eventer_aco_close(e);
    eventer_aco_free(e);
}

static int tell_process(mtev_http_rest_closure_t *restc, int npats, char **pats)
{
    (void)npats, (void)pats;
    mtev_http_response_ok(restc->http_ctx, "text/plain");
    mtev_http_response_appendf(restc->http_ctx, "process %u\n", mtev_watchdog_number_of_starts());
    mtev_http_response_end(restc->http_ctx);
    return 0;
}

/* A thread of our own that must not hang unnoticed. */
static void *grind(void *closure)
{
    mtev_watchdog_t *watchdog = closure;
    mtev_watchdog_enable(watchdog);
    for (;;) {
        mtev_watchdog_heartbeat(watchdog);
        usleep(100000); /* what it does, a piece at a time */
    }
    return NULL;
}

static int setup(void)
{
    pthread_t thread;
    mtev_watchdog_t *watchdog = mtev_watchdog_create();
    if (watchdog == NULL)
        return -1;
    mtev_watchdog_set_name(watchdog, "grinder");
    mtev_listener_register_aco_function("ticker", tick);
    mtev_http_rest_new_rule("GET", "/", "^process$", tell_process);
    return pthread_create(&thread, NULL, grind, watchdog);
}

int main(int argc, char **argv)
{
    return eventer_run(argc, argv,
                       &(struct eventer_run_options){.name = "ticker", .setup = setup});
}
