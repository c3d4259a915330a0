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
    bool has_upload;  /* the body is there */
    bool is_starting; /* its coroutine is being started */
    bool has_ended;   /* ... and ended meanwhile */
    bool wants_more;  /* its handler, in a coroutine, asked again and again to be called again */
};

/* Enter "show rest" into the console.  0 or -ENOMEM. */
int rest_add_commands(void);

/* The rules of the process. */
struct rules *mountpoint_rules(void);

#endif
