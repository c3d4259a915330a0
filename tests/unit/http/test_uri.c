/* SPDX-License-Identifier: MIT */
/*
 * Goal: path and query of a target, RFC 3986 sections 2.1, 3.3 and 3.4.
 * Method: tables of texts with what they decode to, decoded in blocks of exactly their size.
 */
#include "harness.h"

#include "http/uri.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void assert_split(const char *target, const char *path, const char *query)
{
    struct uri uri;
    uri_split(target, strlen(target), &uri);
    assert_int_equal(uri.path_len, strlen(path));
    assert_memory_equal(uri.path, path, uri.path_len);
    if (query == NULL) {
        assert_null(uri.query);
        return;
    }
    assert_non_null(uri.query);
    assert_int_equal(uri.query_len, strlen(query));
    assert_memory_equal(uri.query, query, uri.query_len);
}

static void rfc3986_3_4_the_first_question_mark_starts_the_query(void **state)
{
    assert_split("/", "/", NULL);
    assert_split("/a/b", "/a/b", NULL);
    assert_split("/a?", "/a", "");
    assert_split("/a?b=c?d", "/a", "b=c?d");
    assert_split("/a%3Fb?c", "/a%3Fb", "c");
    assert_split("*", "*", NULL);
}

static void rfc9110_4_2_3_an_empty_path_is_the_root(void **state)
{
    assert_split("", "/", NULL);
    assert_split("?a", "/", "a");
}

/* Decode text (len bytes) in a block of len + 1 bytes; expected NULL stands for a refusal. */
static void assert_decodes(int (*decode)(char *, size_t, size_t *), const char *text, size_t len,
                           const char *expected)
{
    char *block = malloc(len + 1);
    assert_non_null(block);
    memcpy(block, text, len);
    size_t out_len = 12345;
    int err = decode(block, len, &out_len);
    if (expected == NULL) {
        assert_int_equal(err, -EINVAL);
        assert_int_equal(out_len, 12345);
    } else {
        assert_int_equal(err, 0);
        assert_string_equal(block, expected);
        assert_int_equal(out_len, strlen(expected));
    }
    free(block);
}

#define ASSERT_PATH(text, expected)                                                                \
    assert_decodes(uri_decode_path, (text), sizeof(text) - 1, (expected))
#define ASSERT_QUERY(text, expected)                                                               \
    assert_decodes(uri_decode_query, (text), sizeof(text) - 1, (expected))

static void rfc3986_2_1_escapes_are_decoded_once(void **state)
{
    ASSERT_PATH("", "");
    ASSERT_PATH("/a", "/a");
    ASSERT_PATH("/%41%6a%6A", "/Ajj");
    ASSERT_PATH("%2F%2e%2E", "/..");
    ASSERT_PATH("/%2541", "/%41");
    ASSERT_PATH("/%C3%A9%ff%01", "/\xc3\xa9\xff\x01");
}

static void bad_escapes_are_refused(void **state)
{
    ASSERT_PATH("%", NULL);
    ASSERT_PATH("/%4", NULL);
    ASSERT_PATH("/%zz", NULL);
    ASSERT_PATH("/%4g", NULL);
    ASSERT_PATH("/%g4", NULL);
    ASSERT_PATH("/%%41", NULL);
    ASSERT_PATH("/% 41", NULL);
    ASSERT_PATH("/%-1", NULL);
    ASSERT_QUERY("a=%u0041", NULL);
}

static void a_nul_is_refused_however_it_is_written(void **state)
{
    ASSERT_PATH("/a%00b", NULL);
    ASSERT_PATH("/a\0b", NULL);
    ASSERT_QUERY("a%00", NULL);
}

static void a_plus_is_a_blank_in_a_query_only(void **state)
{
    ASSERT_PATH("/c++%2b", "/c+++");
    ASSERT_QUERY("c++%2b", "c  +");
}

/* Check that text parses to pairs written as "key=value" or "key", each ended by '|'. */
static void assert_query(const char *text, const char *expected)
{
    struct uri_pair pairs[8];
    size_t len = strlen(text), count = 0;
    char *block = malloc(len + 1);
    char told[256] = "";
    assert_non_null(block);
    memcpy(block, text, len);
    assert_int_equal(uri_query_parse(block, len, pairs, 8, &count), 0);
    assert_int_equal(uri_query_count(text, len), count);
    for (size_t i = 0; i < count; i++) {
        size_t used = strlen(told);
        snprintf(told + used, sizeof(told) - used, "%s%s%s|", pairs[i].key,
                 pairs[i].value != NULL ? "=" : "", pairs[i].value != NULL ? pairs[i].value : "");
    }
    assert_string_equal(told, expected);
    free(block);
}

static void a_query_is_cut_into_pairs(void **state)
{
    assert_query("", "");
    assert_query("a=b", "a=b|");
    assert_query("a=b&c=d", "a=b|c=d|");
    assert_query("a=b=c", "a=b=c|");
    assert_query("a+b=c%26d%3de&f%20=+", "a b=c&d=e|f = |");
    assert_query("&&a&&b=&", "a|b=|");
    assert_query("=a&=", "=a|=|");
    assert_query("a;b=c", "a;b=c|");
}

static void the_first_of_equal_keys_wins(void **state)
{
    char text[] = "a=1&b&a=2&b=3&%61=4";
    struct uri_pair pairs[5];
    size_t count;
    assert_int_equal(uri_query_parse(text, strlen(text), pairs, 5, &count), 0);
    assert_int_equal(count, 5);
    assert_string_equal(uri_query_find(pairs, count, "a")->value, "1");
    assert_string_equal(pairs[4].key, "a");
    assert_non_null(uri_query_find(pairs, count, "b"));
    assert_null(uri_query_find(pairs, count, "c"));
    assert_null(uri_query_find(pairs, 0, "a"));
}

static void a_key_without_equals_sign_has_no_value(void **state)
{
    char text[] = "a&b=";
    struct uri_pair pairs[2];
    size_t count;
    assert_int_equal(uri_query_parse(text, strlen(text), pairs, 2, &count), 0);
    assert_null(uri_query_find(pairs, count, "a")->value);
    assert_string_equal(uri_query_find(pairs, count, "b")->value, "");
}

static void a_query_with_a_bad_escape_is_refused(void **state)
{
    static const char *const texts[] = {"a=%", "%=a", "a=b&c=%4", "a&%zz", "a=%00", "a=%4&1=2"};
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        struct uri_pair pairs[4];
        size_t count = 99, len = strlen(texts[i]);
        char *block = malloc(len + 1);
        assert_non_null(block);
        memcpy(block, texts[i], len);
        assert_int_equal(uri_query_parse(block, len, pairs, 4, &count), -EINVAL);
        assert_int_equal(count, 99);
        free(block);
    }
}

static void pairs_are_limited(void **state)
{
    for (size_t count = URI_QUERY_PAIRS_MAX - 1; count <= URI_QUERY_PAIRS_MAX + 1; count++) {
        static struct uri_pair pairs[URI_QUERY_PAIRS_MAX];
        static char text[4 * URI_QUERY_PAIRS_MAX];
        size_t len = 0, found = 0;
        for (size_t i = 0; i < count; i++) {
            text[len++] = 'a';
            text[len++] = '&';
        }
        assert_int_equal(uri_query_count(text, len), count);
        int err = uri_query_parse(text, len, pairs, URI_QUERY_PAIRS_MAX, &found);
        assert_int_equal(err, count <= URI_QUERY_PAIRS_MAX ? 0 : -E2BIG);
        assert_int_equal(found, err == 0 ? count : 0);
    }
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(rfc3986_3_4_the_first_question_mark_starts_the_query),
    cmocka_unit_test(rfc9110_4_2_3_an_empty_path_is_the_root),
    cmocka_unit_test(rfc3986_2_1_escapes_are_decoded_once),
    cmocka_unit_test(bad_escapes_are_refused),
    cmocka_unit_test(a_nul_is_refused_however_it_is_written),
    cmocka_unit_test(a_plus_is_a_blank_in_a_query_only),
    cmocka_unit_test(a_query_is_cut_into_pairs),
    cmocka_unit_test(the_first_of_equal_keys_wins),
    cmocka_unit_test(a_key_without_equals_sign_has_no_value),
    cmocka_unit_test(a_query_with_a_bad_escape_is_refused),
    cmocka_unit_test(pairs_are_limited),
};

HARNESS_MAIN(tests)
