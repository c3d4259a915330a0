/* SPDX-License-Identifier: MIT */
/*
 * br, by libbrotli, whose states cannot be used again: a reset makes another one.
 *
 * As it is commonly built, its encoder ends the process when its allocator has no memory.  So ours
 * does not return then, but jumps back to where the encoder was called; and it knows all blocks,
 * so that none is lost by that.
 */
#include "base/alloc.h"
#include "base/list.h"
#include "http/coding_impl.h"

#include <brotli/decode.h>
#include <brotli/encode.h>
#include <errno.h>
#include <setjmp.h>

#define QUALITY     4  /* of 11: as dense as gzip at level 5, and a bit faster */
#define WINDOW_BITS 17 /* 128 KiB back */

/* ---- encoder ---------------------------------------------------------------------- */

struct br_encoder {
    BrotliEncoderState *state; /* NULL after what failed */
    struct ring blocks;        /* all that the library has of the heap */
    bool may_jump;             /* back is set */
    jmp_buf back;
};

struct block {
    _Alignas(max_align_t) struct ring node;
    _Alignas(max_align_t) char bytes[];
};

static void *take_block(void *closure, size_t size)
{
    struct br_encoder *encoder = closure;
    struct block *block = alloc_bytes(sizeof(*block) + size);
    if (block == NULL) {
        if (encoder->may_jump)
            longjmp(encoder->back, 1);
        return NULL;
    }
    ring_add_tail(&encoder->blocks, &block->node);
    return block->bytes;
}

static void give_block_back(void *closure, void *bytes)
{
    if (bytes == NULL)
        return;
    struct block *block = list_entry(bytes, struct block, bytes);
    ring_remove(&block->node);
    alloc_free(block);
}

static void drop_state(struct br_encoder *encoder)
{
    encoder->state = NULL;
    while (!ring_is_empty(&encoder->blocks))
        give_block_back(encoder, list_entry(encoder->blocks.next, struct block, node)->bytes);
}

static int encoder_reset(void *state)
{
    struct br_encoder *encoder = state;
    drop_state(encoder);
    encoder->state = BrotliEncoderCreateInstance(take_block, give_block_back, encoder);
    if (encoder->state == NULL)
        return -ENOMEM;
    BrotliEncoderSetParameter(encoder->state, BROTLI_PARAM_QUALITY, QUALITY);
    BrotliEncoderSetParameter(encoder->state, BROTLI_PARAM_LGWIN, WINDOW_BITS);
    return 0;
}

static void encoder_close(void *state)
{
    drop_state(state);
    alloc_free(state);
}

static int encoder_open(enum coding coding, void **out)
{
    struct br_encoder *encoder = alloc_zeroed(1, sizeof(*encoder));
    if (encoder == NULL)
        return -ENOMEM;
    ring_init(&encoder->blocks);
    int err = encoder_reset(encoder);
    if (err != 0) {
        alloc_free(encoder);
        return err;
    }
    *out = encoder;
    return 0;
}

/* Call the library; false: there was no memory, and the state is gone. */
static bool compress(struct br_encoder *encoder, BrotliEncoderOperation operation,
                     struct coding_io *io)
{
    encoder->may_jump = true;
    if (_setjmp(encoder->back) != 0) {
        encoder->may_jump = false;
        drop_state(encoder);
        return false;
    }
    bool is_done = BrotliEncoderCompressStream(encoder->state, operation, &io->in_len, &io->in,
                                               &io->out_len, &io->out, NULL);
    encoder->may_jump = false;
    return is_done; /* it has no other way to fail */
}

static int encoder_run(void *state, enum coding_step step, struct coding_io *io, bool *out_done)
{
    static const BrotliEncoderOperation operations[] = {
        [CODING_STEP_MORE] = BROTLI_OPERATION_PROCESS,
        [CODING_STEP_FLUSH] = BROTLI_OPERATION_FLUSH,
        [CODING_STEP_FINISH] = BROTLI_OPERATION_FINISH,
    };
    struct br_encoder *encoder = state;
    if (!compress(encoder, operations[step], io))
        return -ENOMEM;
    *out_done = io->in_len == 0 && !BrotliEncoderHasMoreOutput(encoder->state);
    if (step == CODING_STEP_FINISH)
        *out_done = BrotliEncoderIsFinished(encoder->state);
    return 0;
}

const struct coding_codec coding_br_encoder = {
    .open = encoder_open,
    .reset = encoder_reset,
    .run = encoder_run,
    .close = encoder_close,
};

/* ---- decoder ---------------------------------------------------------------------- */

static void *take(void *closure, size_t size)
{
    return alloc_bytes(size);
}

static void give_back(void *closure, void *block)
{
    alloc_free(block);
}

struct br_decoder {
    BrotliDecoderState *state; /* NULL after a reset that failed */
};

static int decoder_reset(void *state)
{
    struct br_decoder *decoder = state;
    if (decoder->state != NULL)
        BrotliDecoderDestroyInstance(decoder->state);
    decoder->state = BrotliDecoderCreateInstance(take, give_back, NULL);
    return decoder->state != NULL ? 0 : -ENOMEM;
}

static void decoder_close(void *state)
{
    struct br_decoder *decoder = state;
    if (decoder->state != NULL)
        BrotliDecoderDestroyInstance(decoder->state);
    alloc_free(decoder);
}

static int decoder_open(enum coding coding, void **out)
{
    struct br_decoder *decoder = alloc_zeroed(1, sizeof(*decoder));
    if (decoder == NULL)
        return -ENOMEM;
    int err = decoder_reset(decoder);
    if (err != 0) {
        alloc_free(decoder);
        return err;
    }
    *out = decoder;
    return 0;
}

static bool is_of_memory(BrotliDecoderErrorCode code)
{
    return code <= BROTLI_DECODER_ERROR_ALLOC_CONTEXT_MODES &&
           code >= BROTLI_DECODER_ERROR_ALLOC_BLOCK_TYPE_TREES;
}

static int decoder_run(void *state, enum coding_step step, struct coding_io *io, bool *out_done)
{
    BrotliDecoderState *decoder = ((struct br_decoder *)state)->state;
    BrotliDecoderResult result =
        BrotliDecoderDecompressStream(decoder, &io->in_len, &io->in, &io->out_len, &io->out, NULL);
    *out_done = result == BROTLI_DECODER_RESULT_SUCCESS;
    if (result != BROTLI_DECODER_RESULT_ERROR)
        return 0;
    return is_of_memory(BrotliDecoderGetErrorCode(decoder)) ? -ENOMEM : -EBADMSG;
}

const struct coding_codec coding_br_decoder = {
    .open = decoder_open,
    .reset = decoder_reset,
    .run = decoder_run,
    .close = decoder_close,
};
