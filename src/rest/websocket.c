/* SPDX-License-Identifier: MIT */
/*
 * websocket.c - rules for WebSockets: who takes the messages of one, and where.
 *
 *   message handler                   on the loop's own stack, called by the WebSocket
 *   message handler, set_aco          in one coroutine of the connection, which waits for messages
 *   request handler, set_aco          in a coroutine, once, and takes messages itself
 *   request handler                   a mistake: 500
 */
#include "rest/request_impl.h"

#include "base/alloc.h"
#include "coro/coro.h"
#include "http/http.h"
#include "http/http1_char.h"
#include "http/websocket.h"
#include "log/log.h"

#include <errno.h>
#include <string.h>

/* ---- rules ----------------------------------------------------------------------- */

/* Of a rule that has only a message handler: no request comes to it. */
static int no_request(mtev_http_rest_closure_t *restc, int npats, char **pats)
{
    (void)npats;
    (void)pats;
    http_respond_simply(restc->http_ctx, 500, "the rule has no handler");
    return 0;
}

static bool is_protocol(const char *protocol)
{
    size_t len = protocol == NULL ? 0 : strlen(protocol);
    return len == 0 || http1_char_skip_token(protocol, protocol + len) == protocol + len;
}

void mtev_rest_mountpoint_set_websocket(mtev_rest_mountpoint_t *rule, const char *protocol,
                                        rest_websocket_message_handler handler)
{
    char *copy = NULL;
    int err = 0;
    if (!mountpoint_is(rule, __func__))
        return;
    if (strcmp(rule->method, RULES_WEBSOCKET) != 0 || !is_protocol(protocol))
        err = EINVAL;
    else if (protocol != NULL && (copy = alloc_text(protocol)) == NULL)
        err = ENOMEM;
    if (err != 0) {
        mtevL(mtev_error, "%s: %s\n", __func__,
              err == EINVAL ? "no rule for WS, or no token as its protocol" : "out of memory");
        errno = err;
        return;
    }
    alloc_free(atomic_exchange_explicit(&rule->protocol, copy, memory_order_acq_rel));
    atomic_store_explicit(&rule->on_message, handler, memory_order_release);
}

int mtev_http_rest_websocket_register_auth_closure(const char *base, const char *expression,
                                                   const char *protocol,
                                                   rest_websocket_message_handler handler,
                                                   rest_authorize_func_t auth, void *closure)
{
    const char *const keys[] = {RULES_WEBSOCKET, base, expression};
    const struct mtev_rest_mountpoint like = {.handler = handler == NULL ? NULL : no_request,
                                              .auth = auth,
                                              .closure = closure,
                                              .on_message = handler,
                                              .protocol = (char *)(uintptr_t)protocol};
    if (!is_protocol(protocol)) {
        mtevL(mtev_error, "rest: no rule for a WebSocket of %.256s: it is no token\n", protocol);
        errno = EINVAL;
        return -1;
    }
    return mountpoint_add(keys, &like) == NULL ? -1 : 0;
}

int mtev_http_rest_websocket_register_auth(const char *base, const char *expression,
                                           const char *protocol,
                                           rest_websocket_message_handler handler,
                                           rest_authorize_func_t auth)
{
    return mtev_http_rest_websocket_register_auth_closure(base, expression, protocol, handler, auth,
                                                          NULL);
}

int mtev_http_rest_websocket_register_closure(const char *base, const char *expression,
                                              const char *protocol,
                                              rest_websocket_message_handler handler, void *closure)
{
    return mtev_http_rest_websocket_register_auth_closure(base, expression, protocol, handler,
                                                          mtev_http_rest_client_cert_auth, closure);
}

int mtev_http_rest_websocket_register(const char *base, const char *expression,
                                      const char *protocol, rest_websocket_message_handler handler)
{
    return mtev_http_rest_websocket_register_closure(base, expression, protocol, handler, NULL);
}

/* ---- messages -------------------------------------------------------------------- */

static rest_websocket_message_handler handler_of(const struct rest_request *req)
{
    return atomic_load_explicit(&req->rule->on_message, memory_order_acquire);
}

static int on_message(mtev_http_session_ctx *ctx, int opcode, const unsigned char *msg, size_t len)
{
    struct rest_request *req = http_request_state(ctx);
    return handler_of(req)(&req->restc, opcode, msg, len);
}

static void take_messages(struct rest_request *req)
{
    mtev_http_session_ctx *ctx = req->restc.http_ctx;
    const unsigned char *msg;
    size_t len;
    int opcode;
    while (eventer_aco_websocket_recv(ctx, &opcode, &msg, &len, NULL) > 0)
        if (handler_of(req)(&req->restc, opcode, msg, len) != 0)
            return;
}

static void run(void)
{
    struct rest_request *req = eventer_aco_arg();
    if (handler_of(req) != NULL)
        take_messages(req);
    else
        (void)rest_call(req);
}

int rest_begin_websocket(struct rest_request *req)
{
    mtev_http_session_ctx *ctx = req->restc.http_ctx;
    const bool is_aco = atomic_load_explicit(&req->rule->is_aco, memory_order_acquire);
    const char *protocol = atomic_load_explicit(&req->rule->protocol, memory_order_acquire);
    rest_websocket_message_handler handler = handler_of(req);
    const struct coro_start start = {.func = run,
                                     .arg = req,
                                     .key = handler != NULL
                                                ? (const void *)(uintptr_t)handler
                                                : (const void *)(uintptr_t)req->restc.fastpath,
                                     .on_end = rest_on_coroutine_end};
    if (handler == NULL && !is_aco) {
        rest_complain_of_no_taker(req->rule);
        http_respond_simply(ctx, 500, "nobody takes the messages");
        return HTTP_DISPATCH_DONE;
    }
    if (websocket_accept(ctx, protocol, is_aco ? NULL : on_message) != 0)
        return HTTP_DISPATCH_DONE;
    if (!is_aco)
        return HTTP_DISPATCH_PENDING;
    req->restc.aco_enabled = mtev_true;
    if (coro_start(&start) != 0)
        websocket_release(ctx); /* there is no memory for it: closed at once */
    return HTTP_DISPATCH_PENDING;
}
