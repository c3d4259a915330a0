/* SPDX-License-Identifier: MIT */
/*
 * Goal: bodies by length and in chunks, RFC 9112 sections 6 and 7.1: their content, their end,
 * their limits, and the refusal of everything else.
 * Method: tables of bodies with verdict and content, decoded whole, cut in two at every place and
 * one byte at a time; bodies made to length for the limits.
 */
#include "harness.h"

#include "http/http1_body.h"

#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define CONTENT_ROOM 65536

struct body_case {
    const char *text; /* the bytes that arrive; may hold NULs */
    size_t len;
    int verdict;         /* of the last http1_body_decode() */
    size_t body_len;     /* bytes of text that the body takes, when it is complete */
    const char *content; /* all of it, when it is complete */
    const char *reason;  /* when it was refused */
};

/* A complete body, and what follows it on the connection. */
#define COMPLETE(text, rest, content)                                                              \
    {                                                                                              \
        text rest, sizeof(text rest) - 1, 1, sizeof(text) - 1, (content), NULL                     \
    }
#define PARTIAL(text)                                                                              \
    {                                                                                              \
        (text), sizeof(text) - 1, 0, 0, NULL, NULL                                                 \
    }
#define REFUSED(text, status, reason)                                                              \
    {                                                                                              \
        (text), sizeof(text) - 1, (status), 0, NULL, (reason)                                      \
    }

struct result {
    int verdict;
    size_t used; /* bytes consumed in all */
    size_t content_len;
    char content[CONTENT_ROOM];
};

/* Feed the bytes of text in [from, to) from a block of that size, until no more is consumed. */
static void feed(struct http1_body *body, const char *text, size_t from, size_t to,
                 struct result *result)
{
    size_t len = to - from, at = 0;
    char *block = malloc(len > 0 ? len : 1);
    assert_non_null(block);
    memcpy(block, text + from, len);
    do {
        size_t consumed = SIZE_MAX, data_len = SIZE_MAX;
        const char *data = text;
        result->verdict =
            http1_body_decode(body, block + at, len - at, &consumed, &data, &data_len);
        assert_true(consumed <= len - at && data_len <= consumed);
        assert_true(data_len == 0 ? data == NULL
                                  : data >= block + at && data + data_len <= block + at + consumed);
        assert_true(result->content_len + data_len <= sizeof(result->content));
        if (data_len > 0)
            memcpy(result->content + result->content_len, data, data_len);
        result->content_len += data_len;
        at += consumed;
        assert_true(result->verdict != 0 || consumed > 0 || at == len);
    } while (result->verdict == 0 && at < len);
    result->used += at;
    free(block);
}

static bool is_as_expected(const struct http1_body *body, const struct body_case *body_case,
                           const struct result *result)
{
    if (result->verdict != body_case->verdict)
        return false;
    if (result->verdict == 1)
        return result->used == body_case->body_len &&
               result->content_len == strlen(body_case->content) &&
               memcmp(result->content, body_case->content, result->content_len) == 0;
    if (result->verdict == 0)
        return result->used == body_case->len;
    return strcmp(body->reason, body_case->reason) == 0;
}

static void check_bodies(const struct http1_body *fresh, const struct body_case *cases,
                         size_t count)
{
    static struct result result;
    for (size_t i = 0; i < count; i++) {
        const struct body_case *body_case = &cases[i];
        for (size_t split = 0; split <= body_case->len; split++) {
            struct http1_body body = *fresh;
            result = (struct result){0};
            feed(&body, body_case->text, 0, split, &result);
            if (result.verdict == 0)
                feed(&body, body_case->text, split, body_case->len, &result);
            if (!is_as_expected(&body, body_case, &result))
                fail_msg("case %zu cut at %zu: verdict %d (%s), %zu bytes used", i, split,
                         result.verdict, body.reason ? body.reason : "none", result.used);
        }
        struct http1_body body = *fresh;
        result = (struct result){0};
        for (size_t len = 0; len < body_case->len && result.verdict == 0; len++)
            feed(&body, body_case->text, len, len + 1, &result);
        if (!is_as_expected(&body, body_case, &result))
            fail_msg("case %zu bytewise: verdict %d (%s)", i, result.verdict,
                     body.reason ? body.reason : "none");
    }
}

#define CHECK_CHUNKED(cases)                                                                       \
    do {                                                                                           \
        struct http1_body fresh;                                                                   \
        http1_body_init_chunked(&fresh, HTTP1_BODY_LEN_MAX);                                       \
        check_bodies(&fresh, cases, sizeof(cases) / sizeof((cases)[0]));                           \
    } while (0)

static void rfc9112_6_2_length_says_where_the_body_ends(void **state)
{
    static const struct body_case cases[] = {
        COMPLETE("hello", "", "hello"),
        COMPLETE("hello", "GET / HTTP/1.1\r\n", "hello"),
        COMPLETE("\r\n\r\n0", "", "\r\n\r\n0"),
        PARTIAL("hell"),
        PARTIAL(""),
    };
    struct http1_body fresh;
    assert_int_equal(http1_body_init_length(&fresh, 5, HTTP1_BODY_LEN_MAX), 0);
    check_bodies(&fresh, cases, sizeof(cases) / sizeof(cases[0]));
}

static void a_body_of_no_bytes_is_complete_at_once(void **state)
{
    struct http1_body body;
    size_t consumed = 1, data_len = 1;
    const char *data = "x";
    assert_int_equal(http1_body_init_length(&body, 0, HTTP1_BODY_LEN_MAX), 0);
    assert_int_equal(http1_body_decode(&body, NULL, 0, &consumed, &data, &data_len), 1);
    assert_int_equal(http1_body_decode(&body, "GET", 3, &consumed, &data, &data_len), 1);
    assert_true(consumed == 0 && data == NULL && data_len == 0);
}

static void rfc9112_7_1_chunks(void **state)
{
    static const struct body_case cases[] = {
        COMPLETE("0\r\n\r\n", "", ""),
        COMPLETE("5\r\nhello\r\n0\r\n\r\n", "GET", "hello"),
        COMPLETE("1\r\na\r\n000002\r\nbc\r\n0000\r\n\r\n", "", "abc"),
        COMPLETE("a\r\n0123456789\r\nA\r\nabcdefghij\r\n0\r\n\r\n", "", "0123456789abcdefghij"),
        COMPLETE("2\r\n\r\n\r\n0\r\n\r\n", "", "\r\n"),
        PARTIAL(""),
        PARTIAL("5"),
        PARTIAL("5\r\nhell"),
        PARTIAL("5\r\nhello"),
        PARTIAL("5\r\nhello\r\n0\r\n\r"),
        REFUSED("\r\n0\r\n\r\n", 400, "invalid chunk size"),
        REFUSED(" 5\r\nhello", 400, "invalid chunk size"),
        REFUSED(";a\r\n", 400, "invalid chunk size"),
        REFUSED("+5\r\nhello", 400, "invalid chunk size"),
        REFUSED("-1\r\n", 400, "invalid chunk size"),
        REFUSED("0x5\r\nhello", 400, "invalid chunk size"),
        REFUSED("5g\r\nhello", 400, "invalid chunk size"),
        REFUSED("5_0\r\n", 400, "invalid chunk size"),
        REFUSED("5\nhello\r\n0\r\n\r\n", 400, "invalid chunk size"),
        REFUSED("5\0\r\nhello", 400, "invalid chunk size"),
        REFUSED("5\r\rhello", 400, "invalid end of line or chunk"),
        REFUSED("5\rhello", 400, "invalid end of line or chunk"),
        REFUSED("5\r\nhello!\r\n", 400, "invalid end of line or chunk"),
        REFUSED("5\r\nhello\n0\r\n\r\n", 400, "invalid end of line or chunk"),
        REFUSED("5\r\nhello\r0\r\n\r\n", 400, "invalid end of line or chunk"),
        REFUSED("5\r\nhello0\r\n\r\n", 400, "invalid end of line or chunk"),
        REFUSED("5\r\nhello\r\n\r\n", 400, "invalid chunk size"),
        REFUSED("0\r\n\rX", 400, "invalid end of line or chunk"),
        REFUSED("0\r\n\n", 400, "invalid trailer name"),
    };
    CHECK_CHUNKED(cases);
}

static void rfc9112_7_1_1_extensions_are_passed_over(void **state)
{
    static const struct body_case cases[] = {
        COMPLETE("5;a\r\nhello\r\n0\r\n\r\n", "", "hello"),
        COMPLETE("5;a=b;c=\"d e\xc3\xa9\"\r\nhello\r\n0;z\r\n\r\n", "", "hello"),
        COMPLETE("5 \t ; a = b \r\nhello\r\n0\r\n\r\n", "", "hello"),
        REFUSED("5 \r\nhello\r\n0\r\n\r\n", 400, "invalid chunk extension"),
        REFUSED("5 a\r\nhello\r\n0\r\n\r\n", 400, "invalid chunk extension"),
        REFUSED("5 6\r\nhello\r\n0\r\n\r\n", 400, "invalid chunk extension"),
        REFUSED("5;a\nhello\r\n0\r\n\r\n", 400, "invalid chunk extension"),
        REFUSED("5;a\rb\r\nhello\r\n0\r\n\r\n", 400, "invalid end of line or chunk"),
        REFUSED("5;a\0b\r\nhello\r\n0\r\n\r\n", 400, "invalid chunk extension"),
        REFUSED("5;a\x7f\r\nhello\r\n0\r\n\r\n", 400, "invalid chunk extension"),
    };
    CHECK_CHUNKED(cases);
}

static void rfc9112_7_1_2_trailers_are_checked_and_dropped(void **state)
{
    static const struct body_case cases[] = {
        COMPLETE("0\r\nA: b\r\nContent-Length:\t\r\n\r\n", "", ""),
        COMPLETE("1\r\na\r\n0\r\n!#$%&'*+-.^_`|~09:\xff\r\n\r\n", "X", "a"),
        PARTIAL("0\r\nA: b\r\n"),
        REFUSED("0\r\n: b\r\n\r\n", 400, "invalid trailer name"),
        REFUSED("0\r\nA\r\n\r\n", 400, "invalid trailer name"),
        REFUSED("0\r\nA : b\r\n\r\n", 400, "invalid trailer name"),
        REFUSED("0\r\n A: b\r\n\r\n", 400, "invalid trailer name"),
        REFUSED("0\r\nA: b\r\n c\r\n\r\n", 400, "invalid trailer name"),
        REFUSED("0\r\nA(b): c\r\n\r\n", 400, "invalid trailer name"),
        REFUSED("0\r\nA: b\n\r\n", 400, "control character in a trailer"),
        REFUSED("0\r\nA: b\0\r\n\r\n", 400, "control character in a trailer"),
        REFUSED("0\r\nA: b\rc\r\n\r\n", 400, "invalid end of line or chunk"),
        REFUSED("0\r\nGET / HTTP/1.1\r\n\r\n", 400, "invalid trailer name"),
    };
    CHECK_CHUNKED(cases);
}

static void a_refused_body_stays_refused(void **state)
{
    struct http1_body body;
    size_t consumed, data_len;
    const char *data;
    http1_body_init_chunked(&body, HTTP1_BODY_LEN_MAX);
    assert_int_equal(http1_body_decode(&body, "x", 1, &consumed, &data, &data_len), 400);
    assert_int_equal(consumed, 0);
    assert_int_equal(http1_body_decode(&body, "0\r\n\r\n", 5, &consumed, &data, &data_len), 400);
    assert_int_equal(consumed, 0);
    assert_string_equal(body.reason, "invalid chunk size");
}

static int verdict_of(const char *text, uint64_t len_max)
{
    static struct result result;
    struct http1_body body;
    int whole = 0;
    for (int bytewise = 0; bytewise <= 1; bytewise++) {
        http1_body_init_chunked(&body, len_max);
        result = (struct result){0};
        size_t len = strlen(text);
        for (size_t i = 0; i < len && result.verdict == 0; i += bytewise ? 1 : len)
            feed(&body, text, i, bytewise ? i + 1 : len, &result);
        if (!bytewise)
            whole = result.verdict;
        assert_int_equal(result.verdict, whole);
    }
    return whole;
}

static void content_is_limited(void **state)
{
    struct http1_body body;
    assert_int_equal(http1_body_init_length(&body, HTTP1_BODY_LEN_MAX - 1, HTTP1_BODY_LEN_MAX), 0);
    assert_int_equal(http1_body_init_length(&body, HTTP1_BODY_LEN_MAX, HTTP1_BODY_LEN_MAX), 0);
    assert_int_equal(http1_body_init_length(&body, HTTP1_BODY_LEN_MAX + 1, HTTP1_BODY_LEN_MAX),
                     413);
    size_t consumed, data_len;
    const char *data;
    assert_int_equal(http1_body_decode(&body, "a", 1, &consumed, &data, &data_len), 413);

    for (int over = -1; over <= 1; over++) { /* the second chunk crosses the limit */
        char text[64];
        snprintf(text, sizeof(text), "1\r\na\r\n%" PRIx64 "\r\n",
                 HTTP1_BODY_LEN_MAX - 1 + (uint64_t)(int64_t)over);
        assert_int_equal(verdict_of(text, HTTP1_BODY_LEN_MAX), over > 0 ? 413 : 0);
    }
    assert_int_equal(verdict_of("1\r\na\r\nffffffffffffffff\r\n", UINT64_MAX), 413);
    assert_int_equal(verdict_of("1\r\na\r\nfffffffffffffffe\r\n", UINT64_MAX), 0);
    assert_int_equal(verdict_of("0\r\n\r\n", 0), 1);
    assert_int_equal(verdict_of("1\r\n", 0), 413);
}

static void digits_of_a_chunk_size_are_limited(void **state)
{
    assert_int_equal(verdict_of("000000000000001\r\na\r\n0\r\n\r\n", HTTP1_BODY_LEN_MAX), 1);
    assert_int_equal(verdict_of("0000000000000001\r\na\r\n0\r\n\r\n", HTTP1_BODY_LEN_MAX), 1);
    assert_int_equal(verdict_of("00000000000000001\r\na\r\n0\r\n\r\n", HTTP1_BODY_LEN_MAX), 400);
    assert_int_equal(verdict_of("10000000000000001\r\n", HTTP1_BODY_LEN_MAX), 400);
    assert_int_equal(verdict_of("1\r\na\r\n0000000000000000\r\n\r\n", HTTP1_BODY_LEN_MAX), 1);
}

static char *repeat(char *p, char c, size_t count)
{
    memset(p, c, count);
    return p + count;
}

static void an_extension_is_limited(void **state)
{
    for (size_t len = HTTP1_CHUNK_EXTENSION_MAX - 1; len <= HTTP1_CHUNK_EXTENSION_MAX + 1; len++) {
        char text[512];
        char *p = stpcpy(text, "0;");
        p = repeat(p, 'a', len - 1);
        stpcpy(p, "\r\n\r\n");
        assert_int_equal(verdict_of(text, 9), len <= HTTP1_CHUNK_EXTENSION_MAX ? 1 : 400);
        text[1] = ' ';
        text[2] = ';';
        assert_int_equal(verdict_of(text, 9), len <= HTTP1_CHUNK_EXTENSION_MAX ? 1 : 400);
    }
}

static void extensions_together_are_limited(void **state)
{
    const size_t each = 128, lines = HTTP1_CHUNK_EXTENSIONS_MAX / each;
    for (int over = -1; over <= 1; over++) {
        static char text[2 * HTTP1_CHUNK_EXTENSIONS_MAX];
        char *p = text;
        for (size_t i = 0; i < lines; i++) {
            p = stpcpy(p, "1;");
            p = repeat(p, 'a', i == 0 ? (size_t)((int)each - 1 + over) : each - 1);
            p = stpcpy(p, "\r\nx\r\n");
        }
        stpcpy(p, "0\r\n\r\n");
        assert_int_equal(verdict_of(text, 999), over <= 0 ? 1 : 400);
        stpcpy(p, "0;\r\n\r\n");
        assert_int_equal(verdict_of(text, 999), over < 0 ? 1 : 400);
    }
}

static void trailers_are_limited(void **state)
{
    for (size_t len = HTTP1_TRAILERS_LEN_MAX - 1; len <= HTTP1_TRAILERS_LEN_MAX + 1; len++) {
        static char text[2 * HTTP1_TRAILERS_LEN_MAX];
        char *p = stpcpy(text, "0\r\nA:b\r\nC:");
        p = repeat(p, 'd', len - strlen("A:b\r\nC:\r\n"));
        stpcpy(p, "\r\n\r\n");
        assert_int_equal(verdict_of(text, 9), len <= HTTP1_TRAILERS_LEN_MAX ? 1 : 400);
    }
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(rfc9112_6_2_length_says_where_the_body_ends),
    cmocka_unit_test(a_body_of_no_bytes_is_complete_at_once),
    cmocka_unit_test(rfc9112_7_1_chunks),
    cmocka_unit_test(rfc9112_7_1_1_extensions_are_passed_over),
    cmocka_unit_test(rfc9112_7_1_2_trailers_are_checked_and_dropped),
    cmocka_unit_test(a_refused_body_stays_refused),
    cmocka_unit_test(content_is_limited),
    cmocka_unit_test(digits_of_a_chunk_size_are_limited),
    cmocka_unit_test(an_extension_is_limited),
    cmocka_unit_test(extensions_together_are_limited),
    cmocka_unit_test(trailers_are_limited),
};

HARNESS_MAIN(tests)
