/* SPDX-License-Identifier: MIT */
/*
 * server.h - an HTTP server in this process whose handlers a test provides.
 *
 * server_start() goes first in main().  A handler is chosen by the path; it runs on its loop's own
 * stack and returns what a dispatcher does, or runs in a coroutine.  Handlers use check(), and the
 * test ends with server_settle(), which also fails it for what they noted.
 */
#ifndef EVENTER_TESTS_HTTP_SERVER_H
#define EVENTER_TESTS_HTTP_SERVER_H

#include "in_coroutine.h"
#include "logged.h"

#include "client.h"

#include "conf/conf.h"
#include "coro/coro.h"
#include "http/session_impl.h"
#include "listener/listener.h"

struct handler {
    const char *path;
    int (*answer)(mtev_http_session_ctx *ctx);
    bool in_coroutine; /* what it returns is not looked at */
};

struct served { /* a request */
    mtev_http_session_ctx *ctx;
    const struct handler *handler;
    bool is_starting, has_returned;
};

static const struct handler *server_handlers;
static size_t server_handler_count;
static unsigned server_loops;
static _Atomic int server_requests_over;

static inline void server_note_over(void *state)
{
    (void)state;
    atomic_fetch_add(&server_requests_over, 1);
}

static inline void server_run(void)
{
    struct served *served = eventer_aco_arg();
    (void)served->handler->answer(served->ctx);
}

static inline void server_on_end(void *arg)
{
    struct served *served = arg;
    served->has_returned = true;
    if (!served->is_starting)
        http_request_done(served->ctx);
}

static inline const struct handler *server_find(const char *path)
{
    for (size_t i = 0; i < server_handler_count; i++)
        if (strcmp(server_handlers[i].path, path) == 0)
            return &server_handlers[i];
    return NULL;
}

static inline int server_begin(mtev_http_session_ctx *ctx, struct served *served)
{
    served->ctx = ctx;
    served->handler = server_find(mtev_http_request_uri_str(mtev_http_session_request(ctx)));
    http_request_set_state(ctx, served, server_note_over);
    if (served->handler == NULL) {
        http_respond_simply(ctx, 404, "nothing is here");
        return HTTP_DISPATCH_DONE;
    }
    if (!served->handler->in_coroutine)
        return served->handler->answer(ctx);
    served->is_starting = true;
    const struct coro_start start = {
        .func = server_run, .arg = served, .key = served->handler, .on_end = server_on_end};
    if (coro_start(&start) != 0) {
        http_respond_simply(ctx, 503, "out of memory");
        return HTTP_DISPATCH_DONE;
    }
    served->is_starting = false;
    return served->has_returned ? HTTP_DISPATCH_DONE : HTTP_DISPATCH_PENDING;
}

static inline int server_dispatch(mtev_http_session_ctx *ctx)
{
    struct served *served = http_request_state(ctx);
    if (served != NULL)
        return served->handler->answer(ctx);
    served = http_request_alloc(ctx, sizeof(*served));
    if (served != NULL)
        return server_begin(ctx, served);
    http_respond_simply(ctx, 503, "out of memory");
    return HTTP_DISPATCH_DONE;
}

static inline void server_note_port(const char *address, void *closure)
{
    (void)closure;
    client_port = (uint16_t)strtoul(strrchr(address, ':') + 1, NULL, 10);
}

/* Listen on a port of the kernel's choice, served by that many loops; ends a program that cannot.
 */
static inline void server_start(const struct handler *handlers, size_t count, unsigned loops)
{
    static const char text[] = "<test><listeners><listener type='http' address='127.0.0.1' "
                               "port='0' fanout='on'/></listeners></test>";
    server_handlers = handlers;
    server_handler_count = count;
    server_loops = loops;
    logged_begin();
    start_loops(loops);
    if (http_register_listener("http", server_dispatch) != 0 ||
        conf_load_text("test.conf", text) != 0 || listener_init("test", true) != 0) {
        fprintf(stderr, "server_start: %d\n", logged("\n"));
        exit(1);
    }
    eventer_loop_return();
    listener_each(server_note_port, NULL);
}

static inline void server_count(void *closure)
{
    struct http_home *home = loop_self->http;
    *(size_t *)closure += home == NULL ? 0 : home->count;
}

static inline size_t server_connections(void)
{
    size_t count = 0;
    for (unsigned i = 0; i < server_loops; i++)
        in_loop(i, server_count, &count);
    return count;
}

/* Wait until no connection is open, of those that were accepted. */
static inline void server_empty(void)
{
    while (server_connections() > 0)
        usleep(200);
}

/* Wait until all connections are closed and all jobs of the eventer are over; the client's are. */
static inline void server_settle(void)
{
    struct client last; /* accepted after all others */
    client_open(&last);
    client_send(&last, "GET /nothing-at-all HTTP/1.1\r\nHost: x\r\n\r\n");
    client_read(&last, true);
    client_close(&last);
    server_empty();
    for (unsigned i = 0; i < server_loops; i++)
        settle(i);
}

static inline void server_set_times(void *times)
{
    http_home_self()->times = *(struct http_times *)times;
}

/* Have the deadlines of all loops be these; 0: as usual. */
static inline void server_times(struct http_times times)
{
    times.head = times.head == 0 ? HTTP_HEAD_NS_MAX : times.head;
    times.keepalive = times.keepalive == 0 ? HTTP_KEEPALIVE_NS_MAX : times.keepalive;
    times.body = times.body == 0 ? HTTP_BODY_NS_MAX : times.body;
    times.write = times.write == 0 ? HTTP_WRITE_NS_MAX : times.write;
    times.linger = times.linger == 0 ? HTTP_LINGER_NS_MAX : times.linger;
    times.floated = times.floated == 0 ? HTTP_FLOAT_NS_MAX : times.floated;
    if (times.websocket_idle == 0)
        times.websocket_idle = HTTP_WEBSOCKET_IDLE_NS_MAX;
    if (times.websocket_pong == 0)
        times.websocket_pong = HTTP_WEBSOCKET_PONG_NS_MAX;
    if (times.websocket_close == 0)
        times.websocket_close = HTTP_WEBSOCKET_CLOSE_NS_MAX;
    for (unsigned i = 0; i < server_loops; i++)
        in_loop(i, server_set_times, &times);
}

/* A teardown for tests of a server: everything is as before, and nothing unasked was said. */
static inline int server_clean(void **state)
{
    (void)state;
    client_close_all();
    server_times((struct http_times){0});
    server_settle();
    assert_nothing_logged();
    return 0;
}

#define served_test(test) cmocka_unit_test_teardown(test, server_clean)

#endif
