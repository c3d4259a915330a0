/* SPDX-License-Identifier: MIT */
/*
 * websocket.h - a request that becomes a WebSocket: what the layer above HTTP has of it.
 *
 * Layer: http.  Everything here belongs to the connection's loop.  Source: RFC 6455, RFC 7692.
 */
#ifndef EVENTER_HTTP_WEBSOCKET_H
#define EVENTER_HTTP_WEBSOCKET_H

#include "http/http.h"

/*
 * A message has come (len bytes at msg, borrowed for the call).  Called on the loop's own stack,
 * one message after the other.  0: go on; anything else: close.
 */
typedef int (*websocket_message_func)(mtev_http_session_ctx *ctx, int opcode,
                                      const unsigned char *msg, size_t len);

/* True if the request of ctx asks to become a WebSocket; all of the handshake is not yet checked.
 */
bool websocket_is_asked_for(mtev_http_session_ctx *ctx);

/* True if it seems to mean that, and does not say it as RFC 6455 section 4.1 demands. */
bool websocket_is_meant(mtev_http_session_ctx *ctx);

/* Answer a request that does not ask, where there is only a WebSocket: 426, or 400. */
void websocket_demand(mtev_http_session_ctx *ctx);

/*
 * Make the request of ctx a WebSocket that speaks protocol (NULL: none; borrowed for the call), if
 * its handshake is right.  on_message: gets the messages, and the request ends by itself; NULL:
 * coroutines take them with eventer_aco_websocket_recv(), until websocket_release().
 * Returns 0: HTTP_DISPATCH_PENDING is now what the dispatcher returns; or -EBADMSG or
 * -ENOMEM: the request has its answer.
 */
int websocket_accept(mtev_http_session_ctx *ctx, const char *protocol,
                     websocket_message_func on_message);

/* Nobody takes messages any more: close, and then the request is over. */
void websocket_release(mtev_http_session_ctx *ctx);

#endif
