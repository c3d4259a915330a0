/* SPDX-License-Identifier: MIT */
/*
 * coroutine.c - two coroutines that count down side by side, each as if it were alone.
 *
 * Usage: coroutine coroutine.conf.  Ends by itself when both have reached zero.
 */
#include <eventer/eventer.h>
#include <mtev_log.h>
#include <mtev_main.h>
#include <mtev_memory.h>

#include <signal.h>
#include <stdio.h>

struct countdown {
    const char *name;
    int from;
    struct timeval pause;
};

static struct countdown quick = {"quick", 6, {.tv_usec = 50000}};
static struct countdown slow = {"slow", 3, {.tv_usec = 120000}};
static int running = 2; /* both run in the same loop, so nothing else guards it */

static void count_down(void)
{
    const struct countdown *c = eventer_aco_arg();
    struct timeval pause = c->pause;
    for (int n = c->from; n > 0; n--) {
        printf("%s %d\n", c->name, n);
        eventer_aco_sleep(&pause); /* n is as it was when this comes back */
    }
    mtevL(mtev_notice, "%s is done\n", c->name);
    if (--running == 0)
        kill(getpid(), SIGTERM); /* what an operator would do: eventer_loop() returns */
}

static int child_main(void)
{
    if (eventer_init() != 0)
        return 2;
    eventer_aco_start(count_down, &quick);
    eventer_aco_start(count_down, &slow);
    eventer_loop();
    return 0;
}

int main(int argc, char **argv)
{
    if (argc != 2) {
        fprintf(stderr, "usage: coroutine FILE.conf\n");
        return 2;
    }
    mtev_memory_init();
    return mtev_main("coroutine", argv[1], 0, 1, MTEV_LOCK_OP_NONE, NULL, NULL, NULL, child_main);
}
