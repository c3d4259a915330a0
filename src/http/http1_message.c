/* SPDX-License-Identifier: MIT */
/*
 * http1_message.c - a message of HTTP/1: the content of a request out of its framing, and a
 * response into bytes.
 *
 * When a response ends before any of it was sent, its length is known and goes into Content-Length;
 * otherwise the body leaves in chunks, or ends with the connection.
 */
#include "http/http1_conn.h"

#include "base/number.h"
#include "coro/coro.h"

#include <errno.h>
#include <string.h>

/* ---- a request ------------------------------------------------------------------- */

/*
 * Make room behind the head for the body, by moving the head to the front or by a larger buffer.
 * From here on the buffer stays where it is until the request is over: texts point into it.
 */
static int make_room(struct http_exchange *x)
{
    size_t head_len = x->request.head.head_len;
    if (x->in.capacity - (x->start + head_len) >= HTTP_BODY_ROOM_MIN)
        return 0;
    buf_consume(&x->in, x->start);
    x->start = 0;
    size_t wanted = head_len + HTTP_BODY_ROOM_MIN;
    return wanted <= x->in.capacity ? 0 : buf_reserve(&x->in, wanted - x->in.len);
}

int http1_begin_request(mtev_http_session_ctx *ctx)
{
    struct http_exchange *x = ctx->x;
    struct mtev_http_request *req = &x->request;
    const struct http1_head *head = &req->head;
    if (make_room(x) != 0)
        return 503;
    x->body_at = x->start + head->head_len;
    int status = request_begin(ctx, x->in.bytes + x->start);
    if (head->chunked)
        http1_body_init_chunked(&req->body, HTTP1_BODY_LEN_MAX);
    else if (req->has_body)
        req->body_status =
            http1_body_init_length(&req->body, head->content_length, HTTP1_BODY_LEN_MAX);
    return status;
}

/* ---- its content ----------------------------------------------------------------- */

static int fail(int err)
{
    errno = err;
    return -1;
}

/* What a body_status is to a handler that reads. */
static int errno_of(int status)
{
    return status == 413 ? EFBIG : status == 408 ? ETIMEDOUT : EBADMSG;
}

/* Take at most len bytes of what is in the buffer as they are, to buffer (NULL: dropped). */
static size_t take_raw(struct http_exchange *x, char *buffer, size_t len)
{
    size_t avail = x->in.len - x->body_at;
    if (len > avail)
        len = avail;
    if (buffer != NULL && len > 0)
        memcpy(buffer, x->in.bytes + x->body_at, len);
    x->body_at += len;
    return len;
}

/*
 * Decode at most len bytes of content from what is in the buffer, to buffer (NULL: dropped).
 * Returns how many; 0 with nothing decoded: the body is complete, wrong, or the buffer is empty.
 */
static size_t decode(struct http_exchange *x, char *buffer, size_t len)
{
    struct mtev_http_request *req = &x->request;
    if (req->is_raw)
        return take_raw(x, buffer, len);
    while (!req->is_body_complete && req->body_status == 0 && x->body_at < x->in.len) {
        size_t avail = x->in.len - x->body_at, consumed, data_len;
        const char *data;
        int rv = http1_body_decode(&req->body, x->in.bytes + x->body_at, avail < len ? avail : len,
                                   &consumed, &data, &data_len);
        x->body_at += consumed;
        if (rv == 1)
            req->is_body_complete = true;
        else if (rv != 0)
            req->body_status = rv;
        if (data_len > 0) {
            if (buffer != NULL)
                memcpy(buffer, data, data_len);
            return data_len;
        }
    }
    return 0;
}

/* The peer announced a body and waits to be told that it is wanted. */
static int send_continue(mtev_http_session_ctx *ctx)
{
    static const char interim[] = "HTTP/1.1 100 Continue\r\n\r\n";
    struct mtev_http_request *req = &ctx->x->request;
    if (!req->owes_continue || ctx->x->response.is_started) /* the answer itself has begun */
        return 0;
    req->owes_continue = false;
    int err = buf_append(&ctx->x->out, interim, sizeof(interim) - 1);
    if (err == 0)
        err = http1_send(ctx);
    return err == -EAGAIN ? 0 : err;
}

/* Read more of the body into the buffer, whose earlier part of the body is decoded.  As read(2). */
static int read_more(mtev_http_session_ctx *ctx, int *mask)
{
    struct http_exchange *x = ctx->x;
    x->in.len = x->body_at = x->start + x->request.head.head_len;
    char *room = x->in.bytes + x->in.len;
    size_t size = x->in.capacity - x->in.len;
    int rv;
    if (session_may_block(ctx)) {
        struct timeval patience = clock_timeval(ctx->home->times.body);
        rv = eventer_aco_read((eventer_aco_t)ctx->e, room, size, &patience);
    } else if (ctx->e->edge.may_read) {
        rv = wire_read(ctx->e, room, size, mask);
        edge_note_read(ctx->e, rv, size);
    } else {
        rv = fail(EAGAIN);
    }
    if (rv > 0)
        x->in.len += (size_t)rv;
    return rv;
}

int http1_read(mtev_http_session_ctx *ctx, void *buffer, size_t len, int *mask)
{
    struct http_exchange *x = ctx->x;
    struct mtev_http_request *req = &x->request;
    for (;;) {
        size_t count = decode(x, buffer, len);
        if (count > 0)
            return (int)count;
        if (req->is_body_complete)
            return 0;
        if (req->body_status != 0)
            return fail(errno_of(req->body_status));
        int rv = send_continue(ctx) == 0 ? read_more(ctx, mask) : fail(ECONNRESET);
        if (rv > 0)
            continue;
        if (rv < 0 && errno == EAGAIN)
            return -1;
        if (rv < 0 && errno == ETIMEDOUT) {
            req->body_status = 408;
            return -1;
        }
        ctx->is_broken = true;
        return fail(ECONNRESET);
    }
}

bool http1_skip_body(mtev_http_session_ctx *ctx)
{
    struct http_exchange *x = ctx->x;
    if (x->request.owes_continue) /* it was never asked for: the peer may send it, or not */
        return x->request.is_body_complete;
    while (decode(x, NULL, HTTP_IN_SIZE) > 0)
        ;
    return x->request.is_body_complete;
}

/* ---- a response ------------------------------------------------------------------ */

static char *put(char *to, const char *text, size_t len)
{
    memcpy(to, text, len);
    return to + len;
}
#define PUT_TEXT(to, literal) put((to), (literal), sizeof(literal) - 1)

/* The status line, and Date; ok is http_ok_line(). */
static char *put_first_lines(char *to, const struct http_response *res, const char *ok)
{
    memcpy(to, ok, HTTP_OK_LEN);
    if (res->status == 200 && res->reason_len == 2 && memcmp(res->reason, "OK", 2) == 0)
        return to + HTTP_OK_LEN;
    to += sizeof("HTTP/1.1 ") - 1;
    *to++ = (char)('0' + res->status / 100);
    *to++ = (char)('0' + res->status / 10 % 10);
    *to++ = (char)('0' + res->status % 10);
    *to++ = ' ';
    to = put(to, res->reason, res->reason_len);
    to = PUT_TEXT(to, "\r\nDate: ");
    return put(to, ok + HTTP_OK_DATE_AT, HTTP_DATE_LEN + 2);
}

/* Decide how the body is framed, and put the head into out.  final: the body is all there. */
static int compose_head(mtev_http_session_ctx *ctx, bool final)
{
    struct http_response *res = &ctx->x->response;
    struct buf *out = &ctx->x->out;
    bool is_11 = ctx->x->request.head.version != 10;
    char number[NUMBER_DIGITS_MAX], *digits = number + sizeof(number);

    if (final && !res->has_length && !http_status_has_no_content(res->status)) {
        res->has_length = true;
        res->length_left = res->body.len;
    }
    bool says_length = res->has_length && res->status >= 200 && res->status != 204;
    if (!final && !res->has_length && !http_status_has_no_content(res->status)) {
        res->is_chunked = is_11 && (res->options & MTEV_HTTP_CLOSE) == 0;
        res->must_close = res->must_close || !res->is_chunked;
    }
    res->must_close = res->must_close || !ctx->x->request.head.keep_alive ||
                      ctx->home->is_draining || res->status < 200; /* it would be no answer */
    int err = buf_reserve(out, res->fields.len + res->body.len + HTTP_REASON_LEN_MAX + 192);
    if (err != 0)
        return err;
    char *to = put_first_lines(out->bytes + out->len, res, http_ok_line(ctx->home));
    if (res->fields.len > 0)
        to = put(to, res->fields.bytes, res->fields.len);
    if (says_length) {
        digits = number_put_before(digits, res->length_left);
        to = PUT_TEXT(to, "Content-Length: ");
        to = put(to, digits, (size_t)(number + sizeof(number) - digits));
        to = PUT_TEXT(to, "\r\n");
    }
    if (res->is_chunked)
        to = PUT_TEXT(to, "Transfer-Encoding: chunked\r\n");
    if (ctx->x->request.is_raw)
        to = PUT_TEXT(to, "Connection: Upgrade\r\n");
    else if (res->must_close)
        to = res->has_upgrade ? PUT_TEXT(to, "Connection: close, Upgrade\r\n")
                              : PUT_TEXT(to, "Connection: close\r\n");
    else if (res->has_upgrade)
        to = PUT_TEXT(to, "Connection: Upgrade\r\n");
    else if (!is_11)
        to = PUT_TEXT(to, "Connection: keep-alive\r\n");
    to = PUT_TEXT(to, "\r\n");
    out->len = (size_t)(to - out->bytes);
    res->is_started = true;
    return 0;
}

/* Put what has gathered of the body into out. */
static int compose_body(mtev_http_session_ctx *ctx)
{
    struct http_response *res = &ctx->x->response;
    struct buf *out = &ctx->x->out;
    size_t len = res->body.len;
    if (res->has_length && len > res->length_left) {
        mtevL(mtev_error, "http: %s: the body is longer than its Content-Length; cut\n",
              ctx->x->request.path);
        len = (size_t)res->length_left;
        res->must_close = true;
    }
    if (res->has_length)
        res->length_left -= len;
    if (!session_has_content(ctx))
        len = 0;
    res->body.len = 0;
    if (len == 0)
        return 0;
    int err = buf_reserve(out, len + 24);
    if (err != 0)
        return err;
    if (res->is_chunked)
        err = buf_appendf(out, "%zx\r\n", len);
    if (err == 0)
        err = buf_append(out, res->body.bytes, len);
    if (err == 0 && res->is_chunked)
        err = buf_append(out, "\r\n", 2);
    return err;
}

int http1_compose(mtev_http_session_ctx *ctx)
{
    struct http_response *res = &ctx->x->response;
    int err = 0;
    if (res->is_composed)
        return 0;
    bool final = atomic_load_explicit(&res->has_ended, memory_order_acquire);
    const bool has_content = session_has_content(ctx), is_shared = !final;
    if (is_shared) {
        spinlock_lock(&res->lock);
        final = res->has_ended;
    }
    if (final && res->is_torn)
        err = -ENOMEM;
    else if (!res->is_started)
        err = compose_head(ctx, final);
    if (err == 0)
        err = compose_body(ctx);
    if (err == 0 && final && res->is_chunked && has_content)
        err = buf_append(&ctx->x->out, "0\r\n\r\n", 5);
    if (err == 0 && final && res->has_length && res->length_left > 0 && has_content)
        res->must_close = true; /* the peer waits for what does not come */
    res->is_composed = final && err == 0;
    if (err != 0) { /* half a message cannot be mended */
        res->has_ended = true;
        ctx->is_broken = true;
    }
    if (is_shared)
        spinlock_unlock(&res->lock);
    return err;
}
