/* SPDX-License-Identifier: MIT */
/*
 * websocket_aco.c - messages for coroutines, which wait for them.
 */
#include "http/websocket_impl.h"

#include "coro/coro.h"

#include <assert.h>
#include <errno.h>

#define TAKES_MAX 16 /* without a wait, before others have their turn */

static int fail(int err)
{
    errno = -err;
    return -1;
}

/* The WebSocket of ctx for a wait in slot of it; NULL with errno: it cannot be. */
static struct websocket *enter(mtev_http_session_ctx *ctx, bool to_send)
{
    struct websocket *ws = mtev_http_is_websocket(ctx) ? ctx->x->request.websocket : NULL;
    if (ws == NULL || (ws->on_message != NULL && !to_send))
        errno = EINVAL;
    else if (loop_self != ws->loop || coro_self() == NULL)
        errno = EXDEV;
    else if ((to_send ? ws->sender : ws->receiver) != NULL)
        errno = EBUSY;
    else
        return ws;
    return NULL;
}

/* Park in slot until it is woken or the deadline, which the first wait sets.  0 or -ETIMEDOUT. */
static int wait(struct websocket *ws, bool to_send, const struct timeval *timeout,
                uint64_t *deadline_ns)
{
    struct coro *self = coro_self();
    struct coro **slot = to_send ? &ws->sender : &ws->receiver;
    assert(self != NULL);
    if (timeout != NULL) {
        if (*deadline_ns == 0)
            *deadline_ns = clock_mono_ns() + clock_duration_ns(timeout);
        coro_arm_timer(self, *deadline_ns);
    }
    self->fd = http_session_fd(ws->ctx);
    *slot = self;
    int result = coro_park(self, to_send ? CORO_WAITS_TO_WRITE : CORO_WAITS_TO_READ);
    *slot = NULL;
    wheel_cancel(&self->timer);
    return result;
}

/* The next message, waited for; it is ws->taken.  0; or -errno. */
static int take(struct websocket *ws, const struct timeval *timeout)
{
    struct coro *self = coro_self();
    uint64_t deadline_ns = 0;
    assert(self != NULL);
    websocket_message_free(ws->taken);
    ws->taken = NULL;
    if (++ws->takes > TAKES_MAX) {
        ws->takes = 0;
        (void)coro_pass(self);
    }
    for (;;) {
        ws->taken = websocket_take(ws);
        if (ws->taken != NULL)
            return 0;
        if (ws->is_over)
            return -ECONNRESET;
        websocket_drive(ws);
        if (!queue_is_empty(&ws->inbox) || ws->is_over)
            continue;
        int err = wait(ws, false, timeout, &deadline_ns);
        ws->takes = 0;
        if (err != 0)
            return err;
    }
}

int eventer_aco_websocket_recv(mtev_http_session_ctx *ctx, int *opcode, const unsigned char **msg,
                               size_t *len, struct timeval *timeout)
{
    struct websocket *ws = enter(ctx, false);
    if (ws == NULL)
        return -1;
    if (ws->has_ended) /* said once, and nothing came after it */
        return fail(-ECONNRESET);
    int err = take(ws, timeout);
    if (err != 0)
        return fail(err);
    const struct websocket_message *message = ws->taken;
    ws->has_ended = message->is_end;
    *opcode = message->is_end ? message->status : message->opcode;
    *msg = message->data;
    *len = message->len;
    return message->is_end ? 0 : 1;
}

int eventer_aco_websocket_send(mtev_http_session_ctx *ctx, int opcode, const unsigned char *msg,
                               size_t len, struct timeval *timeout)
{
    struct websocket *ws = enter(ctx, true);
    uint64_t deadline_ns = 0;
    int err;
    if (ws == NULL)
        return -1;
    atomic_fetch_add_explicit(&ws->refs, 1, memory_order_relaxed);
    while ((err = websocket_put(ws, opcode, msg, len)) == -EAGAIN) {
        err = wait(ws, true, timeout, &deadline_ns);
        if (err != 0)
            break;
    }
    websocket_drop(ws);
    return err == -EPIPE ? fail(-ECONNRESET) : err != 0 ? fail(err) : 0;
}
