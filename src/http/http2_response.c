/* SPDX-License-Identifier: MIT */
/*
 * http2_response.c - a response into frames: HEADERS once, then DATA as windows let it.
 *
 * nghttp2 asks for as much of the body as may leave, when it may: nothing is copied before.  A
 * response that has ended before any of it was sent says its length, as in HTTP/1.
 */
#include "http/http2_conn.h"

#include <errno.h>
#include <strings.h>

#define NO_COPY (NGHTTP2_NV_FLAG_NO_COPY_NAME | NGHTTP2_NV_FLAG_NO_COPY_VALUE)

/* ---- the head -------------------------------------------------------------------- */

static nghttp2_nv field_of(const char *name, const char *value, size_t value_len)
{
    return (nghttp2_nv){(uint8_t *)(uintptr_t)name, (uint8_t *)(uintptr_t)value, strlen(name),
                        value_len, NO_COPY};
}

/* Fields that say something of an HTTP/1 connection have no place here: RFC 9113 section 8.2.2. */
static bool is_of_connection(const char *name, size_t len)
{
    static const char *const names[] = {"keep-alive", "proxy-connection", "upgrade", "te"};
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
        if (strlen(names[i]) == len && memcmp(names[i], name, len) == 0)
            return true;
    return false;
}

/* Make the line (up to its CR, at end) a field; names are in lower case.  False: it is none. */
static bool take_line(char *line, const char *end, nghttp2_nv *out)
{
    char *colon = memchr(line, ':', (size_t)(end - line));
    const char *value = colon + 1;
    for (char *p = line; p < colon; p++)
        if (*p >= 'A' && *p <= 'Z')
            *p = (char)(*p | 0x20);
    while (value < end && (*value == ' ' || *value == '\t'))
        value++;
    while (end > value && (end[-1] == ' ' || end[-1] == '\t'))
        end--;
    *out = (nghttp2_nv){(uint8_t *)line, (uint8_t *)(uintptr_t)value, (size_t)(colon - line),
                        (size_t)(end - value), NO_COPY};
    return !is_of_connection(line, (size_t)(colon - line));
}

static size_t count_lines(const struct buf *fields)
{
    size_t count = 0;
    for (size_t i = 0; i < fields->len; i++)
        count += fields->bytes[i] == '\n';
    return count;
}

/* Put the fields that were set behind those at fields; returns how many there are then. */
static size_t take_lines(struct buf *lines, nghttp2_nv *fields, size_t count)
{
    char *line = lines->bytes, *end = line + lines->len;
    while (line < end) {
        char *lf = memchr(line, '\n', (size_t)(end - line));
        if (take_line(line, lf - 1, &fields[count]))
            count++;
        line = lf + 1;
    }
    return count;
}

/* All there is to say of the body's length is known: note it.  The response's lock is held. */
static void note_length(struct http_response *res)
{
    if (res->has_ended && !res->has_length && !http_status_has_no_content(res->status)) {
        res->has_length = true;
        res->length_left = res->body.len;
    }
}

/* Hand the head to nghttp2, and where the body comes from, if there is one.  0 or -errno. */
static int submit_head(struct http2_stream *stream)
{
    struct http_exchange *x = stream->s.x;
    struct http_response *res = &x->response;
    note_length(res);
    nghttp2_nv *fields = arena_alloc(&x->arena, (count_lines(&res->fields) + 3) * sizeof(*fields));
    if (fields == NULL)
        return -ENOMEM;
    stream->status[0] = (char)('0' + res->status / 100);
    stream->status[1] = (char)('0' + res->status / 10 % 10);
    stream->status[2] = (char)('0' + res->status % 10);
    size_t count = 0;
    fields[count++] = field_of(":status", stream->status, sizeof(stream->status));
    fields[count++] = field_of("date", http_date(stream->s.home), HTTP_DATE_LEN);
    count = take_lines(&res->fields, fields, count);
    if (res->has_length && res->status != 204) {
        char *end = stream->length + sizeof(stream->length);
        char *digits = number_put_before(end, res->length_left);
        fields[count++] = field_of("content-length", digits, (size_t)(end - digits));
    }
    const bool is_all = res->has_ended && (!session_has_content(&stream->s) ||
                                           (res->body.len == 0 && res->length_left == 0));
    nghttp2_data_provider body = {{.ptr = stream}, http2_response_read};
    res->is_started = true;
    return nghttp2_submit_response(stream->conn->ng, stream->id, fields, count,
                                   is_all ? NULL : &body) == 0
               ? 0
               : -ENOMEM;
}

/* ---- the body -------------------------------------------------------------------- */

/* Let what has gathered of the body leave.  The response's lock is held. */
static void release_body(struct http2_stream *stream)
{
    struct http_response *res = &stream->s.x->response;
    const bool has_content = session_has_content(&stream->s);
    size_t more = res->body.len - stream->body_end;
    if (res->has_length && more > res->length_left) {
        mtevL(mtev_error, "http: %s: the body is longer than its Content-Length; cut\n",
              stream->s.x->request.path);
        more = (size_t)res->length_left;
        res->body.len = stream->body_end + more;
    }
    if (res->has_length)
        res->length_left -= more;
    if (!has_content)
        res->body.len = 0;
    stream->body_end = res->body.len;
    stream->is_final = res->has_ended;
    stream->is_short = res->has_ended && has_content && res->has_length && res->length_left > 0;
    res->is_composed = res->has_ended;
    if (stream->write_ns == 0 && stream->body_at < stream->body_end) {
        stream->taken = 0;
        stream->write_ns = stream->conn->home->loop->now_ns;
        http2_conn_look_in(stream->conn, stream->conn->home->times.write);
    }
}

/* Do what http2_respond() does; the response's lock is held. */
static int respond(struct http2_stream *stream)
{
    struct http_response *res = &stream->s.x->response;
    int err = 0;
    if (res->has_ended && res->is_torn)
        return -ENOMEM;
    if (res->status < 200)
        return -EINVAL; /* it would be no answer */
    if (!res->is_started)
        err = submit_head(stream);
    else if (nghttp2_session_resume_data(stream->conn->ng, stream->id) == NGHTTP2_ERR_NOMEM)
        err = -ENOMEM;
    if (err == 0)
        release_body(stream);
    return err;
}

int http2_respond(struct http2_stream *stream)
{
    struct http_response *res = &stream->s.x->response;
    if (res->is_composed)
        return 0;
    if (stream->is_closed)
        return -EPIPE;
    spinlock_lock(&res->lock);
    int err = respond(stream);
    if (err != 0) { /* half a message cannot be mended */
        res->has_ended = true;
        res->is_composed = true;
        stream->s.is_broken = true;
    }
    spinlock_unlock(&res->lock);
    if (err != 0)
        http2_stream_reset(stream, NGHTTP2_INTERNAL_ERROR);
    return err;
}

ssize_t http2_response_read(nghttp2_session *ng, int32_t id, uint8_t *buffer, size_t len,
                            uint32_t *flags, nghttp2_data_source *source, void *closure)
{
    const struct http2_stream *stream = source->ptr;
    const size_t left = stream->body_end - stream->body_at;
    (void)ng;
    (void)id;
    (void)buffer;
    (void)closure;
    if (left == 0 && !stream->is_final)
        return NGHTTP2_ERR_DEFERRED;
    *flags |= NGHTTP2_DATA_FLAG_NO_COPY;
    if (left > len || !stream->is_final)
        return (ssize_t)MIN(left, len);
    if (stream->is_short && left == 0)
        return NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE; /* the peer is not to take it for all */
    if (!stream->is_short)
        *flags |= NGHTTP2_DATA_FLAG_EOF;
    return (ssize_t)left;
}

/* Bytes of the body have left; the response's lock is held. */
static void note_taken(struct http2_stream *stream, size_t len)
{
    struct http_response *res = &stream->s.x->response;
    stream->body_at += len;
    stream->taken += len;
    if (stream->body_at == stream->body_end)
        stream->write_ns = 0;
    /* What has left goes when that is all, or makes room for much. */
    if (stream->body_at == res->body.len ||
        (stream->body_at > HTTP_OUT_HIGH && stream->body_at > res->body.len / 2)) {
        buf_consume(&res->body, stream->body_at);
        stream->body_end -= stream->body_at;
        stream->body_at = 0;
    }
}

int http2_response_send(nghttp2_session *ng, nghttp2_frame *frame, const uint8_t *head, size_t len,
                        nghttp2_data_source *source, void *closure)
{
    struct http2_conn *conn = closure;
    struct http2_room *room = conn->home->http2;
    struct http2_stream *stream = source->ptr;
    struct http_response *res = &stream->s.x->response;
    (void)ng;
    (void)frame;
    if (room->out_len > HTTP_OUT_HIGH ||
        HTTP2_FRAME_HEAD_LEN + len > sizeof(room->out) - room->out_len) {
        room->is_full = true;
        return NGHTTP2_ERR_WOULDBLOCK;
    }
    memcpy(room->out + room->out_len, head, HTTP2_FRAME_HEAD_LEN);
    room->out_len += HTTP2_FRAME_HEAD_LEN;
    if (len > 0) {
        spinlock_lock(&res->lock); /* a job may append, and the body move */
        memcpy(room->out + room->out_len, res->body.bytes + stream->body_at, len);
        note_taken(stream, len);
        spinlock_unlock(&res->lock);
        room->out_len += len;
    }
    if (stream->body_at == stream->body_end)
        http2_stream_has_room(stream);
    return 0;
}
