/* SPDX-License-Identifier: MIT */
/*
 * http.h - what the layer above HTTP sees of a connection: one request at a time, to be answered.
 *
 * Layer: http (uses coro, listener).  Everything here belongs to the connection's loop.
 */
#ifndef EVENTER_HTTP_HTTP_H
#define EVENTER_HTTP_HTTP_H

#include <mtev_http.h>
#include <mtev_listener.h>

#include <stdbool.h>

/* What a dispatcher says of the request it was given. */
#define HTTP_DISPATCH_DONE    0  /* the response has ended, or will not be: the request is over */
#define HTTP_DISPATCH_PENDING -1 /* somebody calls http_request_done() later */
/* or an event mask: call the dispatcher again when the connection is ready for that. */

/*
 * A dispatcher: answers the request of ctx.  Called on the loop's own stack when the head is
 * complete, and again when it asked for that.
 */
typedef int (*http_dispatch_func)(mtev_http_session_ctx *ctx);

/*
 * Make "name" a <listener type="..."> that speaks HTTP and gives each request to dispatch. 0 or
 * -errno.
 */
int http_register_listener(const char *name, http_dispatch_func dispatch);

/*
 * The request of ctx, which was PENDING, is over: like HTTP_DISPATCH_DONE, said later.  On the
 * loop's own stack only (see coro_start_then() in coro/coro.h).  ctx may be gone when this returns.
 */
void http_request_done(mtev_http_session_ctx *ctx);

/* Memory that lives until the request is over; zeroed.  NULL: none. */
void *http_request_alloc(mtev_http_session_ctx *ctx, size_t size);

/*
 * What the dispatcher keeps for the present request; NULL at its start.  at_end(state) is called
 * once when the request is over, however it came to that (NULL: nothing).
 */
void *http_request_state(mtev_http_session_ctx *ctx);
void http_request_set_state(mtev_http_session_ctx *ctx, void *state, void (*at_end)(void *state));

/*
 * Let the whole body be what mtev_http_request_get_upload() gives (borrowed until the request is
 * over).
 */
void http_request_set_upload(mtev_http_session_ctx *ctx, const void *bytes, size_t len);

/*
 * Answer with status and a one-line text body, in place of what was set before (but for the
 * connection's end), if output has not started; else just end the
 * connection after what was sent.  Ends the response.
 */
void http_respond_simply(mtev_http_session_ctx *ctx, int status, const char *text);

/* The standard reason phrase of status. */
const char *http_status_text(int status);

/* The connection this session came by. */
mtev_acceptor_closure_t *http_session_acceptor(mtev_http_session_ctx *ctx);

/* Its fd; -1: it is closed. */
int http_session_fd(const mtev_http_session_ctx *ctx);

/*
 * True from mtev_http_connection_event_float() until the request goes on: then the dispatcher is
 * called again, unless the response has ended.  While it floats it may return what it likes.
 */
bool http_session_is_floated(const mtev_http_session_ctx *ctx);

/* True if the handler's response was ended by it. */
bool http_response_has_ended(mtev_http_session_ctx *ctx);

#endif
