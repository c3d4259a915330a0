/* SPDX-License-Identifier: MIT */
/*
 * Goal: every content coding gives back what went in, however the bytes are cut; what is cut short,
 * corrupt or too much is told apart; a context that is used again is as a new one.
 * Method: texts that shrink and texts that do not, encoded and decoded in pieces of several sizes;
 * each byte of a coded text changed or missing; streams made to be just at each limit.
 */
#include "harness.h"

#include "base/alloc.h"
#include "http/coding.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define TEXT_LEN 200000

static const enum coding codings[] = {CODING_ZSTD, CODING_BR, CODING_GZIP, CODING_DEFLATE,
                                      CODING_LZ4F};
#define CODINGS (sizeof(codings) / sizeof(codings[0]))

static const struct coding_limits no_limits = {.size_max = UINT64_MAX, .ratio_max = UINT64_MAX};

/* Words that repeat, and after half of them noise. */
static const char *text(void)
{
    static char bytes[TEXT_LEN];
    uint32_t seed = 1;
    for (size_t i = 0; i < TEXT_LEN && bytes[TEXT_LEN - 1] == '\0'; i++) {
        seed = seed * 1664525 + 1013904223;
        bytes[i] =
            i < TEXT_LEN / 2 ? "the quick brown fox "[(i + i / 777) % 20] : (char)(seed >> 24);
    }
    bytes[TEXT_LEN - 1] = '.';
    return bytes;
}

static struct coding_encoder *new_encoder(enum coding coding)
{
    struct coding_encoder *encoder = NULL;
    assert_int_equal(coding_encoder_new(coding, &encoder), 0);
    return encoder;
}

static struct coding_decoder *new_decoder(enum coding coding, const struct coding_limits *limits)
{
    struct coding_decoder *decoder = NULL;
    assert_int_equal(coding_decoder_new(coding, limits, &decoder), 0);
    return decoder;
}

/* Encode len bytes in pieces, and append the whole text to out. */
static void encode(struct coding_encoder *encoder, const char *bytes, size_t len, size_t piece,
                   struct buf *out)
{
    for (size_t i = 0; i < len; i += piece) {
        size_t part = len - i < piece ? len - i : piece;
        assert_int_equal(coding_encode(encoder, CODING_STEP_MORE, bytes + i, part, out), 0);
    }
    assert_int_equal(coding_encode(encoder, CODING_STEP_FINISH, NULL, 0, out), 0);
}

/*
 * Decode len bytes in pieces, each from a block of its size, with so much room at once.  Returns
 * what failed, or what coding_decoder_finish() says.
 */
static int decode(struct coding_decoder *decoder, const char *bytes, size_t len, size_t piece,
                  size_t room, struct buf *out)
{
    for (size_t i = 0; i < len; i += piece) {
        size_t part = len - i < piece ? len - i : piece, at = 0;
        char *block = malloc(part);
        int result = 1;
        assert_non_null(block);
        memcpy(block, bytes + i, part);
        while (result == 1) {
            size_t used = SIZE_MAX, before = out->len;
            result = coding_decode(decoder, block + at, part - at, room, &used, out);
            assert_true(result >= 0 || used == SIZE_MAX);
            if (result >= 0) {
                assert_true(used <= part - at);
                assert_true(out->len - before <= room);
                assert_true(result == 0 || used > 0 || out->len > before);
                at += used;
            }
        }
        free(block);
        if (result < 0)
            return result;
        assert_int_equal(at, part);
    }
    return coding_decoder_finish(decoder);
}

static void assert_is_text(const struct buf *buf, size_t len)
{
    assert_int_equal(buf->len, len);
    assert_true(len == 0 || memcmp(buf->bytes, text(), len) == 0);
}

static void what_went_in_comes_out(void **state)
{
    static const size_t lens[] = {0, 1, 100, 70000, TEXT_LEN}, pieces[] = {7, 4096, TEXT_LEN};
    for (size_t c = 0; c < CODINGS; c++) {
        struct coding_encoder *encoder = new_encoder(codings[c]);
        struct coding_decoder *decoder = new_decoder(codings[c], &no_limits);
        for (size_t i = 0; i < 15; i++) { /* the contexts are used again and again */
            struct buf coded, decoded;
            buf_init(&coded, SIZE_MAX);
            buf_init(&decoded, SIZE_MAX);
            size_t len = lens[i % 5], piece = pieces[i / 5];
            encode(encoder, text(), len, piece, &coded);
            assert_true(len < 70000 || coded.len < len);
            assert_int_equal(decode(decoder, coded.bytes, coded.len, piece, 5000, &decoded), 0);
            assert_is_text(&decoded, len);
            buf_free(&coded);
            buf_free(&decoded);
            assert_int_equal(coding_encoder_reset(encoder), 0);
            assert_int_equal(coding_decoder_reset(decoder, &no_limits), 0);
        }
        coding_encoder_free(encoder);
        coding_decoder_free(decoder);
    }
}

static void a_context_can_be_reset_in_the_middle_of_a_text(void **state)
{
    for (size_t c = 0; c < CODINGS; c++) {
        struct coding_encoder *encoder = new_encoder(codings[c]);
        struct coding_decoder *decoder = new_decoder(codings[c], &no_limits);
        struct buf coded, decoded;
        buf_init(&coded, SIZE_MAX);
        buf_init(&decoded, SIZE_MAX);
        assert_int_equal(coding_encode(encoder, CODING_STEP_MORE, text(), 90000, &coded), 0);
        assert_int_equal(coding_encoder_reset(encoder), 0);
        coded.len = 0;
        encode(encoder, text(), 90000, 4096, &coded);
        assert_int_equal(decode(decoder, coded.bytes, coded.len / 2, 4096, 4096, &decoded),
                         -ENODATA);
        assert_int_equal(coding_decoder_reset(decoder, &no_limits), 0);
        decoded.len = 0;
        assert_int_equal(decode(decoder, coded.bytes, coded.len, 4096, 4096, &decoded), 0);
        assert_is_text(&decoded, 90000);
        buf_free(&coded);
        buf_free(&decoded);
        coding_encoder_free(encoder);
        coding_decoder_free(decoder);
    }
}

static void a_flush_lets_all_of_before_be_seen(void **state)
{
    for (size_t c = 0; c < CODINGS; c++) {
        struct coding_encoder *encoder = new_encoder(codings[c]);
        struct coding_decoder *decoder = new_decoder(codings[c], &no_limits);
        struct buf coded, decoded;
        buf_init(&coded, SIZE_MAX);
        buf_init(&decoded, SIZE_MAX);
        for (size_t i = 0; i < 50; i++) {
            coded.len = 0;
            assert_int_equal(
                coding_encode(encoder, CODING_STEP_FLUSH, text() + 100 * i, 100, &coded), 0);
            assert_int_equal(decode(decoder, coded.bytes, coded.len, 64, 64, &decoded), -ENODATA);
            assert_is_text(&decoded, 100 * (i + 1));
        }
        coded.len = 0;
        assert_int_equal(coding_encode(encoder, CODING_STEP_FINISH, NULL, 0, &coded), 0);
        assert_int_equal(decode(decoder, coded.bytes, coded.len, 64, 64, &decoded), 0);
        assert_is_text(&decoded, 5000);
        buf_free(&coded);
        buf_free(&decoded);
        coding_encoder_free(encoder);
        coding_decoder_free(decoder);
    }
}

static void a_text_that_is_cut_short_is_told_of(void **state)
{
    for (size_t c = 0; c < CODINGS; c++) {
        struct coding_encoder *encoder = new_encoder(codings[c]);
        struct coding_decoder *decoder = new_decoder(codings[c], &no_limits);
        struct buf coded;
        buf_init(&coded, SIZE_MAX);
        encode(encoder, text(), 300, 300, &coded);
        for (size_t len = 0; len < coded.len; len++) {
            struct buf decoded;
            buf_init(&decoded, SIZE_MAX);
            assert_int_equal(coding_decoder_reset(decoder, &no_limits), 0);
            assert_int_equal(decode(decoder, coded.bytes, len, 10, 100, &decoded), -ENODATA);
            assert_true(decoded.len <= 300 &&
                        memcmp(decoded.bytes ?: "", text(), decoded.len) == 0);
            buf_free(&decoded);
        }
        buf_free(&coded);
        coding_encoder_free(encoder);
        coding_decoder_free(decoder);
    }
}

/* br and deflate's blocks have no checksum of their own; the others find every changed byte. */
static void corrupt_bytes_are_told_of(void **state)
{
    for (size_t c = 0; c < CODINGS; c++) {
        struct coding_encoder *encoder = new_encoder(codings[c]);
        struct coding_decoder *decoder = new_decoder(codings[c], &no_limits);
        struct buf coded;
        size_t found = 0;
        buf_init(&coded, SIZE_MAX);
        encode(encoder, text(), 300, 300, &coded);
        for (size_t i = 0; i < coded.len; i++) {
            struct buf decoded;
            buf_init(&decoded, SIZE_MAX);
            coded.bytes[i] ^= 0x55;
            assert_int_equal(coding_decoder_reset(decoder, &no_limits), 0);
            int err = decode(decoder, coded.bytes, coded.len, coded.len, 100, &decoded);
            assert_true(err == 0 || err == -EBADMSG || err == -ENODATA || err == -ENOMEM);
            found += err == -EBADMSG;
            coded.bytes[i] ^= 0x55;
            buf_free(&decoded);
        }
        assert_true(found > coded.len / 4);
        buf_free(&coded);
        coding_encoder_free(encoder);
        coding_decoder_free(decoder);
    }
}

static void members_may_stand_one_behind_the_other(void **state)
{
    for (size_t c = 0; c < CODINGS; c++) {
        bool may_repeat = codings[c] != CODING_BR && codings[c] != CODING_DEFLATE;
        struct coding_encoder *encoder = new_encoder(codings[c]);
        struct coding_decoder *decoder = new_decoder(codings[c], &no_limits);
        struct buf coded, decoded;
        buf_init(&coded, SIZE_MAX);
        buf_init(&decoded, SIZE_MAX);
        encode(encoder, text(), 1000, 1000, &coded);
        size_t first_len = coded.len;
        assert_int_equal(coding_encoder_reset(encoder), 0);
        encode(encoder, text() + 1000, 1000, 1000, &coded);
        for (size_t piece = 1; piece <= coded.len; piece++) {
            int wanted = may_repeat ? 0 : -EBADMSG;
            decoded.len = 0;
            assert_int_equal(coding_decoder_reset(decoder, &no_limits), 0);
            assert_int_equal(decode(decoder, coded.bytes, coded.len, piece, 999, &decoded), wanted);
            if (may_repeat)
                assert_is_text(&decoded, 2000);
        }
        assert_int_equal(coding_decoder_reset(decoder, &no_limits), 0);
        assert_int_equal(decode(decoder, coded.bytes, first_len + 1, 9, 999, &decoded),
                         may_repeat ? -ENODATA : -EBADMSG);
        buf_free(&coded);
        buf_free(&decoded);
        coding_encoder_free(encoder);
        coding_decoder_free(decoder);
    }
}

static void what_follows_the_end_and_is_no_member_is_refused(void **state)
{
    for (size_t c = 0; c < CODINGS; c++) {
        struct coding_encoder *encoder = new_encoder(codings[c]);
        struct coding_decoder *decoder = new_decoder(codings[c], &no_limits);
        struct buf coded, decoded;
        buf_init(&coded, SIZE_MAX);
        buf_init(&decoded, SIZE_MAX);
        encode(encoder, text(), 1000, 1000, &coded);
        assert_int_equal(buf_append(&coded, "garbage behind it", 17), 0);
        assert_int_equal(decode(decoder, coded.bytes, coded.len, 5, 5, &decoded), -EBADMSG);
        assert_is_text(&decoded, 1000);
        buf_free(&coded);
        buf_free(&decoded);
        coding_encoder_free(encoder);
        coding_decoder_free(decoder);
    }
}

static void decoded_bytes_are_limited(void **state)
{
    for (size_t c = 0; c < CODINGS; c++) {
        struct coding_encoder *encoder = new_encoder(codings[c]);
        struct coding_decoder *decoder = new_decoder(codings[c], &no_limits);
        struct buf coded;
        buf_init(&coded, SIZE_MAX);
        encode(encoder, text(), 50000, 50000, &coded);
        for (uint64_t max = 49999; max <= 50001; max++) {
            struct buf decoded;
            buf_init(&decoded, SIZE_MAX);
            const struct coding_limits limits = {.size_max = max, .ratio_max = CODING_RATIO_MAX};
            assert_int_equal(coding_decoder_reset(decoder, &limits), 0);
            assert_int_equal(decode(decoder, coded.bytes, coded.len, 1000, 3000, &decoded),
                             max < 50000 ? -EFBIG : 0);
            assert_is_text(&decoded, max < 50000 ? max : 50000);
            buf_free(&decoded);
        }
        buf_free(&coded);
        coding_encoder_free(encoder);
        coding_decoder_free(decoder);
    }
}

static void the_ratio_is_limited_past_the_first_bytes(void **state)
{
    assert_false(coding_is_bomb(1, CODING_RATIO_FREE, 1));
    assert_true(coding_is_bomb(1, CODING_RATIO_FREE + 1, 1));
    assert_false(coding_is_bomb(100000, 24999999, 250));
    assert_false(coding_is_bomb(100000, 25000000, 250));
    assert_true(coding_is_bomb(100000, 25000001, 250));
    assert_false(coding_is_bomb(1, UINT64_MAX, UINT64_MAX));
}

/* A decompression bomb: a few KiB that stand for 64 MiB. */
static void a_bomb_ends_soon_after_the_first_bytes(void **state)
{
    static const char zeros[65536];
    const struct coding_limits limits = {.size_max = UINT64_MAX, .ratio_max = CODING_RATIO_MAX};
    for (size_t c = 0; c < CODINGS; c++) {
        struct coding_encoder *encoder = new_encoder(codings[c]);
        struct coding_decoder *decoder = new_decoder(codings[c], &limits);
        struct buf coded, decoded;
        buf_init(&coded, SIZE_MAX);
        buf_init(&decoded, SIZE_MAX);
        for (size_t i = 0; i < 1024; i++)
            assert_int_equal(coding_encode(encoder, CODING_STEP_MORE, zeros, sizeof(zeros), &coded),
                             0);
        assert_int_equal(coding_encode(encoder, CODING_STEP_FINISH, NULL, 0, &coded), 0);
        int err = decode(decoder, coded.bytes, coded.len, coded.len, 65536, &decoded);
        if (sizeof(zeros) * 1024 / coded.len > CODING_RATIO_MAX) {
            assert_int_equal(err, -E2BIG);
            assert_true(decoded.len < 32 * CODING_RATIO_FREE);
        } else { /* LZ4 has no such ratio */
            assert_int_equal(codings[c], CODING_LZ4F);
            assert_int_equal(err, 0);
        }
        buf_free(&coded);
        buf_free(&decoded);
        coding_encoder_free(encoder);
        coding_decoder_free(decoder);
    }
}

/* Frames made by hand: magic number, descriptor of a window without a size, window, a last block.
 */
static void a_zstd_window_is_limited(void **state)
{
    const struct {
        char window;
        int err;
    } cases[] = {{12 << 3, 0}, {13 << 3, 0}, {13 << 3 | 1, -EBADMSG}, {14 << 3, -EBADMSG}};
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        const char frame[] = {'\x28', '\xb5', '\x2f', '\xfd', 0, cases[i].window, 1, 0, 0};
        struct coding_decoder *decoder = new_decoder(CODING_ZSTD, &no_limits);
        struct buf decoded;
        buf_init(&decoded, SIZE_MAX);
        assert_int_equal(decode(decoder, frame, sizeof(frame), 100, 100, &decoded), cases[i].err);
        buf_free(&decoded);
        coding_decoder_free(decoder);
    }
}

static void an_output_that_is_full_is_told_of(void **state)
{
    for (size_t c = 0; c < CODINGS; c++) {
        struct coding_encoder *encoder = new_encoder(codings[c]);
        struct coding_decoder *decoder = new_decoder(codings[c], &no_limits);
        struct buf coded, small;
        buf_init(&coded, SIZE_MAX);
        encode(encoder, text(), TEXT_LEN, TEXT_LEN, &coded);
        for (size_t less = 0; less < 2; less++) {
            buf_init(&small, coded.len - less);
            assert_int_equal(coding_encoder_reset(encoder), 0);
            int err = coding_encode(encoder, CODING_STEP_FINISH, text(), TEXT_LEN, &small);
            if (less > 0)
                assert_int_equal(err, -ENOSPC);
            else
                assert_true(err == 0 || err == -ENOSPC); /* cut otherwise, it may be longer */
            assert_true(small.len <= coded.len - less);
            buf_free(&small);
        }
        buf_init(&small, TEXT_LEN - 1);
        assert_int_equal(decode(decoder, coded.bytes, coded.len, 1000, 1000, &small), -ENOSPC);
        buf_free(&small);
        buf_free(&coded);
        coding_encoder_free(encoder);
        coding_decoder_free(decoder);
    }
}

static void go_there_and_back(void *closure)
{
    const enum coding coding = *(const enum coding *)closure;
    struct coding_encoder *encoder = NULL;
    struct coding_decoder *decoder = NULL;
    struct buf coded, decoded;
    size_t used;
    buf_init(&coded, SIZE_MAX);
    buf_init(&decoded, SIZE_MAX);
    int err = coding_encoder_new(coding, &encoder);
    if (err == 0)
        err = coding_decoder_new(coding, &no_limits, &decoder);
    for (int round = 0; round < 2 && err == 0; round++) {
        coded.len = decoded.len = 0;
        err = coding_encode(encoder, CODING_STEP_FINISH, text(), 100000, &coded);
        if (err == 0)
            err = coding_decode(decoder, coded.bytes, coded.len, SIZE_MAX, &used, &decoded);
        if (err == 0)
            err = coding_encoder_reset(encoder);
        if (err == 0)
            err = coding_decoder_reset(decoder, &no_limits);
    }
    assert_true(err == 0 || err == -ENOMEM);
    if (err == 0)
        assert_is_text(&decoded, 100000);
    buf_free(&coded);
    buf_free(&decoded);
    coding_encoder_free(encoder);
    coding_decoder_free(decoder);
}

static void no_memory_is_told_of(void **state)
{
    for (size_t c = 0; c < CODINGS; c++) {
        enum coding coding = codings[c];
        harness_fail_each_allocation(go_there_and_back, &coding);
    }
}

static void codings_have_names(void **state)
{
    for (size_t c = 0; c < CODINGS; c++) {
        const char *name = coding_name(codings[c]);
        assert_int_equal(coding_of_name(name, strlen(name)), codings[c]);
    }
    assert_int_equal(coding_of_name("GZip", 4), CODING_GZIP);
    assert_int_equal(coding_of_name("X-gzip", 6), CODING_GZIP);
    assert_int_equal(coding_of_name("identity", 8), CODING_IDENTITY);
    assert_int_equal(coding_of_name("gzi", 3), CODING_UNKNOWN);
    assert_int_equal(coding_of_name("gzipp", 5), CODING_UNKNOWN);
    assert_int_equal(coding_of_name("compress", 8), CODING_UNKNOWN);
    assert_int_equal(coding_of_name("", 0), CODING_UNKNOWN);
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(what_went_in_comes_out),
    cmocka_unit_test(a_context_can_be_reset_in_the_middle_of_a_text),
    cmocka_unit_test(a_flush_lets_all_of_before_be_seen),
    cmocka_unit_test(a_text_that_is_cut_short_is_told_of),
    cmocka_unit_test(corrupt_bytes_are_told_of),
    cmocka_unit_test(members_may_stand_one_behind_the_other),
    cmocka_unit_test(what_follows_the_end_and_is_no_member_is_refused),
    cmocka_unit_test(decoded_bytes_are_limited),
    cmocka_unit_test(the_ratio_is_limited_past_the_first_bytes),
    cmocka_unit_test(a_bomb_ends_soon_after_the_first_bytes),
    cmocka_unit_test(a_zstd_window_is_limited),
    cmocka_unit_test(an_output_that_is_full_is_told_of),
    cmocka_unit_test(no_memory_is_told_of),
    cmocka_unit_test(codings_have_names),
};

HARNESS_MAIN(tests)
