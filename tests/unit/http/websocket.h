/* SPDX-License-Identifier: MIT */
/*
 * websocket.h - a client of WebSockets that sends frames as a test writes them, right or wrong.
 */
#ifndef EVENTER_TESTS_HTTP_WEBSOCKET_H
#define EVENTER_TESTS_HTTP_WEBSOCKET_H

#include "client.h"

#define FIN  0x80
#define RSV1 0x40

#define HANDSHAKE_WITH(path, fields)                                                               \
    "GET " path " HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: keep-alive, "           \
    "Upgrade\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: "            \
    "13\r\n" fields "\r\n"
#define HANDSHAKE(path) HANDSHAKE_WITH(path, "")

static struct {          /* the frame read last */
    unsigned char first; /* its first byte: FIN, RSV1 and the opcode */
    size_t len;
    unsigned char bytes[CLIENT_BODY_SIZE];
} frame;

/* Put a masked frame into out (room for len + 14 bytes); returns its length. */
static inline size_t frame_put(unsigned char *out, unsigned first, const void *bytes, size_t len)
{
    static const unsigned char mask[4] = {0x37, 0xfa, 0x21, 0x3d};
    size_t at = 0;
    out[at++] = (unsigned char)first;
    if (len < 126) {
        out[at++] = (unsigned char)(0x80 | len);
    } else if (len < 65536) {
        out[at++] = 0x80 | 126;
        out[at++] = (unsigned char)(len >> 8);
        out[at++] = (unsigned char)len;
    } else {
        out[at++] = 0x80 | 127;
        for (int shift = 56; shift >= 0; shift -= 8)
            out[at++] = (unsigned char)((uint64_t)len >> shift);
    }
    memcpy(out + at, mask, sizeof(mask));
    at += sizeof(mask);
    for (size_t i = 0; i < len; i++)
        out[at + i] = ((const unsigned char *)bytes)[i] ^ mask[i % 4];
    return at + len;
}

/* Send a masked frame; false if the peer does not take it. */
static inline bool frame_try_send(struct client *client, unsigned first, const void *bytes,
                                  size_t len)
{
    unsigned char *out = malloc(len + 14);
    assert_non_null(out);
    bool ok = client_try_send(client, out, frame_put(out, first, bytes, len));
    free(out);
    return ok;
}

static inline void frame_send(struct client *client, unsigned first, const void *bytes, size_t len)
{
    assert_true(frame_try_send(client, first, bytes, len));
}

static inline void frame_send_text(struct client *client, const char *text)
{
    frame_send(client, FIN | 1, text, strlen(text));
}

static inline unsigned char frame_byte(struct client *client)
{
    return (unsigned char)client_byte(client);
}

/* Read a frame, which a server sends without a mask and in the shortest form. */
static inline void frame_read(struct client *client)
{
    frame.first = frame_byte(client);
    uint64_t len = frame_byte(client);
    assert_true(len < 128);
    if (len >= 126) {
        const int count = len == 126 ? 2 : 8;
        const uint64_t least = len == 126 ? 126 : 65536;
        len = 0;
        for (int i = 0; i < count; i++)
            len = len << 8 | frame_byte(client);
        assert_true(len >= least);
    }
    assert_true(len <= sizeof(frame.bytes));
    frame.len = (size_t)len;
    for (size_t i = 0; i < frame.len; i++)
        frame.bytes[i] = frame_byte(client);
}

static inline void frame_expect(struct client *client, unsigned first, const void *bytes,
                                size_t len)
{
    frame_read(client);
    assert_int_equal(frame.first, first);
    assert_int_equal(frame.len, len);
    assert_memory_equal(frame.bytes, bytes, len);
}

static inline void frame_expect_text(struct client *client, const char *text)
{
    frame_expect(client, FIN | 1, text, strlen(text));
}

/* Send a close of that status and reason. */
static inline void frame_send_close(struct client *client, unsigned status, const char *reason)
{
    unsigned char payload[256] = {(unsigned char)(status >> 8), (unsigned char)status};
    memcpy(payload + 2, reason, strlen(reason));
    frame_send(client, FIN | 8, payload, strlen(reason) + 2);
}

/* Assert that a close of that status comes (0: without one), and behind it the end. */
static inline void frame_expect_close(struct client *client, unsigned status)
{
    frame_read(client);
    assert_int_equal(frame.first, FIN | 8);
    if (frame.len >= 2)
        assert_int_equal(frame.bytes[0] << 8 | frame.bytes[1], status);
    else
        assert_int_equal(status, 0);
}

static inline void websocket_open_with(struct client *client, const char *handshake)
{
    client_open(client);
    client_send(client, handshake);
    client_head(client);
    assert_int_equal(answer.status, 101);
    assert_true(answer_says("Upgrade", "websocket"));
    assert_true(answer_says("Connection", "Upgrade"));
    assert_true(answer_says("Sec-WebSocket-Accept", "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="));
}

/* Close as one should, and see that the server does. */
static inline void websocket_close_well(struct client *client)
{
    frame_send_close(client, 1000, "");
    frame_expect_close(client, 1000);
    client_sees_end(client);
    client_close(client);
}

#endif
