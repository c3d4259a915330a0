/* SPDX-License-Identifier: MIT */
/*
 * io_helpers.h - what the tests of reading and writing in coroutines share.
 */
#ifndef EVENTER_TESTS_IO_HELPERS_H
#define EVENTER_TESTS_IO_HELPERS_H

#include "clean.h"
#include "in_coroutine.h"

#include "base/alloc.h"
#include "coro/coro.h"
#include "eventer/event.h"

#include <netinet/in.h>

static inline int io_never(eventer_t e, int mask, void *closure, struct timeval *now)
{
    check(false);
    return 0;
}

/* Make fd an event of the running coroutine. */
static inline eventer_aco_t adopt(int fd)
{
    return eventer_set_eventer_aco(eventer_alloc_fd(io_never, NULL, fd, EVENTER_READ));
}

static inline void end_event(eventer_aco_t e)
{
    check_int(eventer_aco_close(e), 0);
    eventer_aco_free(e);
}

/* A socket pair of which one end is an event.  Coroutines must not use cmocka's assertions. */
struct pair {
    eventer_aco_t e;
    int peer;
};

static inline struct pair pair_open(int type)
{
    int fds[2] = {-1, -1};
    check_int(socketpair(AF_UNIX, type | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, fds), 0);
    return (struct pair){.e = adopt(fds[0]), .peer = fds[1]};
}

static inline void pair_close(struct pair *pair)
{
    end_event(pair->e);
    if (pair->peer >= 0)
        close(pair->peer);
}

static inline int listen_on_loopback(struct sockaddr_in *address)
{
    socklen_t len = sizeof(*address);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    *address =
        (struct sockaddr_in){.sin_family = AF_INET, .sin_addr = {.s_addr = htonl(INADDR_LOOPBACK)}};
    check_int(bind(fd, (const struct sockaddr *)address, len), 0);
    check_int(listen(fd, SOMAXCONN), 0);
    check_int(getsockname(fd, (struct sockaddr *)address, &len), 0);
    return fd;
}

static inline int connect_to(const struct sockaddr_in *address)
{
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    check_int(connect(fd, (const struct sockaddr *)address, sizeof(*address)), 0);
    return fd;
}

/* The same over TCP on the loopback interface. */
static inline struct pair pair_open_tcp(void)
{
    struct sockaddr_in address;
    int listener = listen_on_loopback(&address), peer = connect_to(&address);
    int fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
    check(fd >= 0);
    close(listener);
    return (struct pair){.e = adopt(fd), .peer = peer};
}

#endif
