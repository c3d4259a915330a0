/* SPDX-License-Identifier: MIT */
/* gzip and deflate, by zlib: one stream struct for both ways, as deflate() and inflate() share it.
 */
#define ZLIB_CONST /* input is not written to */

#include "base/alloc.h"
#include "http/coding_impl.h"

#include <errno.h>
#include <limits.h>
#include <zlib.h>

#define LEVEL       5  /* of 9 */
#define WINDOW_BITS 15 /* 32 KiB, which is all there is */
#define MEMORY      8  /* zlib's default */
#define GZIP_BITS   16 /* added to the window's: RFC 1952 around it, not RFC 1950 */

static void *take(void *closure, unsigned count, unsigned size)
{
    return alloc_zeroed(count, size);
}

static void give_back(void *closure, void *block)
{
    alloc_free(block);
}

static z_stream *new_stream(void)
{
    z_stream *stream = alloc_zeroed(1, sizeof(*stream));
    if (stream != NULL) {
        stream->zalloc = take;
        stream->zfree = give_back;
    }
    return stream;
}

/* Give io to stream.  zlib counts in unsigned; what is longer is given in parts. */
static void load(z_stream *stream, const struct coding_io *io)
{
    stream->next_in = io->in;
    stream->avail_in = io->in_len < UINT_MAX ? (unsigned)io->in_len : UINT_MAX;
    stream->next_out = io->out;
    stream->avail_out = io->out_len < UINT_MAX ? (unsigned)io->out_len : UINT_MAX;
}

static void store(const z_stream *stream, struct coding_io *io)
{
    io->in_len -= (size_t)(stream->next_in - io->in);
    io->in = stream->next_in;
    io->out_len -= (size_t)(stream->next_out - io->out);
    io->out = stream->next_out;
}

/* ---- encoder ---------------------------------------------------------------------- */

static int encoder_open(enum coding coding, void **out)
{
    z_stream *stream = new_stream();
    if (stream == NULL)
        return -ENOMEM;
    int bits = WINDOW_BITS + (coding == CODING_GZIP ? GZIP_BITS : 0);
    if (deflateInit2(stream, LEVEL, Z_DEFLATED, bits, MEMORY, Z_DEFAULT_STRATEGY) != Z_OK) {
        alloc_free(stream);
        return -ENOMEM;
    }
    *out = stream;
    return 0;
}

static int encoder_reset(void *state)
{
    deflateReset(state);
    return 0;
}

static int encoder_run(void *state, enum coding_step step, struct coding_io *io, bool *out_done)
{
    z_stream *stream = state;
    bool is_last_part = io->in_len <= UINT_MAX;
    int how = Z_NO_FLUSH;
    if (is_last_part && step != CODING_STEP_MORE)
        how = step == CODING_STEP_FLUSH ? Z_SYNC_FLUSH : Z_FINISH;
    load(stream, io);
    int result = deflate(stream, how);
    store(stream, io);
    /* Room that is left says that all was written; for the end, zlib says it. */
    *out_done = is_last_part && io->in_len == 0 && io->out_len > 0;
    if (step == CODING_STEP_FINISH)
        *out_done = result == Z_STREAM_END;
    return 0;
}

static void encoder_close(void *state)
{
    deflateEnd(state);
    alloc_free(state);
}

const struct coding_codec coding_zlib_encoder = {
    .open = encoder_open,
    .reset = encoder_reset,
    .run = encoder_run,
    .close = encoder_close,
};

/* ---- decoders --------------------------------------------------------------------- */

static int decoder_open(enum coding coding, void **out)
{
    z_stream *stream = new_stream();
    if (stream == NULL)
        return -ENOMEM;
    if (inflateInit2(stream, WINDOW_BITS + (coding == CODING_GZIP ? GZIP_BITS : 0)) != Z_OK) {
        alloc_free(stream);
        return -ENOMEM;
    }
    *out = stream;
    return 0;
}

static int decoder_reset(void *state)
{
    inflateReset(state);
    return 0;
}

static int decoder_run(void *state, enum coding_step step, struct coding_io *io, bool *out_done)
{
    z_stream *stream = state;
    load(stream, io);
    int result = inflate(stream, Z_NO_FLUSH);
    store(stream, io);
    *out_done = result == Z_STREAM_END;
    if (result == Z_MEM_ERROR)
        return -ENOMEM;
    /* Z_BUF_ERROR: nothing was left to do, which is no fault.  We have no preset dictionary. */
    return result == Z_OK || result == Z_STREAM_END || result == Z_BUF_ERROR ? 0 : -EBADMSG;
}

static void decoder_close(void *state)
{
    inflateEnd(state);
    alloc_free(state);
}

const struct coding_codec coding_gzip_decoder = {
    .open = decoder_open,
    .reset = decoder_reset,
    .run = decoder_run,
    .close = decoder_close,
    .may_repeat = true, /* RFC 1952 section 2.2 */
};

const struct coding_codec coding_deflate_decoder = {
    .open = decoder_open,
    .reset = decoder_reset,
    .run = decoder_run,
    .close = decoder_close,
};
