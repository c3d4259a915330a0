/* SPDX-License-Identifier: MIT */
/*
 * Goal: a character is found where there is one, and nowhere else.
 * Method: the ends of every range of the Unicode standard's table 3-7, and what lies just outside.
 */
#include "harness.h"

#include "base/utf8.h"

#include <string.h>

static void each_length_has_its_ends(void **state)
{
    static const char *const characters[] = {
        "\x01",          "\x7f",         "\xc2\x80",     "\xdf\xbf",         "\xe0\xa0\x80",
        "\xed\x9f\xbf",  "\xee\x80\x80", "\xef\xbf\xbf", "\xf0\x90\x80\x80", "\xf4\x8f\xbf\xbf",
        UTF8_REPLACEMENT};
    for (size_t i = 0; i < sizeof(characters) / sizeof(characters[0]); i++) {
        size_t len = strlen(characters[i]);
        assert_int_equal(utf8_len(characters[i], len), len);
        if (len > 1) /* cut short */
            assert_int_equal(utf8_len(characters[i], len - 1), 0);
    }
    assert_int_equal(utf8_len("", 1), 1);
}

static void what_is_no_character_is_refused(void **state)
{
    static const char *const others[] = {"\x80",
                                         "\xbf",
                                         "\xc1\xbf",
                                         "\xc2\x7f",
                                         "\xc2\xc0",
                                         "\xe0\x9f\xbf",
                                         "\xed\xa0\x80",
                                         "\xe1\x80\x7f",
                                         "\xe1\x80\xc0",
                                         "\xf0\x8f\xbf\xbf",
                                         "\xf4\x90\x80\x80",
                                         "\xf1\x80\x80\xc0",
                                         "\xf5\x80\x80\x80",
                                         "\xff"};
    for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++)
        assert_int_equal(utf8_len(others[i], strlen(others[i])), 0);
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(each_length_has_its_ends),
    cmocka_unit_test(what_is_no_character_is_refused),
};
HARNESS_MAIN(tests)
