/* SPDX-License-Identifier: MIT */
/*
 * request_impl.h - what is kept for one request that a rule was found for.
 *
 * Layer: rest.  It lives in the request's own memory, and ends with it.
 */
#ifndef EVENTER_REST_REQUEST_IMPL_H
#define EVENTER_REST_REQUEST_IMPL_H

#include "base/buf.h"
#include "rest/rules_impl.h"

#include <mtev_rest.h>

#include <stdbool.h>

struct rest_request {
    mtev_http_rest_closure_t restc; /* first: what eventer_aco_arg() gives in its coroutine */
    struct mtev_rest_mountpoint *rule;
    struct buf upload;
    bool has_upload;   /* the body is there */
    bool is_starting;  /* its coroutine is being started */
    bool has_ended;    /* ... and ended meanwhile */
    bool is_websocket; /* it is to become one */
    bool wants_more;   /* its handler, in a coroutine, asked again and again to be called again */
};

/* Enter "show rest" into the console.  0 or -ENOMEM. */
int rest_add_commands(void);

/* ---- mountpoint.c ---------------------------------------------------------------- */

/* The rules of the process. */
struct rules *mountpoint_rules(void);

/*
 * Add a rule for keys, a method, a base and an expression, with the rest as in *like.  Returns it
 * (borrowed); or NULL with one log line and errno.
 */
mtev_rest_mountpoint_t *mountpoint_add(const char *const keys[static 3],
                                       const struct mtev_rest_mountpoint *like);

/* True if there is a rule to change; else the log and errno say so, for caller. */
bool mountpoint_is(const mtev_rest_mountpoint_t *rule, const char *caller);

/* ---- dispatch.c ------------------------------------------------------------------ */

/* Call the handler.  Returns the mask to be called again for; 0: that is all. */
int rest_call(struct rest_request *req);

/*
 * The coroutine of req has ended: its function returned, or called aco_exit().  One for all,
 * because a handler may serve requests and WebSockets, and what ends is told by handler.
 */
void rest_on_coroutine_end(void *req);

/* Say, once, that nobody takes the messages of rule's WebSockets. */
void rest_complain_of_no_taker(struct mtev_rest_mountpoint *rule);

/* ---- websocket.c ----------------------------------------------------------------- */

/* Answer req, which asked to become a WebSocket and may: what a dispatcher returns. */
int rest_begin_websocket(struct rest_request *req);

#endif
