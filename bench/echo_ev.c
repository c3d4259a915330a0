/* SPDX-License-Identifier: MIT */
/*
 * echo_ev.c - libev's side of bench/echo: a watcher for each connection; recv(2) and send(2).
 */
#include "echo.h"

#include <errno.h>
#include <ev.h>

static void on_readable(struct ev_loop *loop, ev_io *watcher, int events)
{
    char buffer[BUFFER_SIZE];
    (void)events;
    ssize_t got = recv(watcher->fd, buffer, sizeof(buffer), 0);
    if (got < 0 && errno == EAGAIN)
        return;
    if (got > 0 && send(watcher->fd, buffer, (size_t)got, MSG_NOSIGNAL) == got)
        return;
    ev_io_stop(loop, watcher);
    close(watcher->fd);
    free(watcher);
}

static void on_connection(struct ev_loop *loop, ev_io *listener, int events)
{
    int fd;
    (void)events;
    while ((fd = accept_next(listener->fd)) >= 0) {
        ev_io *watcher = calloc(1, sizeof(*watcher));
        require(watcher != NULL, "calloc");
        ev_io_init(watcher, on_readable, fd, EV_READ);
        ev_io_start(loop, watcher);
    }
}

int main(int argc, char **argv)
{
    struct ev_loop *loop = ev_default_loop(EVBACKEND_EPOLL);
    ev_io listener;
    require(loop != NULL, "ev_default_loop");
    ev_io_init(&listener, on_connection, listen_on(port_of(argc, argv)), EV_READ);
    ev_io_start(loop, &listener);
    return ev_run(loop, 0);
}
