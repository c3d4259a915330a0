/* SPDX-License-Identifier: MIT */
/*
 * response.c - what a handler says.  Its body gathers in memory until the carrier sends it.
 */
#include "http/session_impl.h"

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
    res->is_composed = res->must_close = res->has_upgrade = false;
    atomic_store_explicit(&res->has_ended, false, memory_order_relaxed);
}

/* ---- setting --------------------------------------------------------------------- */

/* With the lock: true if the head may still be changed. */
static bool is_open(const struct http_response *res)
{
    return !res->is_started && !res->has_ended;
}

static bool is_status(int code, const char *reason, size_t len)
{
    return code >= 100 && code <= 999 && len < HTTP_REASON_LEN_MAX &&
           http1_char_is_field(reason, len);
}

static void set_status(struct http_response *res, int code, const char *reason, size_t len)
{
    res->status = code;
    memcpy(res->reason, reason, len);
    res->reason_len = (uint8_t)len;
}

mtev_boolean mtev_http_response_status_set(mtev_http_session_ctx *ctx, int code, const char *reason)
{
    struct http_response *res = &ctx->x->response;
    size_t len = reason == NULL ? 0 : strlen(reason);
    if (reason == NULL || !is_status(code, reason, len))
        return mtev_false;
    spinlock_lock(&res->lock);
    bool ok = is_open(res);
    if (ok)
        set_status(res, code, reason, len);
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
    if (IS_NAMED(name, len, "Upgrade"))
        res->has_upgrade = true;
    if (len != 4 && len != 10 && len != 14 && len != 17) /* of the names below */
        return set_field(res, name, len, value, value_len);
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
    if (value == NULL || !http1_char_is_token(name, len) || !http1_char_is_field(value, value_len))
        return mtev_false;
    spinlock_lock(&res->lock);
    bool ok = is_open(res) && take_field(res, name, len, value, value_len);
    spinlock_unlock(&res->lock);
    return ok ? mtev_true : mtev_false;
}

static void set_options(struct http_response *res, uint32_t opts)
{
    res->options |= opts;
    res->must_close = res->must_close || (opts & MTEV_HTTP_CLOSE) != 0;
}

static bool can_chunk(const mtev_http_session_ctx *ctx)
{
    return ctx->x->request.head.version != 10;
}

mtev_boolean mtev_http_response_option_set(mtev_http_session_ctx *ctx, uint32_t opts)
{
    struct http_response *res = &ctx->x->response;
    if ((opts & ~(MTEV_HTTP_CHUNKED | MTEV_HTTP_CLOSE)) != 0 ||
        ((opts & MTEV_HTTP_CHUNKED) != 0 && !can_chunk(ctx)))
        return mtev_false;
    spinlock_lock(&res->lock);
    bool ok = is_open(res);
    if (ok)
        set_options(res, opts);
    spinlock_unlock(&res->lock);
    return ok ? mtev_true : mtev_false;
}

void mtev_http_response_standard(mtev_http_session_ctx *ctx, int code, const char *reason,
                                 const char *type)
{
    static const char name[] = "Content-Type";
    struct http_response *res = &ctx->x->response;
    size_t len = reason == NULL ? 0 : strlen(reason), type_len = type == NULL ? 0 : strlen(type);
    const bool has_status = reason != NULL && is_status(code, reason, len);
    const bool has_type = type != NULL && http1_char_is_field(type, type_len);
    spinlock_lock(&res->lock);
    if (is_open(res)) {
        if (has_status)
            set_status(res, code, reason, len);
        if (has_type)
            (void)set_field(res, name, sizeof(name) - 1, type, type_len);
        set_options(res, can_chunk(ctx) ? MTEV_HTTP_CHUNKED : MTEV_HTTP_CLOSE);
    }
    spinlock_unlock(&res->lock);
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

/* ---- sending --------------------------------------------------------------------- */

mtev_boolean mtev_http_response_flush(mtev_http_session_ctx *ctx, mtev_boolean final)
{
    if (final == mtev_true)
        return mtev_http_response_end(ctx);
    if (ctx->is_broken)
        return mtev_false;
    if (loop_self != ctx->home->loop)
        return mtev_true; /* a job: what is there is sent when the coroutine goes on */
    int err = ctx->carrier->flush(ctx);
    return err == 0 || err == -EAGAIN ? mtev_true : mtev_false;
}

mtev_boolean mtev_http_response_end(mtev_http_session_ctx *ctx)
{
    struct http_response *res = &ctx->x->response;
    spinlock_lock(&res->lock);
    bool was_open = !res->has_ended;
    atomic_store_explicit(&res->has_ended, true, memory_order_release);
    spinlock_unlock(&res->lock);
    /* A handler that has not waited yet is about to be over, and the output leaves with others'. */
    if (was_open && session_may_block(ctx) && !ctx->is_dispatching)
        ctx->carrier->send_ended(ctx);
    return was_open && !ctx->is_broken ? mtev_true : mtev_false;
}

bool http_response_has_ended(mtev_http_session_ctx *ctx)
{
    return atomic_load_explicit(&ctx->x->response.has_ended, memory_order_acquire);
}

mtev_boolean mtev_http_response_complete(mtev_http_session_ctx *ctx)
{
    return http_response_has_ended(ctx) ? mtev_true : mtev_false;
}

mtev_boolean mtev_http_response_closed(mtev_http_session_ctx *ctx)
{
    return ctx->is_broken ? mtev_true : mtev_http_response_complete(ctx);
}
