/* SPDX-License-Identifier: MIT */
/*
 * Goal: the table of bytes and the scans over it agree with the grammar.
 * Method: every byte value against the sets spelt out in the RFCs; then each byte value at each
 * place of runs that are longer than one step of a scan.
 */
#include "harness.h"

#include "http/http1_char.h"

#include <ctype.h>

static bool is_in(int c, const char *set)
{
    return c != 0 && c < 0x80 && (isalnum(c) || strchr(set, c) != NULL);
}

static void rfc9110_5_6_2_and_5_5_classes_hold_what_the_grammar_says(void **state)
{
    for (int c = 0; c < 256; c++) {
        char byte = (char)c;
        assert_int_equal(http1_char_is(byte, HTTP1_CHAR_TOKEN), is_in(c, "!#$%&'*+-.^_`|~"));
        assert_int_equal(http1_char_is(byte, HTTP1_CHAR_HOST), is_in(c, "-._~!$&'()*+,;="));
        assert_int_equal(http1_char_is(byte, HTTP1_CHAR_TARGET), c > 0x20 && c < 0x7f && c != '#');
        assert_int_equal(http1_char_is(byte, HTTP1_CHAR_FIELD),
                         c == '\t' || (c >= 0x20 && c != 0x7f));
        assert_int_equal(http1_char_hex(byte) >= 0, c < 0x80 && isxdigit(c) != 0);
    }
    assert_int_equal(http1_char_hex('0'), 0);
    assert_int_equal(http1_char_hex('9'), 9);
    assert_int_equal(http1_char_hex('a'), 10);
    assert_int_equal(http1_char_hex('F'), 15);
}

static void scans_stop_at_the_first_byte_of_another_class(void **state)
{
    enum {
        LEN = 40
    };
    for (int c = 0; c < 256; c++) {
        for (size_t at = 0; at < LEN; at++) {
            char text[LEN];
            memset(text, 'a', LEN);
            text[at] = (char)c;
            size_t classes = http1_char_classes[c];
            size_t token = classes & HTTP1_CHAR_TOKEN ? LEN : at;
            size_t target = classes & HTTP1_CHAR_TARGET ? LEN : at;
            size_t field = classes & HTTP1_CHAR_FIELD ? LEN : at;
            for (size_t len = at + 1; len <= LEN; len++) {
                const char *end = text + len;
                assert_ptr_equal(http1_char_skip_token(text, end),
                                 text + (token < len ? token : len));
                assert_ptr_equal(http1_char_skip_target(text, end),
                                 text + (target < len ? target : len));
                assert_ptr_equal(http1_char_skip_field(text, end),
                                 text + (field < len ? field : len));
            }
        }
    }
}

static void letters_are_equal_in_either_case_and_nothing_else_is(void **state)
{
    assert_true(http1_char_equal("Content-Length", "content-length", 14));
    assert_true(http1_char_equal("", "", 0));
    assert_false(http1_char_equal("content_length", "content-length", 14));
    for (int c = 0; c < 256; c++) {
        for (int lower = 0; lower < 128; lower++) {
            char a = (char)c, b = (char)lower;
            if (isupper(lower))
                continue;
            assert_int_equal(http1_char_equal(&a, &b, 1),
                             c == lower || (c < 0x80 && isupper(c) && tolower(c) == lower));
        }
    }
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(rfc9110_5_6_2_and_5_5_classes_hold_what_the_grammar_says),
    cmocka_unit_test(scans_stop_at_the_first_byte_of_another_class),
    cmocka_unit_test(letters_are_equal_in_either_case_and_nothing_else_is),
};

HARNESS_MAIN(tests)
