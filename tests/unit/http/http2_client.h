/* SPDX-License-Identifier: MIT */
/*
 * http2_client.h - a blocking client of HTTP/2 that sends the frames a test writes.
 *
 * It is raw, so that what no well-behaved client does can be sent, too: only the fields of answers
 * are taken apart by nghttp2.  What arrives is noted by stream.
 */
#ifndef EVENTER_TESTS_HTTP_HTTP2_CLIENT_H
#define EVENTER_TESTS_HTTP_HTTP2_CLIENT_H

#include "client.h"

#include <netinet/tcp.h>
#include <nghttp2/nghttp2.h>

#define H2_STREAMS_MAX 4096 /* of one client, that are noted */
#define H2_BODY_MAX    128  /* of an answer, that is kept */
#define H2_PAYLOAD_MAX 16384
#define H2_NO_CODE     UINT32_MAX
#define H2_PREFACE     "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
#define H2_END         (NGHTTP2_FLAG_END_STREAM)
#define H2_END_HEADERS (NGHTTP2_FLAG_END_HEADERS)
#define H2_WHOLE       (NGHTTP2_FLAG_END_STREAM | NGHTTP2_FLAG_END_HEADERS)

struct h2_stream {
    int status; /* 0: no answer yet */
    bool has_ended;
    unsigned interim; /* answers with 1xx before */
    unsigned order;   /* the how manieth to end */
    uint32_t reset;   /* error code */
    int64_t window;   /* bytes that may be sent to it */
    size_t len;       /* of its body */
    char head[1024];  /* lines "name: value\n" */
    char body[H2_BODY_MAX + 1];
};

struct h2 {
    struct client tcp;
    nghttp2_hd_inflater *inflater;
    bool grants;    /* give window back for what arrives */
    int64_t window; /* bytes that may be sent to all streams together */
    unsigned ended;
    unsigned goaways;
    uint32_t goaway; /* error code of the last one; H2_NO_CODE: none */
    uint32_t last_id;
    unsigned acks, pongs, updates, settings;
    struct {
        uint8_t type, flags;
        uint32_t id, len;
        uint8_t payload[H2_PAYLOAD_MAX];
    } frame; /* the last one */
    struct h2_stream streams[H2_STREAMS_MAX];
};

static inline struct h2_stream *h2_stream(struct h2 *c, uint32_t id)
{
    return &c->streams[id / 2 % H2_STREAMS_MAX];
}

/* ---- sending --------------------------------------------------------------------- */

static inline void h2_put32(uint8_t *to, uint32_t value)
{
    to[0] = (uint8_t)(value >> 24);
    to[1] = (uint8_t)(value >> 16);
    to[2] = (uint8_t)(value >> 8);
    to[3] = (uint8_t)value;
}

/* Write a frame's head to out. */
static inline void h2_put_head(uint8_t *out, size_t len, uint8_t type, uint8_t flags, uint32_t id)
{
    h2_put32(out, (uint32_t)len << 8 | type);
    out[4] = flags;
    h2_put32(out + 5, id);
}

/* Send a frame; false if the peer does not take it. */
static inline bool h2_try_frame(struct h2 *c, uint8_t type, uint8_t flags, uint32_t id,
                                const void *payload, size_t len)
{
    static uint8_t bytes[9 + 65536];
    assert_true(len <= 65536);
    h2_put_head(bytes, len, type, flags, id);
    if (len > 0)
        memcpy(bytes + 9, payload, len);
    return client_try_send(&c->tcp, bytes, 9 + len);
}

static inline void h2_frame(struct h2 *c, uint8_t type, uint8_t flags, uint32_t id,
                            const void *payload, size_t len)
{
    assert_true(h2_try_frame(c, type, flags, id, payload, len));
}

static inline void h2_number(struct h2 *c, uint8_t type, uint32_t id, uint32_t value)
{
    uint8_t bytes[4];
    h2_put32(bytes, value);
    h2_frame(c, type, 0, id, bytes, sizeof(bytes));
}

#define h2_reset(c, id)        h2_number((c), NGHTTP2_RST_STREAM, (id), NGHTTP2_CANCEL)
#define h2_window(c, id, more) h2_number((c), NGHTTP2_WINDOW_UPDATE, (id), (more))

static inline void h2_data(struct h2 *c, uint32_t id, uint8_t flags, const void *bytes, size_t len)
{
    h2_frame(c, NGHTTP2_DATA, flags, id, bytes, len);
    c->window -= (int64_t)len;
    h2_stream(c, id)->window -= (int64_t)len;
}

static inline void h2_setting(struct h2 *c, uint16_t id, uint32_t value)
{
    uint8_t bytes[6] = {(uint8_t)(id >> 8), (uint8_t)id};
    h2_put32(bytes + 2, value);
    h2_frame(c, NGHTTP2_SETTINGS, 0, 0, bytes, sizeof(bytes));
}

/* Append a text as HPACK has one; lengths up to 16,510. */
static inline size_t h2_put_text(uint8_t *to, const char *text, size_t len)
{
    size_t at = 0;
    if (len < 127) {
        to[at++] = (uint8_t)len;
    } else {
        assert_true(len - 127 < 1 << 14);
        to[at++] = 127;
        to[at++] = (uint8_t)(((len - 127) & 127) | 128);
        to[at++] = (uint8_t)((len - 127) >> 7);
    }
    memcpy(to + at, text, len);
    return at + len;
}

/* Append a field that is not indexed. */
static inline size_t h2_put_field(uint8_t *to, const char *name, const char *value)
{
    size_t at = 0;
    to[at++] = 0;
    at += h2_put_text(to + at, name, strlen(name));
    return at + h2_put_text(to + at, value, strlen(value));
}

/* A block of fields, given as names and values with a NULL behind them. */
static inline size_t h2_put_fields(uint8_t *to, const char *const *fields)
{
    size_t at = 0;
    for (; *fields != NULL; fields += 2)
        at += h2_put_field(to + at, fields[0], fields[1]);
    return at;
}

/* Send HEADERS with a method, a path, and further fields (see above; NULL: none). */
static inline void h2_ask(struct h2 *c, uint32_t id, uint8_t flags, const char *method,
                          const char *path, const char *const *fields)
{
    static uint8_t block[65536];
    const char *const request[] = {":method", method,       ":scheme", "http", ":path",
                                   path,      ":authority", "x",       NULL};
    size_t len = h2_put_fields(block, request);
    if (fields != NULL)
        len += h2_put_fields(block + len, fields);
    h2_frame(c, NGHTTP2_HEADERS, flags, id, block, len);
}

/* Send HEADERS with just these fields. */
static inline void h2_ask_raw(struct h2 *c, uint32_t id, uint8_t flags, const char *const *fields)
{
    static uint8_t block[65536];
    size_t len = h2_put_fields(block, fields);
    h2_frame(c, NGHTTP2_HEADERS, flags, id, block, len);
}

#define h2_get(c, id, path) h2_ask((c), (id), H2_WHOLE, "GET", (path), NULL)

/* ---- receiving ------------------------------------------------------------------- */

static inline uint32_t h2_get32(const uint8_t *from)
{
    return (uint32_t)from[0] << 24 | (uint32_t)from[1] << 16 | (uint32_t)from[2] << 8 | from[3];
}

/* Take len bytes; false: the connection has ended before. */
static inline bool h2_take(struct h2 *c, uint8_t *to, size_t len)
{
    for (size_t i = 0; i < len; i++) {
        if (c->tcp.start == c->tcp.len && client_receive(&c->tcp) <= 0)
            return false;
        to[i] = (uint8_t)c->tcp.in[c->tcp.start++];
    }
    return true;
}

static inline void h2_note_end(struct h2 *c, struct h2_stream *stream)
{
    stream->has_ended = true;
    stream->order = ++c->ended;
}

static inline void h2_note_fields(struct h2 *c, struct h2_stream *stream)
{
    const uint8_t *in = c->frame.payload, *end = in + c->frame.len;
    char *to = stream->head;
    int flags = 0, status = 0;
    assert_true((c->frame.flags & H2_END_HEADERS) != 0);
    while ((flags & NGHTTP2_HD_INFLATE_FINAL) == 0) {
        nghttp2_nv field;
        ssize_t count =
            nghttp2_hd_inflate_hd2(c->inflater, &field, &flags, in, (size_t)(end - in), 1);
        assert_true(count >= 0);
        in += count;
        if ((flags & NGHTTP2_HD_INFLATE_EMIT) == 0)
            continue;
        for (size_t i = 0; i < field.namelen; i++)
            assert_false(field.name[i] >= 'A' && field.name[i] <= 'Z');
        if (strcmp((const char *)field.name, ":status") == 0)
            status = (int)strtol((const char *)field.value, NULL, 10);
        to += snprintf(to, sizeof(stream->head) - (size_t)(to - stream->head), "%s: %s\n",
                       (const char *)field.name, (const char *)field.value);
    }
    nghttp2_hd_inflate_end_headers(c->inflater);
    if (status < 200)
        stream->interim++;
    else
        stream->status = status;
}

static inline void h2_note_data(struct h2 *c, struct h2_stream *stream)
{
    for (uint32_t i = 0; i < c->frame.len && stream->len + i < H2_BODY_MAX; i++)
        stream->body[stream->len + i] = (char)c->frame.payload[i];
    stream->len += c->frame.len;
    if (c->grants && c->frame.len > 0) {
        h2_window(c, 0, c->frame.len);
        if ((c->frame.flags & H2_END) == 0)
            h2_window(c, c->frame.id, c->frame.len);
    }
}

/* Receive a frame and note what it says; false: the connection has ended. */
static inline bool h2_next(struct h2 *c)
{
    uint8_t head[9];
    if (!h2_take(c, head, sizeof(head)))
        return false;
    c->frame.len = h2_get32(head) >> 8;
    c->frame.type = head[3];
    c->frame.flags = head[4];
    c->frame.id = h2_get32(head + 5);
    assert_true(c->frame.len <= H2_PAYLOAD_MAX);
    assert_true(h2_take(c, c->frame.payload, c->frame.len));
    struct h2_stream *stream = h2_stream(c, c->frame.id);
    const bool is_ack = (c->frame.flags & NGHTTP2_FLAG_ACK) != 0;
    switch (c->frame.type) {
    case NGHTTP2_HEADERS:
        h2_note_fields(c, stream);
        break;
    case NGHTTP2_DATA:
        h2_note_data(c, stream);
        break;
    case NGHTTP2_RST_STREAM:
        stream->reset = h2_get32(c->frame.payload);
        break;
    case NGHTTP2_GOAWAY:
        c->goaways++;
        c->last_id = h2_get32(c->frame.payload);
        c->goaway = h2_get32(c->frame.payload + 4);
        break;
    case NGHTTP2_SETTINGS:
        c->acks += is_ack;
        c->settings += !is_ack;
        break;
    case NGHTTP2_PING:
        c->pongs += is_ack;
        break;
    case NGHTTP2_WINDOW_UPDATE:
        c->updates++;
        *(c->frame.id == 0 ? &c->window : &stream->window) += h2_get32(c->frame.payload);
        break;
    default:
        fail_msg("frame of type %u", c->frame.type);
    }
    if ((c->frame.type == NGHTTP2_HEADERS || c->frame.type == NGHTTP2_DATA) &&
        (c->frame.flags & H2_END) != 0)
        h2_note_end(c, stream);
    return true;
}

static inline void h2_must(struct h2 *c)
{
    if (!h2_next(c))
        fail_msg("the connection ended; GOAWAY %u", c->goaway);
}

/* Receive until the stream's answer is complete. */
static inline struct h2_stream *h2_wait(struct h2 *c, uint32_t id)
{
    struct h2_stream *stream = h2_stream(c, id);
    while (!stream->has_ended) {
        if (stream->reset != H2_NO_CODE)
            fail_msg("stream %u was reset: %u", id, stream->reset);
        h2_must(c);
    }
    return stream;
}

/* Receive until the stream is reset; assert that it is with that code. */
static inline void h2_sees_reset(struct h2 *c, uint32_t id, uint32_t code)
{
    struct h2_stream *stream = h2_stream(c, id);
    while (stream->reset == H2_NO_CODE)
        h2_must(c);
    assert_int_equal(stream->reset, code);
}

/* Receive until the end; assert that GOAWAY with that code came before. */
static inline void h2_sees_goaway(struct h2 *c, uint32_t code)
{
    while (h2_next(c))
        ;
    assert_int_equal(c->goaway, code);
}

/* All that was sent is known to have been looked at. */
static inline void h2_settle(struct h2 *c)
{
    const unsigned before = c->pongs;
    h2_frame(c, NGHTTP2_PING, 0, 0, "settling", 8);
    while (c->pongs == before)
        h2_must(c);
}

/* ---- connections ----------------------------------------------------------------- */

static inline void h2_forget(struct h2 *c)
{
    c->goaway = H2_NO_CODE;
    c->window = 65535;
    for (size_t i = 0; i < H2_STREAMS_MAX; i++) {
        c->streams[i].reset = H2_NO_CODE;
        c->streams[i].window = 65535;
    }
}

/* Open a connection without saying anything. */
static inline void h2_connect(struct h2 *c)
{
    const int on = 1;
    memset(c, 0, sizeof(*c));
    h2_forget(c);
    c->grants = true;
    client_open(&c->tcp);
    setsockopt(c->tcp.fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
    assert_int_equal(nghttp2_hd_inflate_new(&c->inflater), 0);
}

static inline void h2_open(struct h2 *c)
{
    h2_connect(c);
    client_send(&c->tcp, H2_PREFACE);
    h2_frame(c, NGHTTP2_SETTINGS, 0, 0, NULL, 0);
    while (c->settings == 0)
        h2_must(c);
    h2_frame(c, NGHTTP2_SETTINGS, NGHTTP2_FLAG_ACK, 0, NULL, 0);
}

static inline void h2_close(struct h2 *c)
{
    nghttp2_hd_inflate_del(c->inflater);
    client_close(&c->tcp);
}

/* Assert that a GET of path is answered so. */
static inline struct h2_stream *h2_gets(struct h2 *c, uint32_t id, const char *path, int status,
                                        const char *body)
{
    h2_get(c, id, path);
    struct h2_stream *stream = h2_wait(c, id);
    assert_int_equal(stream->status, status);
    if (body != NULL)
        assert_string_equal(stream->body, body);
    return stream;
}

#endif
