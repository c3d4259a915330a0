/* SPDX-License-Identifier: MIT */
/*
 * session.c - what is the same for every session, whatever carries it.
 */
#include "http/session_impl.h"

#include "coro/coro.h"
#include "eventer/loop.h"

#include <assert.h>

bool session_may_block(const mtev_http_session_ctx *ctx)
{
    return loop_self == ctx->home->loop && coro_self() != NULL;
}

int session_dispatch(mtev_http_session_ctx *ctx)
{
    ctx->is_dispatching = true;
    int next = ctx->dispatch(ctx);
    ctx->is_dispatching = false;
    return next;
}

void session_end_request(mtev_http_session_ctx *ctx)
{
    struct mtev_http_request *req = &ctx->x->request;
    void (*at_end)(void *) = req->at_end;
    req->at_end = NULL;
    if (at_end != NULL)
        at_end(req->state);
}

void session_settle(mtev_http_session_ctx *ctx)
{
    struct http_response *res = &ctx->x->response;
    if (!res->has_ended) {
        mtevL(mtev_error, "http: %s: the handler did not end its response\n", ctx->x->request.path);
        res->must_close = true;
        http_respond_simply(ctx, 500, "the handler did not answer");
    }
    if (res->is_torn && !res->is_composed)
        http_respond_simply(ctx, 503, "out of memory");
}

void http_request_done(mtev_http_session_ctx *ctx)
{
    assert(!ctx->is_dispatching);
    ctx->carrier->done(ctx);
}

mtev_acceptor_closure_t *http_session_acceptor(mtev_http_session_ctx *ctx)
{
    return ctx->acceptor;
}

int http_session_fd(const mtev_http_session_ctx *ctx)
{
    return ctx->e->fd;
}
