/* SPDX-License-Identifier: MIT */
/*
 * mtev_http1.h - names that programs for libmtev use where a session is known to be of HTTP/1.
 *
 * The two types of session are one, and so are the functions.  Interface after libmtev 2.7; see
 * eventer_websocket(3).
 */
#ifndef MTEV_HTTP1_H
#define MTEV_HTTP1_H

#include <mtev_http.h>

MTEV_BEGIN_DECLS

typedef mtev_http_session_ctx mtev_http1_session_ctx;

/* As mtev_http_websocket_queue_msg(). */
API_EXPORT(mtev_boolean)
mtev_http1_websocket_queue_msg(mtev_http1_session_ctx *ctx, int opcode, const unsigned char *msg,
                               size_t len);

MTEV_END_DECLS

#endif
