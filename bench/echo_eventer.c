/* SPDX-License-Identifier: MIT */
/*
 * echo_eventer.c - the library's side of bench/echo.
 *
 * Usage: echo_eventer PORT coroutine|classic [LOOPS].  A coroutine for each connection, or a
 * level-triggered event with a callback.  Connections go to the loops in turn.
 */
#include "echo.h"

#include <eventer/eventer.h>
#include <mtev_defines.h>
#include <string.h>

static bool is_classic;

/* ---- in a coroutine -------------------------------------------------------------- */

static int never_called(eventer_t e, int mask, void *closure, struct timeval *now)
{
    (void)e, (void)mask, (void)closure, (void)now;
    require(false, "an event of a coroutine was called back");
    return 0;
}

static void converse(void)
{
    int fd = (int)(intptr_t)aco_get_arg(), len;
    eventer_aco_t e =
        eventer_set_eventer_aco(eventer_alloc_fd(never_called, NULL, fd, EVENTER_READ));
    char buffer[BUFFER_SIZE];
    while ((len = eventer_aco_read(e, buffer, sizeof(buffer), NULL)) > 0)
        if (eventer_aco_write(e, buffer, (size_t)len, NULL) != len)
            break;
    eventer_aco_close(e);
    eventer_aco_free(e);
}

/* ---- in a callback --------------------------------------------------------------- */

static int on_readable(eventer_t e, int mask, void *closure, struct timeval *now)
{
    char buffer[BUFFER_SIZE];
    (void)closure, (void)now;
    int len = eventer_read(e, buffer, sizeof(buffer), &mask);
    if (len > 0 && eventer_write(e, buffer, (size_t)len, &mask) == len)
        return EVENTER_READ | EVENTER_EXCEPTION;
    if (len < 0 && errno == EAGAIN)
        return EVENTER_READ | EVENTER_EXCEPTION;
    eventer_remove(e);
    eventer_close(e, &mask);
    return 0;
}

/* ---- accepting ------------------------------------------------------------------- */

static int start(eventer_t e, int mask, void *closure, struct timeval *now)
{
    (void)e, (void)mask, (void)now;
    if (is_classic)
        eventer_add(eventer_alloc_fd(on_readable, NULL, (int)(intptr_t)closure,
                                     EVENTER_READ | EVENTER_EXCEPTION));
    else
        eventer_aco_start(converse, closure);
    return 0;
}

static int on_connection(eventer_t e, int mask, void *closure, struct timeval *now)
{
    static int count;
    int fd;
    (void)mask, (void)closure, (void)now;
    while ((fd = accept_next(eventer_get_fd(e))) >= 0)
        eventer_add_timer_next_opportunity(start, (void *)(intptr_t)fd,
                                           eventer_choose_owner(count++));
    return EVENTER_READ | EVENTER_EXCEPTION;
}

int main(int argc, char **argv)
{
    int fd = listen_on(port_of(argc, argv));
    is_classic = argc > 2 && strcmp(argv[2], "classic") == 0;
    require(eventer_propset("concurrency", argc > 3 ? argv[3] : "1") == 0 && eventer_init() == 0,
            "eventer_init");
    eventer_add(eventer_alloc_fd(on_connection, NULL, fd, EVENTER_READ | EVENTER_EXCEPTION));
    eventer_loop();
}
