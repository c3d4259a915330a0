/* SPDX-License-Identifier: MIT */
/*
 * session.c - what is the same for every session, whatever carries it.
 */
#include "http/session_impl.h"

#include "coro/coro.h"
#include "eventer/loop.h"
#include "http/websocket_impl.h"

#include <assert.h>

bool session_may_block(const mtev_http_session_ctx *ctx)
{
    return loop_self == ctx->home->loop && coro_self() != NULL && !ctx->x->request.is_raw;
}

int session_dispatch(mtev_http_session_ctx *ctx)
{
    ctx->is_dispatching = true;
    int next = ctx->dispatch(ctx);
    ctx->is_dispatching = false;
    return http_session_is_floated(ctx) ? HTTP_DISPATCH_PENDING : next;
}

/* ---- floating -------------------------------------------------------------------- */

bool http_session_is_floated(const mtev_http_session_ctx *ctx)
{
    return atomic_load_explicit(&ctx->floating, memory_order_relaxed) != FLOAT_NO;
}

static void resume(struct mail *mail, struct loop *loop)
{
    mtev_http_session_ctx *ctx = list_entry(mail, mtev_http_session_ctx, resume);
    (void)loop;
    atomic_store_explicit(&ctx->floating, FLOAT_NO, memory_order_relaxed);
    ctx->carrier->resume(ctx);
}

mtev_http_connection *mtev_http_session_connection(mtev_http_session_ctx *ctx)
{
    return (mtev_http_connection *)ctx;
}

static mtev_http_session_ctx *session_of(mtev_http_connection *conn)
{
    return (mtev_http_session_ctx *)conn;
}

eventer_t mtev_http_connection_event(mtev_http_connection *conn)
{
    mtev_http_session_ctx *ctx = session_of(conn);
    return ctx->carrier->has_own_event ? ctx->e : NULL;
}

eventer_t mtev_http_connection_event_float(mtev_http_connection *conn)
{
    mtev_http_session_ctx *ctx = session_of(conn);
    if (loop_self != ctx->home->loop || coro_self() != NULL || !ctx->is_dispatching)
        return NULL;
    ctx->resume.run = resume;
    atomic_store_explicit(&ctx->floating, FLOAT_OUT, memory_order_relaxed);
    return mtev_http_connection_event(conn);
}

void mtev_http_session_resume_after_float(mtev_http_session_ctx *ctx)
{
    uint8_t out = FLOAT_OUT;
    /* release, by the mail: what was appended is seen by the loop */
    if (atomic_compare_exchange_strong(&ctx->floating, &out, FLOAT_BACK))
        loop_post(ctx->home->loop, &ctx->resume);
}

/* ---- the end of a request -------------------------------------------------------- */

void session_end_request(mtev_http_session_ctx *ctx)
{
    struct mtev_http_request *req = &ctx->x->request;
    void (*at_end)(void *) = req->at_end;
    req->at_end = NULL;
    if (at_end != NULL)
        at_end(req->state);
    if (req->websocket != NULL)
        websocket_end(req->websocket); /* and nobody has it any more */
    req->websocket = NULL;
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
