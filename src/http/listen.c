/* SPDX-License-Identifier: MIT */
/*
 * listen.c - listeners that speak HTTP.
 */
#include "http/http1_conn.h"
#include "http/http2_conn.h"

#include "listener/listener.h"

#include <errno.h>
#include <string.h>

static void drop_unless(int err, eventer_t e)
{
    int mask;
    if (err == 0)
        return;
    mtevL(mtev_error, "http: a connection is dropped: %s\n", strerror(-err));
    edge_unregister(e);
    e->wire->close(e->fd, &mask, e);
    e->fd = -1;
    eventer_free(e);
}

static void accepted(eventer_t e, void *context)
{
    const http_dispatch_func dispatch = (http_dispatch_func)(uintptr_t)context;
    struct http_home *home = http_home_self();
    drop_unless(home == NULL ? -ENOMEM : http1_conn_begin(e, home, dispatch), e);
}

/* TLS has agreed on HTTP/2. */
static void accepted_http2(eventer_t e, void *context)
{
    const http_dispatch_func dispatch = (http_dispatch_func)(uintptr_t)context;
    struct http_home *home = http_home_self();
    drop_unless(home == NULL ? -ENOMEM : http2_conn_begin(e, home, dispatch, NULL, 0), e);
}

/* To whoever connects when there are too many already. */
static const char refusal[] = "HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\n"
                              "Retry-After: 1\r\nConnection: close\r\n\r\n";

int http_register_listener(const char *name, http_dispatch_func dispatch_func)
{
    int err = http_home_drain_at_stop();
    if (err == 0)
        err = listener_register_type(name, accepted, (void *)(uintptr_t)dispatch_func);
    if (err == 0)
        err = listener_set_refusal(name, refusal);
    return err != 0 ? err
                    : listener_register_protocol(name, "h2", http2_is_wanted, accepted_http2,
                                                 (void *)(uintptr_t)dispatch_func);
}
