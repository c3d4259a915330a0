/* SPDX-License-Identifier: MIT */
/*
 * coding.h - content codings: bytes in, coded bytes out, and back, as they come.
 *
 * Layer: http (uses base only).  Not thread safe: an encoder or decoder belongs to one at a time.
 * After a reset it is as a new one, and keeps its memory, so that a loop can have a few of them.
 * Source: RFC 9110 section 8.4.1 (gzip, deflate), RFC 1950, RFC 1952, RFC 7932 (br), RFC 8878 and
 * RFC 9659 (zstd), the LZ4 frame format 1.6 (lz4f, which is libmtev's name for it).
 *
 * What one takes from the heap, and its speed on 1.5 MB of C and prose in pieces of 16 KiB, on one
 * Zen 4 core.  A decoder's memory is that for a text of ours: a peer's zstd frame may make it
 * CODING_WINDOW_MAX and some, one in br 16 MiB, an lz4f block 4 MiB twice.
 *
 *                     gzip, deflate   zstd       br         lz4f
 *   size, of 100      25              27         25         41
 *   encoder, KiB      262             1657       2400       272
 *   decoder, KiB      39              605        153        256
 *   encode, MB/s      49              173        62         384
 *   decode, MB/s      250             536        402        704
 */
#ifndef EVENTER_HTTP_CODING_H
#define EVENTER_HTTP_CODING_H

#include "base/buf.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum coding {
    CODING_UNKNOWN,
    CODING_ZSTD, /* the order is that of preference where a peer has none */
    CODING_BR,
    CODING_GZIP,
    CODING_DEFLATE,
    CODING_LZ4F,
    CODING_IDENTITY,
    CODING_COUNT
};

/* What kind of bytes an encoder is to leave behind. */
enum coding_step {
    CODING_STEP_INVALID,
    CODING_STEP_MORE,  /* what it likes; it keeps back what may code better later */
    CODING_STEP_FLUSH, /* what lets a decoder see all of before; each costs some bytes */
    CODING_STEP_FINISH /* the end of the coded text */
};

#define CODING_RATIO_MAX  250       /* decoded bytes for one coded byte, past the first ones */
#define CODING_RATIO_FREE 1048576   /* decoded bytes that may have come of however few */
#define CODING_WINDOW_MAX (8 << 20) /* bytes a zstd frame may look back: RFC 9659 section 3 */

struct coding_limits {
    uint64_t size_max;  /* decoded bytes */
    uint64_t ratio_max; /* CODING_RATIO_MAX, or UINT64_MAX for a peer that is trusted */
};

struct coding_encoder;
struct coding_decoder;

/* Return the coding of that name, in any case; "x-gzip" is gzip.  CODING_UNKNOWN: none of ours. */
enum coding coding_of_name(const char *name, size_t len);

/* Return the name to send, "gzip"; borrowed for ever. */
const char *coding_name(enum coding coding);

/*
 * Make an encoder (a decoder) of coding, which is neither unknown nor identity.  The caller owns
 * it.  Returns 0 or -ENOMEM.
 */
int coding_encoder_new(enum coding coding, struct coding_encoder **out);
int coding_decoder_new(enum coding coding, const struct coding_limits *limits,
                       struct coding_decoder **out);

/*
 * Begin another text, whatever became of the last one.  Returns 0, or -ENOMEM: then only free() may
 * follow.  A decoder is given the limits of the new text.
 */
int coding_encoder_reset(struct coding_encoder *encoder);
int coding_decoder_reset(struct coding_decoder *decoder, const struct coding_limits *limits);

/* NULL is a no-op. */
void coding_encoder_free(struct coding_encoder *encoder);
void coding_decoder_free(struct coding_decoder *decoder);

/*
 * Encode the len bytes at bytes and append to out what the step asks for.  After a FINISH only a
 * reset may follow.  Returns 0, -ENOMEM, or -ENOSPC (out is full); after an error the text is lost.
 */
int coding_encode(struct coding_encoder *encoder, enum coding_step step, const void *bytes,
                  size_t len, struct buf *out);

/*
 * Decode from the len bytes at bytes and append at most room bytes (room > 0) to out.  *out_used
 * says how many of them were used; it is set on success only.  Returns
 *   1          there may be more: call again with the bytes that are left (or none)
 *   0          all bytes are used and nothing is left to say of them
 *   -EBADMSG   no text of this coding, or something behind its end
 *   -EFBIG     more than size_max decoded bytes
 *   -E2BIG     a ratio over ratio_max: a small message that wants a lot of memory
 *   -ENOMEM, -ENOSPC as coding_encode()
 * and after an error only a reset may follow.  gzip members, zstd and lz4f frames may stand one
 * behind the other, as their definitions allow.
 */
int coding_decode(struct coding_decoder *decoder, const void *bytes, size_t len, size_t room,
                  size_t *out_used, struct buf *out);

/* After the last byte: 0 if the text is complete, or -ENODATA: it is cut short. */
int coding_decoder_finish(const struct coding_decoder *decoder);

/* True if decoded bytes are more than ratio_max for each of the coded ones, and enough to matter.
 */
static inline bool coding_is_bomb(uint64_t coded, uint64_t decoded, uint64_t ratio_max)
{
    return decoded > CODING_RATIO_FREE && (decoded - 1) / ratio_max >= coded;
}

/* ---- which one -------------------------------------------------------------------- */

#define CODING_WEIGHT_UNSAID UINT16_MAX

struct coding_offer {               /* what a request would take; coding_offer_init() */
    uint16_t weights[CODING_COUNT]; /* thousandths; [CODING_UNKNOWN] is that of "*" */
};

/* A request without Accept-Encoding: identity. */
void coding_offer_init(struct coding_offer *offer);

/*
 * Note one field value of Accept-Encoding, in any number of fields.  Elements that are malformed or
 * name codings we do not know are ignored; the first of equal ones counts.  Cost: some 20 ns an
 * element, no allocation.  Source: RFC 9110 sections 12.4.2 and 12.5.3.
 */
void coding_offer_note(struct coding_offer *offer, const char *value, size_t len);

/*
 * Return the coding to use of those in allowed (a bit 1u << coding each; identity needs none): the
 * one of most weight and, of equal ones, the first of the enum.  CODING_UNKNOWN: the request
 * refuses identity, and all that is allowed (406, or identity all the same).
 */
enum coding coding_offer_choose(const struct coding_offer *offer, unsigned allowed);

#endif
