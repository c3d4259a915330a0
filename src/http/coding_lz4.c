/* SPDX-License-Identifier: MIT */
/*
 * lz4f, by liblz4.  Its encoder writes only where there is room for the worst case, so that what it
 * writes is staged.  Its stable interface takes no allocator: our hook is asked when a context is
 * made, and the library says itself when it finds no memory later.
 */
#include "base/alloc.h"
#include "http/coding_impl.h"

#include <errno.h>
#include <lz4frame.h>
#include <string.h>

#define PIECE_SIZE 16384 /* input taken at once, which bounds the stage */

static const LZ4F_preferences_t preferences = {
    .frameInfo = {.blockSizeID = LZ4F_max64KB,
                  .blockMode = LZ4F_blockLinked,
                  .contentChecksumFlag = LZ4F_contentChecksumEnabled},
};

/* The stable interface tells errors apart by their names only. */
static int error_of(size_t result)
{
    bool is_memory = strcmp(LZ4F_getErrorName(result), "ERROR_allocation_failed") == 0;
    return is_memory ? -ENOMEM : -EBADMSG;
}

/* ---- encoder ---------------------------------------------------------------------- */

struct lz4_encoder {
    LZ4F_cctx *ctx;
    bool has_begun, has_ended;
    size_t staged_from, staged_to; /* of stage, what is not yet given out */
    size_t stage_size;
    uint8_t stage[];
};

static int encoder_open(enum coding coding, void **out)
{
    size_t size = LZ4F_compressBound(PIECE_SIZE, &preferences) + LZ4F_HEADER_SIZE_MAX;
    struct lz4_encoder *encoder = alloc_bytes(sizeof(*encoder) + size);
    if (encoder == NULL)
        return -ENOMEM;
    *encoder = (struct lz4_encoder){.stage_size = size};
    if (alloc_is_refused() ||
        LZ4F_isError(LZ4F_createCompressionContext(&encoder->ctx, LZ4F_VERSION))) {
        alloc_free(encoder);
        return -ENOMEM;
    }
    *out = encoder;
    return 0;
}

static int encoder_reset(void *state)
{
    struct lz4_encoder *encoder = state;
    encoder->has_begun = encoder->has_ended = false; /* the next begin() starts afresh */
    encoder->staged_from = encoder->staged_to = 0;
    return 0;
}

static void encoder_close(void *state)
{
    struct lz4_encoder *encoder = state;
    LZ4F_freeCompressionContext(encoder->ctx);
    alloc_free(encoder);
}

static void give_staged(struct lz4_encoder *encoder, struct coding_io *io)
{
    size_t len = encoder->staged_to - encoder->staged_from;
    if (len > io->out_len)
        len = io->out_len;
    memcpy(io->out, encoder->stage + encoder->staged_from, len);
    encoder->staged_from += len;
    io->out += len;
    io->out_len -= len;
}

/* Stage what comes next.  In *out_is_last: it is the last of the step. */
static size_t stage_next(struct lz4_encoder *encoder, enum coding_step step, struct coding_io *io,
                         bool *out_is_last)
{
    uint8_t *stage = encoder->stage;
    if (!encoder->has_begun) {
        encoder->has_begun = true;
        return LZ4F_compressBegin(encoder->ctx, stage, encoder->stage_size, &preferences);
    }
    if (io->in_len > 0) {
        size_t len = io->in_len < PIECE_SIZE ? io->in_len : PIECE_SIZE;
        size_t result =
            LZ4F_compressUpdate(encoder->ctx, stage, encoder->stage_size, io->in, len, NULL);
        io->in += len;
        io->in_len -= len;
        return result;
    }
    *out_is_last = true;
    if (step == CODING_STEP_MORE)
        return 0;
    if (step == CODING_STEP_FLUSH)
        return LZ4F_flush(encoder->ctx, stage, encoder->stage_size, NULL);
    encoder->has_ended = true;
    return LZ4F_compressEnd(encoder->ctx, stage, encoder->stage_size, NULL);
}

static int encoder_run(void *state, enum coding_step step, struct coding_io *io, bool *out_done)
{
    struct lz4_encoder *encoder = state;
    bool is_last = encoder->has_ended;
    give_staged(encoder, io);
    while (io->out_len > 0 && !is_last) {
        size_t result = stage_next(encoder, step, io, &is_last);
        if (LZ4F_isError(result))
            return error_of(result);
        encoder->staged_from = 0;
        encoder->staged_to = result;
        give_staged(encoder, io);
    }
    *out_done = is_last && encoder->staged_from == encoder->staged_to;
    return 0;
}

const struct coding_codec coding_lz4_encoder = {
    .open = encoder_open,
    .reset = encoder_reset,
    .run = encoder_run,
    .close = encoder_close,
};

/* ---- decoder ---------------------------------------------------------------------- */

static int decoder_open(enum coding coding, void **out)
{
    LZ4F_dctx *ctx;
    if (alloc_is_refused() || LZ4F_isError(LZ4F_createDecompressionContext(&ctx, LZ4F_VERSION)))
        return -ENOMEM;
    *out = ctx;
    return 0;
}

static int decoder_reset(void *state)
{
    LZ4F_resetDecompressionContext(state);
    return 0;
}

static int decoder_run(void *state, enum coding_step step, struct coding_io *io, bool *out_done)
{
    size_t in_len = io->in_len, out_len = io->out_len;
    size_t result = LZ4F_decompress(state, io->out, &out_len, io->in, &in_len, NULL);
    if (LZ4F_isError(result))
        return error_of(result);
    io->in += in_len;
    io->in_len -= in_len;
    io->out += out_len;
    io->out_len -= out_len;
    *out_done = result == 0;
    return 0;
}

static void decoder_close(void *state)
{
    LZ4F_freeDecompressionContext(state);
}

const struct coding_codec coding_lz4_decoder = {
    .open = decoder_open,
    .reset = decoder_reset,
    .run = decoder_run,
    .close = decoder_close,
    .may_repeat = true,
};
