/* SPDX-License-Identifier: MIT */
/*
 * Goal: no run of bytes makes the body decoder read or point outside of it, answer with something
 * that is no verdict, or give other content when the bytes arrive otherwise.
 * Method: each input is a body, decoded as chunks without and with a tiny limit and as a body of
 * half its length: whole, cut in two at each place, and one byte at a time.
 */
#include "fuzz.h"

#include "http/http1_body.h"

#define SPLITS_LEN_MAX   96 /* longer inputs are cut at each 61st byte only */
#define CONTENT_TINY_MAX 16

struct result {
    int verdict;
    size_t used;
    size_t content_len;
    char *content; /* room for the whole input */
};

/* Decode the bytes of data in [from, to) from a copy of exactly that size. */
static void feed(struct http1_body *body, const uint8_t *data, size_t from, size_t to,
                 struct result *result)
{
    const size_t len = to - from;
    size_t at = 0;
    if (result->verdict != 0)
        return;
    char *text = fuzz_copy(data + from, len);
    do {
        size_t consumed = SIZE_MAX, span_len = SIZE_MAX;
        const char *span = text;
        int verdict = http1_body_decode(body, text + at, len - at, &consumed, &span, &span_len);
        REQUIRE(verdict == 0 || verdict == 1 || verdict == 400 || verdict == 413);
        REQUIRE((verdict > 1) == (body->reason != NULL));
        REQUIRE(consumed <= len - at && span_len <= consumed);
        REQUIRE(verdict != 0 || consumed > 0 || at == len);
        if (span_len > 0) {
            REQUIRE(span >= text + at && span + span_len <= text + at + consumed);
            memcpy(result->content + result->content_len, span, span_len);
        }
        result->content_len += span_len;
        result->verdict = verdict;
        at += consumed;
    } while (result->verdict == 0 && at < len);
    result->used += at;
    free(text);
}

static void require_equal(const struct result *a, const struct result *b)
{
    REQUIRE(a->verdict == b->verdict && a->used == b->used && a->content_len == b->content_len);
    REQUIRE(memcmp(a->content, b->content, a->content_len) == 0);
}

static void check(const struct http1_body *fresh, const uint8_t *data, size_t size)
{
    const size_t step = size <= SPLITS_LEN_MAX ? 1 : 61;
    struct result whole = {.content = malloc(size + 1)}, other = {.content = malloc(size + 1)};
    REQUIRE(whole.content != NULL && other.content != NULL);
    whole.verdict = other.verdict = 0;

    struct http1_body body = *fresh;
    feed(&body, data, 0, size, &whole);
    REQUIRE(whole.content_len <= body.announced && body.announced <= body.len_max);
    for (size_t split = 0; split <= size; split += step) {
        body = *fresh;
        other.verdict = 0;
        other.used = other.content_len = 0;
        feed(&body, data, 0, split, &other);
        feed(&body, data, split, size, &other);
        require_equal(&whole, &other);
    }
    body = *fresh;
    other.verdict = 0;
    other.used = other.content_len = 0;
    for (size_t i = 0; i < size; i += step)
        feed(&body, data, i, i + step < size ? i + step : size, &other);
    require_equal(&whole, &other);
    free(whole.content);
    free(other.content);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct http1_body fresh;
    http1_body_init_chunked(&fresh, HTTP1_BODY_LEN_MAX);
    check(&fresh, data, size);
    http1_body_init_chunked(&fresh, CONTENT_TINY_MAX);
    check(&fresh, data, size);
    REQUIRE(http1_body_init_length(&fresh, size / 2 + 1, HTTP1_BODY_LEN_MAX) == 0);
    check(&fresh, data, size);
    return 0;
}
