/* SPDX-License-Identifier: MIT */
/*
 * zstd, by libzstd.  Its stable interface takes no allocator: our hook is asked when a context is
 * made, and the library says itself when it finds no memory later.
 */
#include "base/alloc.h"
#include "http/coding_impl.h"

#include <assert.h>
#include <errno.h>
#include <zstd.h>
#include <zstd_errors.h>

#define LEVEL          3  /* the library's default */
#define WINDOW_LOG     17 /* 128 KiB back, which bounds the memory */
#define WINDOW_LOG_MAX 23

static_assert(1 << WINDOW_LOG_MAX == CODING_WINDOW_MAX, "the log and the window agree");

static int error_of(size_t result)
{
    return ZSTD_getErrorCode(result) == ZSTD_error_memory_allocation ? -ENOMEM : -EBADMSG;
}

static void store(const ZSTD_inBuffer *in, const ZSTD_outBuffer *out, struct coding_io *io)
{
    io->in += in->pos;
    io->in_len -= in->pos;
    io->out += out->pos;
    io->out_len -= out->pos;
}

/* ---- encoder ---------------------------------------------------------------------- */

static int encoder_open(enum coding coding, void **out)
{
    ZSTD_CCtx *ctx = alloc_is_refused() ? NULL : ZSTD_createCCtx();
    if (ctx == NULL)
        return -ENOMEM;
    ZSTD_CCtx_setParameter(ctx, ZSTD_c_compressionLevel, LEVEL);
    ZSTD_CCtx_setParameter(ctx, ZSTD_c_windowLog, WINDOW_LOG);
    *out = ctx;
    return 0;
}

static int encoder_reset(void *state)
{
    ZSTD_CCtx_reset(state, ZSTD_reset_session_only);
    return 0;
}

static int encoder_run(void *state, enum coding_step step, struct coding_io *io, bool *out_done)
{
    static const ZSTD_EndDirective directives[] = {
        [CODING_STEP_MORE] = ZSTD_e_continue,
        [CODING_STEP_FLUSH] = ZSTD_e_flush,
        [CODING_STEP_FINISH] = ZSTD_e_end,
    };
    ZSTD_inBuffer in = {.src = io->in, .size = io->in_len};
    ZSTD_outBuffer out = {.dst = io->out, .size = io->out_len};
    size_t result = ZSTD_compressStream2(state, &out, &in, directives[step]);
    if (ZSTD_isError(result))
        return error_of(result);
    store(&in, &out, io);
    *out_done = io->in_len == 0 && (step == CODING_STEP_MORE || result == 0);
    return 0;
}

static void encoder_close(void *state)
{
    ZSTD_freeCCtx(state);
}

const struct coding_codec coding_zstd_encoder = {
    .open = encoder_open,
    .reset = encoder_reset,
    .run = encoder_run,
    .close = encoder_close,
};

/* ---- decoder ---------------------------------------------------------------------- */

static int decoder_open(enum coding coding, void **out)
{
    ZSTD_DCtx *ctx = alloc_is_refused() ? NULL : ZSTD_createDCtx();
    if (ctx == NULL)
        return -ENOMEM;
    ZSTD_DCtx_setParameter(ctx, ZSTD_d_windowLogMax, WINDOW_LOG_MAX);
    *out = ctx;
    return 0;
}

static int decoder_reset(void *state)
{
    ZSTD_DCtx_reset(state, ZSTD_reset_session_only);
    return 0;
}

static int decoder_run(void *state, enum coding_step step, struct coding_io *io, bool *out_done)
{
    ZSTD_inBuffer in = {.src = io->in, .size = io->in_len};
    ZSTD_outBuffer out = {.dst = io->out, .size = io->out_len};
    size_t result = ZSTD_decompressStream(state, &out, &in);
    if (ZSTD_isError(result))
        return error_of(result);
    store(&in, &out, io);
    *out_done = result == 0;
    return 0;
}

static void decoder_close(void *state)
{
    ZSTD_freeDCtx(state);
}

const struct coding_codec coding_zstd_decoder = {
    .open = decoder_open,
    .reset = decoder_reset,
    .run = decoder_run,
    .close = decoder_close,
    .may_repeat = true, /* RFC 8878 section 3 */
};
