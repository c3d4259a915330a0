/* SPDX-License-Identifier: MIT */
#include "http/coding.h"

#include "base/alloc.h"
#include "http/coding_impl.h"
#include "http/http1_char.h"

#include <assert.h>
#include <errno.h>

#define PIECE_SIZE 16384 /* room made at once, and the grain of the ratio */

struct coding_encoder {
    const struct coding_codec *codec;
    void *state;
};

struct coding_decoder {
    const struct coding_codec *codec;
    void *state;
    struct coding_limits limits;
    uint64_t coded, decoded;
    bool has_ended; /* at the end of a member */
    bool may_hold;  /* the codec filled its room, and may have more to say without more input */
};

static const struct kind {
    const char *name;
    const struct coding_codec *encoder, *decoder;
} kinds[CODING_COUNT] = {
    [CODING_UNKNOWN] = {"", NULL, NULL},
    [CODING_ZSTD] = {"zstd", &coding_zstd_encoder, &coding_zstd_decoder},
    [CODING_BR] = {"br", &coding_br_encoder, &coding_br_decoder},
    [CODING_GZIP] = {"gzip", &coding_zlib_encoder, &coding_gzip_decoder},
    [CODING_DEFLATE] = {"deflate", &coding_zlib_encoder, &coding_deflate_decoder},
    [CODING_LZ4F] = {"lz4f", &coding_lz4_encoder, &coding_lz4_decoder},
    [CODING_IDENTITY] = {"identity", NULL, NULL},
};

enum coding coding_of_name(const char *name, size_t len)
{
    if (len == 6 && http1_char_equal(name, "x-gzip", 6)) /* RFC 9110 section 8.4.1.3 */
        return CODING_GZIP;
    for (enum coding coding = CODING_UNKNOWN + 1; coding < CODING_COUNT; coding++) {
        if (strlen(kinds[coding].name) == len && http1_char_equal(name, kinds[coding].name, len))
            return coding;
    }
    return CODING_UNKNOWN;
}

const char *coding_name(enum coding coding)
{
    assert(coding > CODING_UNKNOWN && coding < CODING_COUNT);
    return kinds[coding].name;
}

/*
 * Make room for up to want bytes in out, as few as its maximum leaves, and give them to io.
 * -ENOSPC: there is none.
 */
static int make_room(struct buf *out, size_t want, struct coding_io *io)
{
    size_t left = out->max - out->len;
    if (left == 0)
        return -ENOSPC;
    if (want > left)
        want = left;
    int err = buf_reserve(out, want);
    if (err != 0)
        return err;
    io->out = (uint8_t *)out->bytes + out->len;
    io->out_len = want;
    return 0;
}

/* ---- encoders --------------------------------------------------------------------- */

int coding_encoder_new(enum coding coding, struct coding_encoder **out)
{
    assert(kinds[coding].encoder != NULL);
    struct coding_encoder *encoder = alloc_zeroed(1, sizeof(*encoder));
    if (encoder == NULL)
        return -ENOMEM;
    encoder->codec = kinds[coding].encoder;
    int err = encoder->codec->open(coding, &encoder->state);
    if (err != 0) {
        alloc_free(encoder);
        return err;
    }
    *out = encoder;
    return 0;
}

int coding_encoder_reset(struct coding_encoder *encoder)
{
    return encoder->codec->reset(encoder->state);
}

void coding_encoder_free(struct coding_encoder *encoder)
{
    if (encoder == NULL)
        return;
    encoder->codec->close(encoder->state);
    alloc_free(encoder);
}

int coding_encode(struct coding_encoder *encoder, enum coding_step step, const void *bytes,
                  size_t len, struct buf *out)
{
    assert(step != CODING_STEP_INVALID);
    struct coding_io io = {.in = bytes, .in_len = len};
    bool is_done = step == CODING_STEP_MORE && len == 0;
    while (!is_done) {
        int err = make_room(out, PIECE_SIZE, &io);
        if (err != 0)
            return err;
        size_t room = io.out_len;
        err = encoder->codec->run(encoder->state, step, &io, &is_done);
        if (err != 0)
            return err;
        out->len += room - io.out_len;
    }
    return 0;
}

/* ---- decoders --------------------------------------------------------------------- */

int coding_decoder_new(enum coding coding, const struct coding_limits *limits,
                       struct coding_decoder **out)
{
    assert(kinds[coding].decoder != NULL);
    struct coding_decoder *decoder = alloc_zeroed(1, sizeof(*decoder));
    if (decoder == NULL)
        return -ENOMEM;
    decoder->codec = kinds[coding].decoder;
    decoder->limits = *limits;
    int err = decoder->codec->open(coding, &decoder->state);
    if (err != 0) {
        alloc_free(decoder);
        return err;
    }
    *out = decoder;
    return 0;
}

int coding_decoder_reset(struct coding_decoder *decoder, const struct coding_limits *limits)
{
    decoder->limits = *limits;
    decoder->coded = decoder->decoded = 0;
    decoder->has_ended = decoder->may_hold = false;
    return decoder->codec->reset(decoder->state);
}

void coding_decoder_free(struct coding_decoder *decoder)
{
    if (decoder == NULL)
        return;
    decoder->codec->close(decoder->state);
    alloc_free(decoder);
}

/* Let the codec work once on io, and judge what it did. */
static int decode_piece(struct coding_decoder *decoder, struct coding_io *io)
{
    size_t in_len = io->in_len, out_len = io->out_len;
    if (decoder->has_ended) { /* what is left belongs to another member */
        if (!decoder->codec->may_repeat)
            return -EBADMSG;
        int err = decoder->codec->reset(decoder->state);
        if (err != 0)
            return err;
        decoder->has_ended = false;
    }
    int err = decoder->codec->run(decoder->state, CODING_STEP_MORE, io, &decoder->has_ended);
    if (err != 0)
        return err;
    decoder->coded += in_len - io->in_len;
    decoder->decoded += out_len - io->out_len;
    decoder->may_hold = io->out_len == 0 && !decoder->has_ended;
    if (decoder->decoded > decoder->limits.size_max)
        return -EFBIG;
    if (coding_is_bomb(decoder->coded, decoder->decoded, decoder->limits.ratio_max))
        return -E2BIG;
    /* A codec that neither takes nor gives would be asked for ever. */
    return in_len == io->in_len && out_len == io->out_len && in_len > 0 && !decoder->has_ended
               ? -EBADMSG
               : 0;
}

/* Decode one piece of at most room bytes into out. */
static int decode_into(struct coding_decoder *decoder, struct coding_io *io, size_t room,
                       struct buf *out)
{
    uint8_t spare; /* room for the byte that is too much */
    uint64_t allowed = decoder->limits.size_max - decoder->decoded;
    if (allowed == 0) {
        io->out = &spare;
        io->out_len = 1;
        return decode_piece(decoder, io);
    }
    if (room > PIECE_SIZE)
        room = PIECE_SIZE;
    int err = make_room(out, room < allowed ? room : (size_t)allowed, io);
    if (err != 0)
        return err;
    size_t given = io->out_len;
    err = decode_piece(decoder, io);
    if (err == 0)
        out->len += given - io->out_len;
    return err;
}

int coding_decode(struct coding_decoder *decoder, const void *bytes, size_t len, size_t room,
                  size_t *out_used, struct buf *out)
{
    assert(room > 0);
    struct coding_io io = {.in = bytes, .in_len = len};
    const size_t start = out->len;
    while ((io.in_len > 0 || decoder->may_hold) && out->len - start < room) {
        int err = decode_into(decoder, &io, room - (out->len - start), out);
        if (err != 0)
            return err;
    }
    *out_used = len - io.in_len;
    return io.in_len > 0 || decoder->may_hold;
}

int coding_decoder_finish(const struct coding_decoder *decoder)
{
    return decoder->has_ended ? 0 : -ENODATA;
}
