/* SPDX-License-Identifier: MIT */
/*
 * Goal: mtev_compress.h: blocks are compressed, and what libcurl receives is decompressed.
 * Method: compressed bytes given to the write callback in pieces, as libcurl would, with write
 * functions that take all or fail.
 */
#include "logged.h"

#include <mtev_compress.h>

#include "http/coding.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define TEXT_LEN 100000

static const char *text(void)
{
    static char bytes[TEXT_LEN];
    for (size_t i = 0; i < TEXT_LEN; i++)
        bytes[i] = (char)('a' + i * i % 23);
    return bytes;
}

struct sink {
    struct buf bytes;
    size_t calls_max; /* 0: no limit; else the first call past it takes one byte too few */
    size_t calls;
};

static size_t take(void *contents, size_t size, size_t nmemb, void *closure)
{
    struct sink *sink = closure;
    sink->calls++;
    if (sink->calls_max > 0 && sink->calls > sink->calls_max)
        return size * nmemb - 1;
    assert_int_equal(buf_append(&sink->bytes, contents, size * nmemb), 0);
    return size * nmemb;
}

/* Give all bytes to a helper in pieces; returns how many were taken before one was refused. */
static size_t receive(mtev_decompress_curl_helper_t *helper, char *bytes, size_t len, size_t piece)
{
    for (size_t i = 0; i < len; i += piece) {
        size_t part = len - i < piece ? len - i : piece;
        if (mtev_curl_write_callback(bytes + i, 1, part, helper) != part)
            return i;
    }
    return len;
}

static void assert_both_ways(int (*compress)(const char *, size_t, unsigned char **, size_t *),
                             mtev_compress_type type)
{
    unsigned char *compressed = NULL;
    size_t len = 0;
    assert_int_equal(compress(text(), TEXT_LEN, &compressed, &len), 0);
    assert_true(len > 0 && len < TEXT_LEN);
    for (size_t piece = 1; piece <= len; piece = piece * 3 + 1) {
        struct sink sink = {0};
        buf_init(&sink.bytes, SIZE_MAX);
        mtev_decompress_curl_helper_t *helper =
            mtev_decompress_create_curl_helper(take, &sink, type);
        assert_non_null(helper);
        assert_int_equal(receive(helper, (char *)compressed, len, piece), len);
        mtev_decompress_destroy_curl_helper(helper);
        assert_int_equal(sink.bytes.len, TEXT_LEN);
        assert_memory_equal(sink.bytes.bytes, text(), TEXT_LEN);
        buf_free(&sink.bytes);
    }
    free(compressed);
}

static void blocks_go_there_and_back(void **state)
{
    assert_both_ways(mtev_compress_gzip, MTEV_COMPRESS_GZIP);
    assert_both_ways(mtev_compress_lz4f, MTEV_COMPRESS_LZ4F);
}

static void an_empty_block_is_compressed_too(void **state)
{
    unsigned char *compressed = NULL;
    size_t len = 0;
    assert_int_equal(mtev_compress_gzip(NULL, 0, &compressed, &len), 0);
    assert_true(len >= 18); /* head and tail of RFC 1952 */
    free(compressed);
}

static void without_a_type_bytes_pass_as_they_are(void **state)
{
    struct sink sink = {0};
    char bytes[] = "as it is";
    buf_init(&sink.bytes, SIZE_MAX);
    mtev_decompress_curl_helper_t *helper =
        mtev_decompress_create_curl_helper(take, &sink, MTEV_COMPRESS_NONE);
    assert_non_null(helper);
    assert_int_equal(mtev_curl_write_callback(bytes, 2, 4, helper), 8);
    mtev_decompress_destroy_curl_helper(helper);
    assert_int_equal(sink.bytes.len, 8);
    assert_memory_equal(sink.bytes.bytes, bytes, 8);
    buf_free(&sink.bytes);
}

static void bytes_of_another_type_end_the_transfer(void **state)
{
    struct sink sink = {0};
    char bytes[] = "<html>no compression here</html>";
    buf_init(&sink.bytes, SIZE_MAX);
    static const mtev_compress_type types[] = {MTEV_COMPRESS_GZIP, MTEV_COMPRESS_DEFLATE,
                                               MTEV_COMPRESS_LZ4F};
    for (size_t i = 0; i < 3; i++) {
        mtev_decompress_curl_helper_t *helper =
            mtev_decompress_create_curl_helper(take, &sink, types[i]);
        assert_non_null(helper);
        assert_int_equal(mtev_curl_write_callback(bytes, 1, strlen(bytes), helper), 0);
        assert_int_equal(mtev_curl_write_callback(bytes, 1, strlen(bytes), helper), 0);
        assert_int_equal(mtev_curl_write_callback(bytes, 1, 0, helper), 1);
        mtev_decompress_destroy_curl_helper(helper);
    }
    assert_int_equal(sink.calls, 0);
}

static void a_write_function_that_fails_ends_the_transfer(void **state)
{
    unsigned char *compressed = NULL;
    size_t len = 0;
    struct sink sink = {.calls_max = 2};
    buf_init(&sink.bytes, SIZE_MAX);
    assert_int_equal(mtev_compress_gzip(text(), TEXT_LEN, &compressed, &len), 0);
    mtev_decompress_curl_helper_t *helper =
        mtev_decompress_create_curl_helper(take, &sink, MTEV_COMPRESS_GZIP);
    assert_non_null(helper);
    assert_int_not_equal(mtev_curl_write_callback((char *)compressed, 1, len, helper), len);
    assert_int_equal(sink.calls, 3);
    assert_int_not_equal(mtev_curl_write_callback((char *)compressed, 1, len, helper), len);
    assert_int_equal(sink.calls, 3);
    mtev_decompress_destroy_curl_helper(helper);
    free(compressed);
    buf_free(&sink.bytes);
}

static void mistakes_are_told_of(void **state)
{
    errno = 0;
    assert_null(mtev_decompress_create_curl_helper(NULL, NULL, MTEV_COMPRESS_GZIP));
    assert_int_equal(errno, EINVAL);
    assert_logged(1, "no function to write with");
    errno = 0;
    assert_null(mtev_decompress_create_curl_helper(take, NULL, (mtev_compress_type)99));
    assert_int_equal(errno, EINVAL);
    assert_logged(1, "an unknown type");
    mtev_decompress_destroy_curl_helper(NULL);
}

static void use_all(void *closure)
{
    unsigned char *compressed = NULL;
    size_t len = 0;
    static char taken[TEXT_LEN + 1]; /* fmemopen(3) puts a NUL behind */
    FILE *file = fmemopen(taken, sizeof(taken), "w");
    assert_non_null(file);
    mtev_decompress_curl_helper_t *helper = mtev_decompress_create_curl_helper(
        (mtev_curl_write_func_t)fwrite, file, MTEV_COMPRESS_LZ4F);
    errno = 0;
    if (mtev_compress_lz4f(text(), TEXT_LEN, &compressed, &len) != 0)
        assert_int_equal(errno, ENOMEM);
    else if (helper != NULL &&
             mtev_curl_write_callback((char *)compressed, 1, len, helper) == len) {
        assert_int_equal(fflush(file), 0);
        assert_memory_equal(taken, text(), TEXT_LEN);
    }
    mtev_decompress_destroy_curl_helper(helper);
    free(compressed);
    fclose(file);
}

static void no_memory_is_told_of(void **state)
{
    harness_fail_each_allocation(use_all, NULL);
}

static const struct CMUnitTest tests[] = {
    logged_test(blocks_go_there_and_back),
    logged_test(an_empty_block_is_compressed_too),
    logged_test(without_a_type_bytes_pass_as_they_are),
    logged_test(bytes_of_another_type_end_the_transfer),
    logged_test(a_write_function_that_fails_ends_the_transfer),
    logged_test(mistakes_are_told_of),
    logged_test(no_memory_is_told_of),
};

HARNESS_MAIN(tests)
