/* SPDX-License-Identifier: MIT */
/*
 * websocket_server.h - handlers of WebSockets for the server of server.h, in both styles.
 */
#ifndef EVENTER_TESTS_HTTP_WEBSOCKET_SERVER_H
#define EVENTER_TESTS_HTTP_WEBSOCKET_SERVER_H

#include "server.h"

#include "websocket.h"

#include "http/websocket_impl.h"

static _Atomic int websockets_over; /* coroutines that were told of the end */
static _Atomic int websocket_last;  /* what the last of them was told: the status, or -errno */

/* ---- on the loop's stack --------------------------------------------------------- */

static inline int echo_message(mtev_http_session_ctx *ctx, int opcode, const unsigned char *msg,
                               size_t len)
{
    check(coro_self() == NULL && mtev_http_is_websocket(ctx));
    if (len == 4 && memcmp(msg, "drop", 4) == 0)
        return 1;
    (void)mtev_http_websocket_queue_msg(ctx, opcode, msg, len);
    return 0;
}

static inline int answer_classic(mtev_http_session_ctx *ctx)
{
    check(!mtev_http_is_websocket(ctx));
    return websocket_accept(ctx, "chat", echo_message) == 0 ? HTTP_DISPATCH_PENDING
                                                            : HTTP_DISPATCH_DONE;
}

/* ---- in a coroutine -------------------------------------------------------------- */

static inline void echo_in_coroutine(void)
{
    mtev_http_session_ctx *ctx = eventer_aco_arg();
    const unsigned char *msg;
    size_t len;
    int opcode, rv;
    while ((rv = eventer_aco_websocket_recv(ctx, &opcode, &msg, &len, NULL)) > 0) {
        if (len == 4 && memcmp(msg, "drop", 4) == 0)
            return;
        if (eventer_aco_websocket_send(ctx, opcode, msg, len, NULL) != 0)
            break;
    }
    atomic_store(&websocket_last, rv == 0 ? opcode : -errno);
    atomic_fetch_add(&websockets_over, 1);
}

static inline void release_websocket(void *ctx)
{
    websocket_release(ctx);
}

/* Become one whose messages func takes, in a coroutine. */
static inline int answer_by(mtev_http_session_ctx *ctx, void (*func)(void))
{
    const struct coro_start start = {.func = func, .arg = ctx, .on_end = release_websocket};
    if (websocket_accept(ctx, "chat", NULL) != 0)
        return HTTP_DISPATCH_DONE;
    if (coro_start(&start) != 0)
        websocket_release(ctx);
    return HTTP_DISPATCH_PENDING;
}

static inline int answer_coroutine(mtev_http_session_ctx *ctx)
{
    return answer_by(ctx, echo_in_coroutine);
}

#endif
