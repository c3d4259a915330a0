/* SPDX-License-Identifier: MIT */
/*
 * echo_event.c - libevent's side of bench/echo: a bufferevent for each connection, whose input is
 * moved to its output.
 */
#include "echo.h"

#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <event2/event.h>

static struct event_base *base;

static void on_readable(struct bufferevent *bev, void *closure)
{
    (void)closure;
    require(evbuffer_add_buffer(bufferevent_get_output(bev), bufferevent_get_input(bev)) == 0,
            "evbuffer_add_buffer");
}

static void on_end(struct bufferevent *bev, short what, void *closure)
{
    (void)what, (void)closure;
    bufferevent_free(bev);
}

static void on_connection(evutil_socket_t listen_fd, short what, void *closure)
{
    int fd;
    (void)what, (void)closure;
    while ((fd = accept_next(listen_fd)) >= 0) {
        struct bufferevent *bev = bufferevent_socket_new(base, fd, BEV_OPT_CLOSE_ON_FREE);
        require(bev != NULL, "bufferevent_socket_new");
        bufferevent_setcb(bev, on_readable, NULL, on_end, NULL);
        require(bufferevent_enable(bev, EV_READ | EV_WRITE) == 0, "bufferevent_enable");
    }
}

int main(int argc, char **argv)
{
    base = event_base_new();
    require(base != NULL, "event_base_new");
    struct event *event =
        event_new(base, listen_on(port_of(argc, argv)), EV_READ | EV_PERSIST, on_connection, NULL);
    require(event != NULL && event_add(event, NULL) == 0, "event_add");
    return event_base_dispatch(base);
}
