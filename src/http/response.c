/* SPDX-License-Identifier: MIT */
/*
 * response.c - what a handler says, and how it becomes bytes.
 *
 * The body gathers in memory.  When the response ends before any of it was sent, its length is
 * known and goes into Content-Length; otherwise the body leaves in chunks, or ends with the
 * connection.
 */
#include "http/conn_impl.h"

#include "base/number.h"
#include "coro/coro.h"
#include "http/http1_char.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

void response_init(struct http_response *res)
{
    res->status = 200;
    memcpy(res->reason, "OK", 2);
    res->reason_len = 2;
    res->fields.len = 0;
    res->body.len = 0;
    res->options = 0;
    res->length_left = 0;
    res->is_torn = res->has_length = res->is_started = res->is_chunked = false;
    res->has_ended = res->is_composed = res->must_close = false;
}

/* ---- setting --------------------------------------------------------------------- */

/* What may stand in a field's value, and in a reason phrase. */
static bool is_text(const char *text, size_t len)
{
    return http1_char_skip_field(text, text + len) == text + len;
}

mtev_boolean mtev_http_response_status_set(mtev_http_session_ctx *ctx, int code, const char *reason)
{
    struct http_response *res = &ctx->x->response;
    size_t len = reason == NULL ? 0 : strlen(reason);
    if (code < 100 || code > 999 || reason == NULL || len >= HTTP_REASON_LEN_MAX ||
        !is_text(reason, len))
        return mtev_false;
    spinlock_lock(&res->lock);
    bool ok = !res->is_started && !res->has_ended;
    if (ok) {
        res->status = code;
        memcpy(res->reason, reason, len);
        res->reason_len = (uint8_t)len;
    }
    spinlock_unlock(&res->lock);
    return ok ? mtev_true : mtev_false;
}

/* Remove the line of the field called name, which is len bytes. */
static void remove_field(struct buf *fields, const char *name, size_t len)
{
    char *line = fields->bytes, *end = line + fields->len;
    while (line < end) {
        char *next = memchr(line, '\n', (size_t)(end - line));
        assert(next != NULL);
        next++;
        if (strncasecmp(line, name, len) == 0 && line[len] == ':') { /* RFC 9110 section 5.1 */
            memmove(line, next, (size_t)(end - next));
            fields->len -= (size_t)(next - line);
            return;
        }
        line = next;
    }
}

static bool is_token(const char *name, size_t len)
{
    return len > 0 && http1_char_skip_token(name, name + len) == name + len;
}

/* Put the line of a field, without one of that name before it, among the fields. */
static bool set_field(struct http_response *res, const char *name, size_t name_len,
                      const char *value, size_t value_len)
{
    struct buf *fields = &res->fields;
    if (fields->len > 0)
        remove_field(fields, name, name_len);
    if (buf_reserve(fields, name_len + value_len + 4) != 0)
        return false;
    char *to = fields->bytes + fields->len;
    memcpy(to, name, name_len);
    memcpy(to + name_len, ": ", 2);
    memcpy(to + name_len + 2, value, value_len);
    memcpy(to + name_len + 2 + value_len, "\r\n", 2);
    fields->len += name_len + value_len + 4;
    return true;
}

static bool is_named(const char *name, size_t len, const char *known, size_t known_len)
{
    return len == known_len && strncasecmp(name, known, len) == 0;
}
#define IS_NAMED(name, len, literal) is_named((name), (len), (literal), sizeof(literal) - 1)

/*
 * Set a field, or take what it says where the field itself is ours to send: the handler may ask for
 * the connection's end, and may know the length.
 */
static bool take_field(struct http_response *res, const char *name, size_t len, const char *value,
                       size_t value_len)
{
    uint64_t length;
    if (IS_NAMED(name, len, "Transfer-Encoding") || IS_NAMED(name, len, "Date"))
        return false;
    if (IS_NAMED(name, len, "Connection")) {
        res->must_close = res->must_close || strcasestr(value, "close") != NULL;
        return true;
    }
    if (IS_NAMED(name, len, "Content-Length")) {
        if (number_u64(value, value_len, INT64_MAX, &length) != 0)
            return false;
        res->has_length = true; /* compose_head() writes it: once, and as numbers are written */
        res->length_left = length;
        return true;
    }
    return set_field(res, name, len, value, value_len);
}

mtev_boolean mtev_http_response_header_set(mtev_http_session_ctx *ctx, const char *name,
                                           const char *value)
{
    struct http_response *res = &ctx->x->response;
    size_t len = name == NULL ? 0 : strlen(name), value_len = value == NULL ? 0 : strlen(value);
    if (value == NULL || !is_token(name, len) || !is_text(value, value_len))
        return mtev_false;
    spinlock_lock(&res->lock);
    bool ok = !res->is_started && !res->has_ended && take_field(res, name, len, value, value_len);
    spinlock_unlock(&res->lock);
    return ok ? mtev_true : mtev_false;
}

mtev_boolean mtev_http_response_option_set(mtev_http_session_ctx *ctx, uint32_t opts)
{
    struct http_response *res = &ctx->x->response;
    bool can_chunk = ctx->x->request.head.version == 11;
    if ((opts & ~(MTEV_HTTP_CHUNKED | MTEV_HTTP_CLOSE)) != 0 ||
        ((opts & MTEV_HTTP_CHUNKED) != 0 && !can_chunk))
        return mtev_false;
    spinlock_lock(&res->lock);
    bool ok = !res->is_started && !res->has_ended;
    if (ok) {
        res->options |= opts;
        res->must_close = res->must_close || (opts & MTEV_HTTP_CLOSE) != 0;
    }
    spinlock_unlock(&res->lock);
    return ok ? mtev_true : mtev_false;
}

/* ---- appending ------------------------------------------------------------------- */

/* Note in the response, whose lock is held, what became of an append.  True if it is there. */
static bool note_append(struct http_response *res, int err)
{
    res->is_torn = res->is_torn || err != 0;
    return err == 0;
}

/* Send what has gathered, len bytes, if it is much and we can; false if the peer is gone. */
static bool flush_if_much(mtev_http_session_ctx *ctx, size_t len)
{
    if (len < HTTP_FLUSH_AT || loop_self != ctx->home->loop)
        return true;
    return mtev_http_response_flush(ctx, mtev_false) == mtev_true;
}

mtev_boolean mtev_http_response_append(mtev_http_session_ctx *ctx, const void *bytes, size_t len)
{
    struct http_response *res = &ctx->x->response;
    spinlock_lock(&res->lock);
    bool ok =
        !res->has_ended && !ctx->is_broken && note_append(res, buf_append(&res->body, bytes, len));
    size_t gathered = res->body.len;
    spinlock_unlock(&res->lock);
    return ok && flush_if_much(ctx, gathered) ? mtev_true : mtev_false;
}

mtev_boolean mtev_http_response_append_str(mtev_http_session_ctx *ctx, const char *text)
{
    return mtev_http_response_append(ctx, text, strlen(text));
}

mtev_boolean mtev_http_response_appendf(mtev_http_session_ctx *ctx, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    mtev_boolean ok = mtev_http_response_vappend(ctx, format, args);
    va_end(args);
    return ok;
}

mtev_boolean mtev_http_response_vappend(mtev_http_session_ctx *ctx, const char *format,
                                        va_list args)
{
    struct http_response *res = &ctx->x->response;
    spinlock_lock(&res->lock);
    bool ok = !res->has_ended && !ctx->is_broken &&
              note_append(res, buf_vappendf(&res->body, format, args));
    size_t gathered = res->body.len;
    spinlock_unlock(&res->lock);
    return ok && flush_if_much(ctx, gathered) ? mtev_true : mtev_false;
}

/* ---- composing ------------------------------------------------------------------- */

static bool has_no_body(const struct http_response *res)
{
    return res->status < 200 || res->status == 204 || res->status == 304;
}

static bool answers_head(const mtev_http_session_ctx *ctx)
{
    return ctx->x->request.method != NULL && strcmp(ctx->x->request.method, "HEAD") == 0;
}

/* Write number in decimal before end; returns where it starts. */
static char *decimal(char *end, uint64_t number)
{
    do
        *--end = (char)('0' + number % 10);
    while ((number /= 10) != 0);
    return end;
}

static char *put(char *to, const char *text, size_t len)
{
    memcpy(to, text, len);
    return to + len;
}
#define PUT_TEXT(to, literal) put((to), (literal), sizeof(literal) - 1)

/* Decide how the body is framed, and put the head into out.  final: the body is all there. */
static int compose_head(mtev_http_session_ctx *ctx, bool final)
{
    struct http_response *res = &ctx->x->response;
    struct buf *out = &ctx->x->out;
    bool is_11 = ctx->x->request.head.version != 10;
    char number[20], *digits = number + sizeof(number);

    if (final && !res->has_length && !has_no_body(res)) {
        res->has_length = true;
        res->length_left = res->body.len;
    }
    bool says_length = res->has_length && res->status >= 200 && res->status != 204;
    if (!final && !res->has_length && !has_no_body(res)) {
        res->is_chunked = is_11 && (res->options & MTEV_HTTP_CLOSE) == 0;
        res->must_close = res->must_close || !res->is_chunked;
    }
    res->must_close = res->must_close || !ctx->x->request.head.keep_alive ||
                      ctx->home->is_draining || res->status < 200; /* it would be no answer */
    int err = buf_reserve(out, res->fields.len + HTTP_REASON_LEN_MAX + 192);
    if (err != 0)
        return err;
    char *to = out->bytes + out->len;
    to = PUT_TEXT(to, "HTTP/1.1 ");
    *to++ = (char)('0' + res->status / 100);
    *to++ = (char)('0' + res->status / 10 % 10);
    *to++ = (char)('0' + res->status % 10);
    *to++ = ' ';
    to = put(to, res->reason, res->reason_len);
    to = PUT_TEXT(to, "\r\nDate: ");
    to = put(to, http_date(ctx->home), HTTP_DATE_LEN);
    to = PUT_TEXT(to, "\r\n");
    if (res->fields.len > 0)
        to = put(to, res->fields.bytes, res->fields.len);
    if (says_length) {
        digits = decimal(digits, res->length_left);
        to = PUT_TEXT(to, "Content-Length: ");
        to = put(to, digits, (size_t)(number + sizeof(number) - digits));
        to = PUT_TEXT(to, "\r\n");
    }
    if (res->is_chunked)
        to = PUT_TEXT(to, "Transfer-Encoding: chunked\r\n");
    if (res->must_close)
        to = PUT_TEXT(to, "Connection: close\r\n");
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
    if (has_no_body(res) || answers_head(ctx))
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

int response_compose(mtev_http_session_ctx *ctx)
{
    struct http_response *res = &ctx->x->response;
    int err = 0;
    if (res->is_composed)
        return 0;
    spinlock_lock(&res->lock);
    bool final = res->has_ended;
    if (final && res->is_torn)
        err = -ENOMEM;
    else if (!res->is_started)
        err = compose_head(ctx, final);
    if (err == 0)
        err = compose_body(ctx);
    if (err == 0 && final && res->is_chunked && !answers_head(ctx))
        err = buf_append(&ctx->x->out, "0\r\n\r\n", 5);
    if (err == 0 && final && res->has_length && res->length_left > 0 && !answers_head(ctx) &&
        !has_no_body(res))
        res->must_close = true; /* the peer waits for what does not come */
    res->is_composed = final && err == 0;
    if (err != 0) { /* half a message cannot be mended */
        res->has_ended = true;
        ctx->is_broken = true;
    }
    spinlock_unlock(&res->lock);
    return err;
}

/* ---- sending --------------------------------------------------------------------- */

mtev_boolean mtev_http_response_flush(mtev_http_session_ctx *ctx, mtev_boolean final)
{
    if (final == mtev_true)
        return mtev_http_response_end(ctx);
    if (ctx->is_broken)
        return mtev_false;
    if (loop_self != ctx->home->loop)
        return mtev_true; /* a job: what is there is sent when the coroutine goes on */
    if (response_compose(ctx) != 0)
        return mtev_false;
    int err = conn_may_block(ctx) ? conn_send_all(ctx) : conn_send(ctx);
    return err == 0 || err == -EAGAIN ? mtev_true : mtev_false;
}

mtev_boolean mtev_http_response_end(mtev_http_session_ctx *ctx)
{
    struct http_response *res = &ctx->x->response;
    spinlock_lock(&res->lock);
    bool was_open = !res->has_ended;
    res->has_ended = true;
    spinlock_unlock(&res->lock);
    /* A handler that has not waited yet is about to be over, and the output leaves with others'. */
    if (was_open && conn_may_block(ctx) && !ctx->is_dispatching)
        conn_send_ended(ctx);
    return was_open && !ctx->is_broken ? mtev_true : mtev_false;
}

mtev_boolean mtev_http_response_complete(mtev_http_session_ctx *ctx)
{
    struct http_response *res = &ctx->x->response;
    spinlock_lock(&res->lock);
    bool has_ended = res->has_ended;
    spinlock_unlock(&res->lock);
    return has_ended ? mtev_true : mtev_false;
}

mtev_boolean mtev_http_response_closed(mtev_http_session_ctx *ctx)
{
    return ctx->is_broken ? mtev_true : mtev_http_response_complete(ctx);
}

bool http_response_has_ended(mtev_http_session_ctx *ctx)
{
    return mtev_http_response_complete(ctx) == mtev_true;
}
