/* SPDX-License-Identifier: MIT */
/*
 * coding_impl.h - what coding.c asks of each library that knows a coding.
 *
 * Layer: http, for coding*.c.
 */
#ifndef EVENTER_HTTP_CODING_IMPL_H
#define EVENTER_HTTP_CODING_IMPL_H

#include "http/coding.h"

struct coding_io { /* what a codec works on; it moves the pointers on */
    const uint8_t *in;
    size_t in_len;
    uint8_t *out;
    size_t out_len;
};

/*
 * One way of a coding.  run() works until the input or the room is used up or the step is done; it
 * returns 0, -ENOMEM or -EBADMSG, and in *out_done
 *   for an encoder   all input is taken and all that the step asks for is written
 *   for a decoder    the text, or its member, ends here
 * open() gives the state that the others take; reset() makes it as new; close() takes NULL.
 */
struct coding_codec {
    int (*open)(enum coding coding, void **out);
    int (*reset)(void *state);
    int (*run)(void *state, enum coding_step step, struct coding_io *io, bool *out_done);
    void (*close)(void *state);
    bool may_repeat; /* decoders: another member may follow */
};

extern const struct coding_codec coding_zlib_encoder, coding_gzip_decoder, coding_deflate_decoder;
extern const struct coding_codec coding_zstd_encoder, coding_zstd_decoder;
extern const struct coding_codec coding_br_encoder, coding_br_decoder;
extern const struct coding_codec coding_lz4_encoder, coding_lz4_decoder;

#endif
