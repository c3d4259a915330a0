/* SPDX-License-Identifier: MIT */
/*
 * http2_request.c - the head of a request of HTTP/2, in the shape that one of HTTP/1 has.
 *
 * nghttp2 has seen to it that pseudo-header fields are there once, in front and known, that names
 * and values hold no byte that they must not, and that no field is of the connection.  What a
 * target, a host and a length may be is for http1_facts.c to say, as it is for HTTP/1.
 */
#include "http/http1_char.h"
#include "http/http1_facts.h"
#include "http/http2_conn.h"

#include <errno.h>

/* ---- while it comes -------------------------------------------------------------- */

static int refuse(struct http2_stream *stream, int status, const char *why)
{
    stream->s.x->request.head.reason = why;
    if (stream->refusal == 0)
        stream->refusal = status;
    return status;
}

/* Keep a text, and a NUL behind it, which request.c may write, too.  0 or -errno. */
static int keep(struct buf *in, const void *text, size_t len, struct http1_span *out)
{
    struct http1_span span = {(uint32_t)in->len, (uint32_t)len};
    int err = buf_append(in, text, len);
    if (err == 0)
        err = buf_append(in, "", 1);
    if (err == 0)
        *out = span;
    return err;
}

static bool is_named(const uint8_t *name, size_t len, const char *known)
{
    return strlen(known) == len && memcmp(name, known, len) == 0;
}

/* Where the value of a pseudo-header field goes; NULL: it is not known here. */
static struct http1_span *pseudo_field(struct http2_stream *stream, const uint8_t *name, size_t len)
{
    struct http1_head *head = &stream->s.x->request.head;
    if (is_named(name, len, ":method"))
        return &head->method;
    if (is_named(name, len, ":path"))
        return &head->target;
    if (is_named(name, len, ":authority"))
        return &head->host;
    return is_named(name, len, ":scheme") ? &stream->scheme : NULL;
}

/* The first field of a stream: its head is empty so far. */
static void begin_head(struct http_exchange *x)
{
    struct http1_field *fields = x->request.head.fields;
    x->request.head = (struct http1_head){.fields = fields, .version = 20, .keep_alive = true};
    x->in.len = x->start = x->body_at = 0;
}

void http2_request_add(struct http2_stream *stream, const uint8_t *name, size_t name_len,
                       const uint8_t *value, size_t value_len)
{
    struct http_exchange *x = stream->s.x;
    struct http1_head *head = &x->request.head;
    struct http1_field *field = &head->fields[head->fields_count];
    const bool is_pseudo = name_len > 0 && name[0] == ':';
    if (stream->fields_len == 0)
        begin_head(x);
    if (stream->refusal != 0)
        return;
    stream->fields_len += name_len + HTTP2_FIELD_OVERHEAD;
    if (is_pseudo && is_named(name, name_len, ":path")) {
        if (value_len > HTTP1_REQUEST_LINE_MAX) {
            refuse(stream, 414, "the path is too long");
            return;
        }
    } else {
        stream->fields_len += value_len;
    }
    if (stream->fields_len > HTTP1_FIELDS_LEN_MAX ||
        (!is_pseudo && head->fields_count == HTTP1_FIELDS_MAX)) {
        refuse(stream, 431, "fields are too long, or too many");
        return;
    }
    int err = 0;
    struct http1_span ignored, *span = pseudo_field(stream, name, name_len);
    if (!is_pseudo) {
        field = &head->fields[head->fields_count];
        err = keep(&x->in, name, name_len, &field->name);
        span = &field->value;
    }
    if (err == 0)
        err = keep(&x->in, value, value_len, span == NULL ? &ignored : span);
    if (err != 0)
        refuse(stream, 503, "out of memory");
    else if (!is_pseudo)
        head->fields_count++;
}

/* ---- once it is complete --------------------------------------------------------- */

static bool span_is(const struct http_exchange *x, struct http1_span span, const char *text)
{
    return is_named((const uint8_t *)x->in.bytes + span.offset, span.len, text);
}

static bool is_cookie(const struct http_exchange *x, const struct http1_field *field)
{
    return span_is(x, field->name, "cookie");
}

/* Put the value of one more piece behind those that were joined.  0 or -errno. */
static int join(struct buf *in, struct http1_span *all, struct http1_span piece)
{
    const bool is_first = all->len == 0;
    if (buf_reserve(in, piece.len + 3) != 0)
        return -ENOMEM;
    if (is_first)
        all->offset = (uint32_t)in->len;
    else
        in->len--; /* its NUL */
    if (!is_first)
        (void)buf_append(in, "; ", 2);
    (void)buf_append(in, in->bytes + piece.offset, piece.len);
    (void)buf_append(in, "", 1);
    all->len = (uint32_t)(in->len - 1 - all->offset);
    return 0;
}

/* Cookies that came in pieces are one field to handlers: RFC 9113 section 8.2.3.  0 or -errno. */
static int join_cookies(struct http_exchange *x)
{
    struct http1_head *head = &x->request.head;
    struct http1_field *first = NULL;
    struct http1_span all = {0, 0};
    uint32_t kept = 0, pieces = 0;
    for (uint32_t i = 0; i < head->fields_count; i++)
        pieces += is_cookie(x, &head->fields[i]);
    if (pieces < 2)
        return 0;
    for (uint32_t i = 0; i < head->fields_count; i++) {
        struct http1_field field = head->fields[i];
        const bool is_one = is_cookie(x, &field);
        if (is_one && join(&x->in, &all, field.value) != 0)
            return -ENOMEM;
        if (is_one && first != NULL)
            continue;
        head->fields[kept] = field;
        if (is_one)
            first = &head->fields[kept];
        kept++;
    }
    first->value = all;
    head->fields_count = kept;
    return 0;
}

static struct http1_field *find_host(struct http_exchange *x)
{
    struct http1_head *head = &x->request.head;
    for (uint32_t i = 0; i < head->fields_count; i++)
        if (span_is(x, head->fields[i].name, "host"))
            return &head->fields[i];
    return NULL;
}

/*
 * The authority is what Host is for HTTP/1, and handlers find it there.  Both are the same, or whom
 * the request is for depends on who looks: RFC 9113 section 8.3.1.
 */
static int place_authority(struct http2_stream *stream)
{
    struct http_exchange *x = stream->s.x;
    struct http1_head *head = &x->request.head;
    struct http1_field *host = find_host(x);
    const struct http1_span authority = head->host;
    if (authority.len == 0)
        return 0;
    if (host != NULL) {
        const bool is_same = host->value.len == authority.len &&
                             memcmp(x->in.bytes + host->value.offset,
                                    x->in.bytes + authority.offset, authority.len) == 0;
        return is_same ? 0 : refuse(stream, 400, ":authority is not the Host");
    }
    if (head->fields_count == HTTP1_FIELDS_MAX)
        return refuse(stream, 431, "too many fields");
    host = &head->fields[head->fields_count];
    if (keep(&x->in, "host", 4, &host->name) != 0)
        return refuse(stream, 503, "out of memory");
    host->value = authority;
    head->fields_count++;
    return 0;
}

static int judge_target(struct http2_stream *stream, struct http1_facts *facts)
{
    struct http_exchange *x = stream->s.x;
    struct http1_head *head = &x->request.head;
    if (head->method.len > HTTP1_METHOD_MAX)
        return refuse(stream, 501, "unknown method");
    if (span_is(x, head->method, "CONNECT"))
        return refuse(stream, 501, "CONNECT is not served");
    if (!span_is(x, stream->scheme, "http") && !span_is(x, stream->scheme, "https"))
        return refuse(stream, 400, "the scheme is not http");
    const char *target = x->in.bytes + head->target.offset, *end = target + head->target.len;
    if (head->target.len == 0 || (*target != '/' && !span_is(x, head->target, "*")) ||
        http1_char_skip_target(target, end) != end)
        return refuse(stream, 400, "invalid path");
    int status = http1_facts_note_target(x->in.bytes, facts, head);
    return status == 0 ? 0 : refuse(stream, status, head->reason);
}

static int judge_fields(struct http2_stream *stream, struct http1_facts *facts)
{
    struct http_exchange *x = stream->s.x;
    struct http1_head *head = &x->request.head;
    for (uint32_t i = 0; i < head->fields_count; i++) {
        int status = http1_facts_note_field(x->in.bytes, &head->fields[i], facts, head);
        if (status != 0)
            return refuse(stream, status, head->reason);
    }
    head->expect_continue = facts->wants_continue && !stream->has_all;
    head->has_upgrade = false;
    return 0;
}

int http2_request_begin(struct http2_stream *stream)
{
    struct http_exchange *x = stream->s.x;
    struct mtev_http_request *req = &x->request;
    struct http1_facts facts = {0};
    if (span_is(x, req->head.method, "HEAD"))
        req->method = "HEAD"; /* its answer has no body, whatever it is */
    if (stream->refusal != 0)
        return stream->refusal;
    int status = place_authority(stream);
    if (status == 0)
        status = judge_target(stream, &facts);
    if (status == 0)
        status = judge_fields(stream, &facts);
    if (status == 0 && join_cookies(x) != 0)
        status = refuse(stream, 503, "out of memory");
    if (status != 0)
        return status;
    status = request_begin(&stream->s, x->in.bytes);
    req->has_body = !stream->has_all || stream->content.len > 0;
    req->is_body_complete = !req->has_body;
    if (req->head.content_length > HTTP1_BODY_LEN_MAX)
        req->body_status = 413;
    return status == 0 ? 0
                       : refuse(stream, status,
                                status == 503 ? "out of memory" : "the path cannot be decoded");
}
