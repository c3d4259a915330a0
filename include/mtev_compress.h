/* SPDX-License-Identifier: MIT */
/*
 * mtev_compress.h - compress a block of bytes; decompress what libcurl receives.
 *
 * Any thread; nothing here yields, but write functions may.  Nothing here needs libcurl.
 */
#ifndef MTEV_COMPRESS_H
#define MTEV_COMPRESS_H

#include <mtev_defines.h>

MTEV_BEGIN_DECLS

typedef enum {
    MTEV_COMPRESS_NONE = 0,
    MTEV_COMPRESS_LZ4F,    /* the LZ4 frame format */
    MTEV_COMPRESS_DEFLATE, /* RFC 1950 */
    MTEV_COMPRESS_GZIP     /* RFC 1952 */
} mtev_compress_type;

/*
 * Compress the len bytes at data.  Gives the result, which the caller ends with free(3), and its
 * length.  Returns 0, or -1 with ENOMEM; then both are untouched.  Memory: some 270 KiB
 * during the call, and the result.  Cost: 20 ns a byte (gzip), 3 ns (lz4f).
 */
API_EXPORT(int)
mtev_compress_gzip(const char *data, size_t len, unsigned char **compressed,
                   size_t *compressed_len);
API_EXPORT(int)
mtev_compress_lz4f(const char *data, size_t len, unsigned char **compressed,
                   size_t *compressed_len);

/* What takes size * nmemb bytes at contents; any other result than that number ends the transfer.
 */
typedef size_t (*mtev_curl_write_func_t)(void *contents, size_t size, size_t nmemb, void *closure);

typedef struct mtev_decompress_curl_helper mtev_decompress_curl_helper_t;

/*
 * Return what decompresses a response body of that type and gives it to write(..., closure), in
 * pieces of at most 16 KiB and of any number.  The caller owns it, and ends it with destroy() when
 * the transfer is over; NULL is a no-op.  NULL: no memory (ENOMEM), or EINVAL and a line in the
 * log.  There is no limit on how much comes out: write() is where to set one.
 */
API_EXPORT(mtev_decompress_curl_helper_t *)
mtev_decompress_create_curl_helper(mtev_curl_write_func_t write, void *closure,
                                   mtev_compress_type type);
API_EXPORT(void) mtev_decompress_destroy_curl_helper(mtev_decompress_curl_helper_t *helper);

/*
 * The CURLOPT_WRITEFUNCTION to set, with the helper as CURLOPT_WRITEDATA.  Returns size * nmemb, or
 * another number, by which libcurl ends the transfer (CURLE_WRITE_ERROR): the bytes are no text of
 * the type, write() did not take all, or there is no memory.  A text that is cut short is not told
 * of; libcurl itself tells of a body that is.
 */
API_EXPORT(size_t)
mtev_curl_write_callback(char *contents, size_t size, size_t nmemb, void *helper);

MTEV_END_DECLS

#endif
