/* SPDX-License-Identifier: MIT */
/*
 * websocket_deflate.c - messages compressed one by one.
 *
 * No message refers to the one before it (RFC 7692 section 7.1.1, no context takeover, which both
 * sides are held to), so a loop needs one context for each size of window and no connection has
 * any: a context takes 300 KB.
 */
#include "http/websocket_impl.h"

#include "base/alloc.h"

#include <errno.h>
#include <zlib.h>

#define WINDOW_BITS_MAX 15
#define MEMORY_LEVEL    8
#define STEP            4096 /* room that is made at once */

static const unsigned char tail[] = {0x00, 0x00, 0xff, 0xff}; /* cut off: RFC 7692 section 7.2.1 */

struct websocket_zlib {
    z_stream inflater;
    z_stream deflaters[WINDOW_BITS_MAX + 1]; /* by the bits of the window */
    bool has_inflater, has_deflater[WINDOW_BITS_MAX + 1];
};

static voidpf zlib_alloc(voidpf opaque, uInt count, uInt size)
{
    (void)opaque;
    return alloc_zeroed(count, size);
}

static void zlib_free(voidpf opaque, voidpf block)
{
    (void)opaque;
    alloc_free(block);
}

static struct websocket_zlib *zlib_of(struct http_home *home)
{
    if (home->zlib == NULL)
        home->zlib = alloc_zeroed(1, sizeof(*home->zlib));
    return home->zlib;
}

static z_stream *deflater_of(struct http_home *home, uint8_t bits)
{
    struct websocket_zlib *zlib = zlib_of(home);
    if (zlib == NULL)
        return NULL;
    z_stream *stream = &zlib->deflaters[bits];
    stream->zalloc = zlib_alloc;
    stream->zfree = zlib_free;
    if (!zlib->has_deflater[bits] && deflateInit2(stream, Z_DEFAULT_COMPRESSION, Z_DEFLATED, -bits,
                                                  MEMORY_LEVEL, Z_DEFAULT_STRATEGY) != Z_OK)
        return NULL;
    zlib->has_deflater[bits] = true;
    (void)deflateReset(stream);
    return stream;
}

static z_stream *inflater_of(struct http_home *home)
{
    struct websocket_zlib *zlib = zlib_of(home);
    if (zlib == NULL)
        return NULL;
    zlib->inflater.zalloc = zlib_alloc;
    zlib->inflater.zfree = zlib_free;
    if (!zlib->has_inflater && inflateInit2(&zlib->inflater, -WINDOW_BITS_MAX) != Z_OK)
        return NULL;
    zlib->has_inflater = true;
    (void)inflateReset(&zlib->inflater);
    return &zlib->inflater;
}

/* Have step(stream, flush) turn all of its input into bytes behind out.  0 or -errno. */
static int run(z_stream *stream, int (*step)(z_stream *stream, int flush), struct buf *out)
{
    for (;;) {
        size_t room = out->max - out->len < STEP ? out->max - out->len : STEP;
        unsigned char past; /* one byte more than may come is asked for, to see that it does not */
        int err = buf_reserve(out, room);
        if (err != 0)
            return err;
        room = out->capacity - out->len;
        stream->next_out = room > 0 ? (Bytef *)out->bytes + out->len : &past;
        stream->avail_out = room > 0 ? (uInt)room : 1;
        uInt before = stream->avail_out;
        int rv = step(stream, Z_SYNC_FLUSH);
        if (rv == Z_MEM_ERROR)
            return -ENOMEM;
        if (rv != Z_OK && rv != Z_BUF_ERROR && rv != Z_STREAM_END)
            return -EBADMSG;
        if (room == 0 && stream->avail_out == 0)
            return -ENOSPC;
        out->len += before - stream->avail_out;
        if (stream->avail_out > 0 || rv == Z_STREAM_END) /* all is out */
            return 0;
    }
}

int websocket_deflate(struct http_home *home, uint8_t window_bits, const void *bytes, size_t len,
                      struct buf *out)
{
    z_stream *stream = deflater_of(home, window_bits);
    if (stream == NULL)
        return -ENOMEM;
    stream->next_in = (Bytef *)(uintptr_t)bytes; /* not written to */
    stream->avail_in = (uInt)len;
    int err = run(stream, deflate, out);
    if (err == 0)
        out->len -= sizeof(tail);
    return err;
}

int websocket_inflate(struct http_home *home, const void *bytes, size_t len, struct buf *out)
{
    z_stream *stream = inflater_of(home);
    if (stream == NULL)
        return -ENOMEM;
    stream->next_in = (Bytef *)(uintptr_t)bytes;
    stream->avail_in = (uInt)len;
    int err = run(stream, inflate, out);
    if (err != 0 || stream->avail_in > 0) /* what follows a last block is nothing to us */
        return err;
    stream->next_in = (Bytef *)(uintptr_t)tail;
    stream->avail_in = sizeof(tail);
    return run(stream, inflate, out);
}

/* ---- text ------------------------------------------------------------------------ */

/* Return how many bytes follow lead in its character, and in *least the least it may mean. */
static int followers(unsigned char lead, uint32_t *least)
{
    if (lead >= 0xc2 && lead < 0xe0) {
        *least = 0x80;
        return 1;
    }
    if (lead >= 0xe0 && lead < 0xf0) {
        *least = 0x800;
        return 2;
    }
    *least = 0x10000;
    return lead >= 0xf0 && lead < 0xf5 ? 3 : -1;
}

bool websocket_is_utf8(const unsigned char *bytes, size_t len)
{
    for (size_t i = 0; i < len;) {
        if (bytes[i] < 0x80) {
            i++;
            continue;
        }
        uint32_t least, code;
        int count = followers(bytes[i], &least);
        if (count < 0 || (size_t)count >= len - i)
            return false;
        code = bytes[i] & (0x3fu >> count);
        for (int k = 1; k <= count; k++) {
            if ((bytes[i + (size_t)k] & 0xc0) != 0x80)
                return false;
            code = code << 6 | (bytes[i + (size_t)k] & 0x3fu);
        }
        if (code < least || code > 0x10ffff || (code >= 0xd800 && code < 0xe000))
            return false;
        i += (size_t)count + 1;
    }
    return true;
}
