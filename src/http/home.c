/* SPDX-License-Identifier: MIT */
/*
 * home.c - what a loop has for HTTP: its connections, the memory they share, and the date.
 */
#include "http/session_impl.h"

#include "base/alloc.h"
#include "eventer/pool.h"

#include <stdio.h>
#include <time.h>

struct http_home *http_home_self(void)
{
    struct http_home *home = loop_self->http;
    if (home != NULL)
        return home;
    home = alloc_zeroed(1, sizeof(*home));
    if (home == NULL)
        return NULL;
    home->loop = loop_self;
    home->times = (struct http_times){
        .head = HTTP_HEAD_NS_MAX,
        .keepalive = HTTP_KEEPALIVE_NS_MAX,
        .body = HTTP_BODY_NS_MAX,
        .write = HTTP_WRITE_NS_MAX,
        .linger = HTTP_LINGER_NS_MAX,
        .floated = HTTP_FLOAT_NS_MAX,
        .websocket_idle = HTTP_WEBSOCKET_IDLE_NS_MAX,
        .websocket_pong = HTTP_WEBSOCKET_PONG_NS_MAX,
        .websocket_close = HTTP_WEBSOCKET_CLOSE_NS_MAX,
    };
    ring_init(&home->connections);
    loop_self->http = home;
    return home;
}

void http_home_enter(struct http_home *home, struct http_connection *connection,
                     void (*drain)(struct http_connection *connection))
{
    connection->drain = drain;
    ring_add_tail(&home->connections, &connection->all);
    home->count++;
}

void http_home_leave(struct http_home *home, struct http_connection *connection)
{
    ring_remove(&connection->all);
    home->count--;
}

const char *http_ok_line(struct http_home *home)
{
    time_t now = loop_wall(home->loop)->tv_sec;
    if (now != home->date_s) {
        /* strftime(3) would use the names of the locale */
        static const char days[][4] = {"Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"};
        static const char months[][4] = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                         "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
        struct tm tm;
        gmtime_r(&now, &tm);
        snprintf(home->ok, sizeof(home->ok),
                 "HTTP/1.1 200 OK\r\nDate: %s, %02u %s %04u %02u:%02u:%02u GMT\r\n",
                 days[tm.tm_wday % 7], (unsigned)tm.tm_mday % 100, months[tm.tm_mon % 12],
                 (unsigned)(tm.tm_year + 1900) % 10000, (unsigned)tm.tm_hour % 100,
                 (unsigned)tm.tm_min % 100, (unsigned)tm.tm_sec % 100);
        home->date_s = now;
    }
    return home->ok;
}

/* ---- when the process ends ------------------------------------------------------- */

/*
 * A peer that was not told that the connection will close may be sending its next request: such a
 * connection waits for that a while, and the answer says so.
 */
static void drain_home(void *arg)
{
    struct http_home *home = loop_self->http;
    (void)arg;
    if (home == NULL)
        return;
    home->is_draining = true;
    home->times.keepalive = home->times.linger = HTTP_GRACE_NS;
    home->times.head = MIN(home->times.head, HTTP_GRACE_NS);
    struct ring *link = home->connections.next;
    while (link != &home->connections) {
        struct http_connection *connection = list_entry(link, struct http_connection, all);
        link = link->next; /* it may leave */
        connection->drain(connection);
    }
}

static void drain_loop(struct loop *loop, void *closure)
{
    loop_call(loop, drain_home, closure);
}

static void drain_all(void)
{
    pool_each_loop(drain_loop, NULL);
}

static void count_home(void *arg)
{
    size_t *left = arg;
    const struct http_home *home = loop_self->http;
    *left += home == NULL ? 0 : home->count;
}

static void count_loop(struct loop *loop, void *closure)
{
    loop_call(loop, count_home, closure);
}

static size_t count_all(void)
{
    size_t left = 0;
    pool_each_loop(count_loop, &left);
    return left;
}

int http_home_drain_at_stop(void)
{
    static bool has_hook;
    if (has_hook)
        return 0;
    int err = pool_at_stop(drain_all);
    if (err == 0)
        err = pool_at_drain(count_all);
    has_hook = err == 0;
    return err;
}
