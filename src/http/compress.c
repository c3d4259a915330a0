/* SPDX-License-Identifier: MIT */
/* mtev_compress.h on top of coding.h. */
#include <mtev_compress.h>

#include "base/alloc.h"
#include "http/coding.h"

#include <errno.h>
#include <mtev_log.h>

#define ROOM_SIZE 16384 /* decoded bytes that a write function is given at once */

/* ---- all at once ------------------------------------------------------------------ */

static int compress(enum coding coding, const char *data, size_t len, unsigned char **compressed,
                    size_t *compressed_len)
{
    struct coding_encoder *encoder;
    struct buf out;
    buf_init(&out, SIZE_MAX);
    int err = coding_encoder_new(coding, &encoder);
    if (err == 0) {
        err = coding_encode(encoder, CODING_STEP_FINISH, data, len, &out);
        coding_encoder_free(encoder);
    }
    if (err != 0) {
        buf_free(&out);
        errno = -err;
        return -1;
    }
    *compressed = (unsigned char *)out.bytes;
    *compressed_len = out.len;
    return 0;
}

int mtev_compress_gzip(const char *data, size_t len, unsigned char **compressed,
                       size_t *compressed_len)
{
    return compress(CODING_GZIP, data, len, compressed, compressed_len);
}

int mtev_compress_lz4f(const char *data, size_t len, unsigned char **compressed,
                       size_t *compressed_len)
{
    return compress(CODING_LZ4F, data, len, compressed, compressed_len);
}

/* ---- for libcurl ------------------------------------------------------------------ */

struct mtev_decompress_curl_helper {
    mtev_curl_write_func_t write;
    void *closure;
    struct coding_decoder *decoder; /* NULL: bytes pass as they are */
    struct buf decoded;
    bool has_failed; /* what comes after is not looked at */
};

static enum coding coding_of_type(mtev_compress_type type)
{
    switch (type) {
    case MTEV_COMPRESS_GZIP:
        return CODING_GZIP;
    case MTEV_COMPRESS_DEFLATE:
        return CODING_DEFLATE;
    case MTEV_COMPRESS_LZ4F:
        return CODING_LZ4F;
    case MTEV_COMPRESS_NONE:
        return CODING_IDENTITY;
    }
    return CODING_UNKNOWN;
}

mtev_decompress_curl_helper_t *mtev_decompress_create_curl_helper(mtev_curl_write_func_t write,
                                                                  void *closure,
                                                                  mtev_compress_type type)
{
    /* Whom to trust, and with how much, is the business of who chose the server. */
    static const struct coding_limits limits = {.size_max = UINT64_MAX, .ratio_max = UINT64_MAX};
    enum coding coding = coding_of_type(type);
    if (write == NULL || coding == CODING_UNKNOWN) {
        mtevL(mtev_error, "mtev_decompress_create_curl_helper: %s\n",
              write == NULL ? "no function to write with" : "an unknown type");
        errno = EINVAL;
        return NULL;
    }
    mtev_decompress_curl_helper_t *helper = alloc_zeroed(1, sizeof(*helper));
    if (helper == NULL)
        return NULL;
    helper->write = write;
    helper->closure = closure;
    buf_init(&helper->decoded, ROOM_SIZE);
    if (coding == CODING_IDENTITY)
        return helper;
    int err = coding_decoder_new(coding, &limits, &helper->decoder);
    if (err != 0) {
        alloc_free(helper);
        errno = -err;
        return NULL;
    }
    return helper;
}

void mtev_decompress_destroy_curl_helper(mtev_decompress_curl_helper_t *helper)
{
    if (helper == NULL)
        return;
    coding_decoder_free(helper->decoder);
    buf_free(&helper->decoded);
    alloc_free(helper);
}

/* Decode len bytes and have them written; false if either fails. */
static bool pass_on(struct mtev_decompress_curl_helper *helper, const char *bytes, size_t len)
{
    int more;
    do {
        size_t used;
        helper->decoded.len = 0;
        more = coding_decode(helper->decoder, bytes, len, ROOM_SIZE, &used, &helper->decoded);
        if (more < 0)
            return false;
        bytes += used;
        len -= used;
        size_t decoded = helper->decoded.len;
        if (decoded > 0 &&
            helper->write(helper->decoded.bytes, 1, decoded, helper->closure) != decoded)
            return false;
    } while (more == 1);
    return true;
}

size_t mtev_curl_write_callback(char *contents, size_t size, size_t nmemb, void *helper_)
{
    mtev_decompress_curl_helper_t *helper = helper_;
    const size_t len = size * nmemb;
    if (helper->decoder == NULL)
        return helper->write(contents, size, nmemb, helper->closure);
    if (!helper->has_failed)
        helper->has_failed = !pass_on(helper, contents, len);
    if (helper->has_failed) /* any other count ends the transfer; none may be all there was */
        return len == 0 ? 1 : 0;
    return len;
}
