/* SPDX-License-Identifier: MIT */
/*
 * http2_stream.c - a stream: the session of one request, from its head to its handler's end.
 */
#include "http/http2_conn.h"

#include "coro/coro.h"

#include <assert.h>
#include <errno.h>

static int http2_read(mtev_http_session_ctx *ctx, void *buffer, size_t len, int *mask);
static int flush(mtev_http_session_ctx *ctx);
static void send_ended(mtev_http_session_ctx *ctx);
static void done(mtev_http_session_ctx *ctx);
static void resume(mtev_http_session_ctx *ctx);

static const struct http_carrier carrier = {
    .read = http2_read,
    .flush = flush,
    .send_ended = send_ended,
    .done = done,
    .resume = resume,
};

/* ---- its life -------------------------------------------------------------------- */

struct http2_stream *http2_stream_new(struct http2_conn *conn, struct http_exchange *x, int32_t id)
{
    struct http2_stream *stream = arena_alloc(&x->arena, sizeof(*stream));
    if (stream == NULL)
        return NULL;
    stream->s.carrier = &carrier;
    stream->s.e = conn->e;
    stream->s.home = conn->home;
    stream->s.x = x;
    stream->s.dispatch = conn->dispatch;
    stream->s.acceptor = conn->acceptor;
    stream->conn = conn;
    stream->id = id;
    stream->state = HTTP2_HEAD;
    buf_init(&stream->content, HTTP2_STREAM_WINDOW);
    ring_add_tail(&conn->streams, &stream->all);
    conn->stream_count++;
    return stream;
}

/* Nobody has it any more. */
static void stream_free(struct http2_stream *stream)
{
    struct http2_conn *conn = stream->conn;
    session_end_request(&stream->s);
    ring_remove(&stream->all);
    ring_remove(&stream->ready);
    buf_free(&stream->content);
    exchange_give(conn->home, stream->s.x); /* the stream's memory, too */
    conn->stream_count--;
    if (conn->stream_count == 0)
        http2_conn_is_idle(conn);
}

void http2_stream_reset(struct http2_stream *stream, uint32_t error_code)
{
    if (stream->is_closed || stream->conn->ng == NULL)
        return;
    (void)nghttp2_submit_rst_stream(stream->conn->ng, NGHTTP2_FLAG_NONE, stream->id, error_code);
    http2_conn_send_soon(stream->conn);
}

/* ---- who waits ------------------------------------------------------------------- */

static void wake(struct http2_waiter *waiter, int result)
{
    struct coro *co = waiter->co;
    waiter->co = NULL;
    if (co != NULL)
        coro_wake(co, waiter->generation, result);
}

/* Wait in the coroutine until woken.  0 or -errno.  Yields. */
static int park(struct http2_stream *stream, struct http2_waiter *waiter, enum coro_reason reason)
{
    struct coro *self = list_entry(aco_gtls_co, struct coro, co);
    waiter->co = self;
    waiter->generation = self->co.generation_;
    self->fd = stream->conn->e->fd;
    int err = coro_park(self, reason);
    waiter->co = NULL;
    return err;
}

void http2_stream_make_ready(struct http2_stream *stream)
{
    stream->state = HTTP2_READY;
    stream->read_ns = 0;
    if (!ring_is_linked(&stream->ready))
        ring_add_tail(&stream->conn->ready, &stream->ready);
}

/* Something of the content is there, or nothing more will be. */
static void content_has_come(struct http2_stream *stream)
{
    wake(&stream->reader, 0);
    if (stream->state == HTTP2_WAITING && !stream->wants_room)
        http2_stream_make_ready(stream);
}

int http2_stream_take_content(struct http2_stream *stream, const void *bytes, size_t len)
{
    struct buf *content = &stream->content;
    stream->received += len;
    if (stream->received > HTTP1_BODY_LEN_MAX)
        stream->s.x->request.body_status = 413;
    if (content->len + len > content->max) {
        buf_consume(content, stream->content_at);
        stream->content_at = 0;
    }
    int err = buf_append(content, bytes, len);
    content_has_come(stream);
    return err;
}

void http2_stream_end_content(struct http2_stream *stream)
{
    stream->has_all = true;
    content_has_come(stream);
}

void http2_stream_has_room(struct http2_stream *stream)
{
    wake(&stream->writer, 0);
    if (stream->state == HTTP2_WAITING && stream->wants_room) {
        http2_stream_make_ready(stream);
        http2_conn_send_soon(stream->conn);
    }
}

/* Drop content that nobody will read; the peer may send as much to others. */
static void drop_content(struct http2_stream *stream)
{
    const size_t left = stream->content.len - stream->content_at;
    nghttp2_session *ng = stream->conn->ng;
    stream->content.len = stream->content_at = 0;
    if (left == 0 || ng == NULL)
        return;
    if (stream->is_closed)
        (void)nghttp2_session_consume_connection(ng, left);
    else
        (void)nghttp2_session_consume(ng, stream->id, left);
}

void http2_stream_close(struct http2_stream *stream, uint32_t error_code)
{
    const bool is_whole = error_code == NGHTTP2_NO_ERROR && stream->is_final;
    stream->is_closed = true;
    stream->write_ns = 0;
    if (!is_whole)
        stream->s.is_broken = true;
    drop_content(stream);
    wake(&stream->reader, 0);
    wake(&stream->writer, 0);
    if (stream->state == HTTP2_WAITING) /* it is told */
        http2_stream_make_ready(stream);
    else if (stream->state == HTTP2_OVER || !stream->has_begun)
        stream_free(stream);
}

/* ---- the handler ----------------------------------------------------------------- */

/* The dispatcher is done with the request. */
static void finish(struct http2_stream *stream)
{
    stream->state = HTTP2_OVER;
    stream->read_ns = 0;
    ring_remove(&stream->ready);
    if (!stream->is_closed) {
        session_settle(&stream->s);
        (void)http2_respond(stream);
    }
    session_end_request(&stream->s);
    drop_content(stream);
    if (stream->is_closed)
        stream_free(stream);
}

/* Answer what is no proper request, or one that is late. */
static void refuse(struct http2_stream *stream, int status, const char *why)
{
    stream->has_begun = true;
    http_respond_simply(&stream->s, status, why);
    finish(stream);
}

/* True if what the handler waits for is there already. */
static bool may_go_on(const struct http2_stream *stream)
{
    if (stream->is_closed)
        return true;
    if (stream->wants_room)
        return stream->body_at == stream->body_end;
    return stream->has_all || stream->content.len > stream->content_at;
}

void http2_stream_dispatch(struct http2_stream *stream)
{
    struct mtev_http_request *req = &stream->s.x->request;
    ring_remove(&stream->ready);
    if (!stream->has_begun && !stream->is_parsed)
        stream->refusal = http2_request_begin(stream);
    if (stream->refusal != 0) {
        refuse(stream, stream->refusal, req->head.reason);
        return;
    }
    stream->has_begun = true;
    stream->state = HTTP2_HANDLING;
    int next = session_dispatch(&stream->s);
    if (next == HTTP_DISPATCH_PENDING) {
        if (http_response_has_ended(&stream->s)) /* maybe by a job */
            (void)http2_respond(stream);
        return;
    }
    if (next == HTTP_DISPATCH_DONE || stream->is_closed) {
        finish(stream);
        return;
    }
    stream->state = HTTP2_WAITING;
    stream->wants_room =
        (next & EVENTER_WRITE) != 0 && ((next & EVENTER_READ) == 0 || req->is_body_complete);
    if (may_go_on(stream)) {
        http2_stream_make_ready(stream);
        return;
    }
    stream->read_ns = stream->wants_room ? 0 : stream->conn->home->loop->now_ns;
    http2_conn_look_in(stream->conn, stream->conn->home->times.body);
}

static void done(mtev_http_session_ctx *ctx)
{
    struct http2_stream *stream = list_entry(ctx, struct http2_stream, s);
    struct http2_conn *conn = stream->conn;
    assert(stream->state == HTTP2_HANDLING);
    if (!conn->is_closed)
        http2_conn_send_soon(conn); /* before: the stream may take a closed connection with it */
    finish(stream);
}

static void resume(mtev_http_session_ctx *ctx)
{
    struct http2_stream *stream = list_entry(ctx, struct http2_stream, s);
    assert(stream->state == HTTP2_HANDLING);
    if (http_response_has_ended(ctx) || stream->conn->is_closed) {
        done(ctx);
        return;
    }
    http2_stream_make_ready(stream);
    http2_conn_send_soon(stream->conn);
}

/* ---- content --------------------------------------------------------------------- */

static int fail(int err)
{
    errno = err;
    return -1;
}

/* Give what is there. */
static int take(struct http2_stream *stream, void *buffer, size_t len)
{
    nghttp2_session *ng = stream->conn->ng;
    const size_t count = MIN(len, stream->content.len - stream->content_at);
    if (buffer != NULL)
        memcpy(buffer, stream->content.bytes + stream->content_at, count);
    stream->content_at += count;
    if (stream->content_at == stream->content.len)
        stream->content_at = stream->content.len = 0;
    if (ng != NULL && !stream->is_closed) {
        (void)nghttp2_session_consume(ng, stream->id, count);
        if (nghttp2_session_want_write(ng) != 0)
            http2_conn_send_soon(stream->conn);
    }
    return (int)count;
}

/* The peer announced content and waits to be told that it is wanted. */
static void send_continue(struct http2_stream *stream)
{
    static uint8_t name[] = ":status", value[] = "100";
    const nghttp2_nv fields[] = {
        {name, value, 7, 3, NGHTTP2_NV_FLAG_NO_COPY_NAME | NGHTTP2_NV_FLAG_NO_COPY_VALUE}};
    struct mtev_http_request *req = &stream->s.x->request;
    if (!req->owes_continue || stream->s.x->response.is_started)
        return;
    req->owes_continue = false;
    (void)nghttp2_submit_headers(stream->conn->ng, NGHTTP2_FLAG_NONE, stream->id, NULL, fields, 1,
                                 NULL);
    http2_conn_send_soon(stream->conn);
}

/* Wait for content.  0: there may be some; or -errno. */
static int await_content(struct http2_stream *stream)
{
    stream->read_ns = stream->conn->home->loop->now_ns;
    http2_conn_look_in(stream->conn, stream->conn->home->times.body);
    int err = park(stream, &stream->reader, CORO_WAITS_TO_READ);
    stream->read_ns = 0;
    if (err == -ETIMEDOUT)
        stream->s.x->request.body_status = 408;
    return err;
}

static int http2_read(mtev_http_session_ctx *ctx, void *buffer, size_t len, int *mask)
{
    struct http2_stream *stream = list_entry(ctx, struct http2_stream, s);
    struct mtev_http_request *req = &ctx->x->request;
    (void)mask;
    for (;;) {
        if (req->body_status != 0)
            return fail(req->body_status == 413 ? EFBIG : ETIMEDOUT);
        if (stream->content.len > stream->content_at)
            return take(stream, buffer, len);
        if (stream->has_all && !ctx->is_broken) {
            req->is_body_complete = true;
            return 0;
        }
        if (stream->is_closed)
            return fail(ECONNRESET);
        send_continue(stream);
        if (!session_may_block(ctx))
            return fail(EAGAIN);
        int err = await_content(stream);
        if (err != 0)
            return fail(-err);
    }
}

/* ---- the response ---------------------------------------------------------------- */

static int flush(mtev_http_session_ctx *ctx)
{
    struct http2_stream *stream = list_entry(ctx, struct http2_stream, s);
    int err = http2_respond(stream);
    if (err == 0)
        http2_conn_send_soon(stream->conn);
    if (!session_may_block(ctx))
        return err;
    while (err == 0 && !stream->is_closed && stream->body_at < stream->body_end)
        err = park(stream, &stream->writer, CORO_WAITS_TO_WRITE);
    return err == 0 && ctx->is_broken ? -EPIPE : err;
}

static void send_ended(mtev_http_session_ctx *ctx)
{
    struct http2_stream *stream = list_entry(ctx, struct http2_stream, s);
    if (http2_respond(stream) == 0)
        http2_conn_send_soon(stream->conn);
}

/* ---- the clock ------------------------------------------------------------------- */

/* The content is late. */
static void time_out(struct http2_stream *stream)
{
    stream->read_ns = 0;
    if (stream->reader.co != NULL) {
        wake(&stream->reader, -ETIMEDOUT);
    } else if (stream->state == HTTP2_WAITING) {
        http2_conn_send_soon(stream->conn);
        refuse(stream, 408, "the request body did not arrive in time");
    }
}

/*
 * What a peer lets trickle takes no longer than what it does not take at all: it has to take
 * HTTP2_PROGRESS_MIN bytes, or all there is, in the time that one write may last.
 */
static uint64_t look_at_response(struct http2_stream *stream, uint64_t now_ns)
{
    const uint64_t patience_ns = stream->conn->home->times.write;
    if (stream->write_ns == 0)
        return UINT64_MAX;
    if (now_ns - stream->write_ns < patience_ns)
        return patience_ns - (now_ns - stream->write_ns);
    if (stream->taken < HTTP2_PROGRESS_MIN) {
        stream->write_ns = 0;
        http2_stream_reset(stream, NGHTTP2_ENHANCE_YOUR_CALM);
        return UINT64_MAX;
    }
    stream->taken = 0;
    stream->write_ns = now_ns;
    return patience_ns;
}

uint64_t http2_stream_look(struct http2_stream *stream, uint64_t now_ns)
{
    const uint64_t patience_ns = stream->conn->home->times.body;
    const uint64_t next = look_at_response(stream, now_ns);
    if (stream->read_ns == 0)
        return next;
    if (now_ns - stream->read_ns < patience_ns)
        return MIN(next, patience_ns - (now_ns - stream->read_ns));
    time_out(stream);
    return next;
}
