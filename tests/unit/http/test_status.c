/* SPDX-License-Identifier: MIT */
/*
 * Goal: a status has the reason of RFC 9110 section 15 or RFC 6585 section 5, or that of none.
 * Method: a few of the registry by number; then all numbers that a status line can hold, by rules.
 * http_respond_simply() is seen on the wire in test_conn.c.
 */
#include "harness.h"

#include "http/http.h"

#include <ctype.h>
#include <limits.h>
#include <stdbool.h>
#include <string.h>

#define NONE "Unknown"

static bool is_named(int status)
{
    return strcmp(http_status_text(status), NONE) != 0;
}

static void rfc9110_15_names_of_statuses(void **state)
{
    assert_string_equal(http_status_text(204), "No Content");
    assert_string_equal(http_status_text(304), "Not Modified");
    assert_string_equal(http_status_text(405), "Method Not Allowed");
    assert_string_equal(http_status_text(413), "Content Too Large"); /* not RFC 7231's Payload */
    assert_string_equal(http_status_text(505), "HTTP Version Not Supported");
}

static void what_the_library_answers_by_itself_is_named(void **state)
{
    static const int answers[] = {200, 400, 403, 404, 405, 408, 413,
                                  414, 417, 431, 500, 501, 503, 505};
    for (size_t i = 0; i < sizeof(answers) / sizeof(answers[0]); i++)
        assert_true(is_named(answers[i]));
}

static void a_number_without_a_name_is_unknown_in_each_class(void **state)
{
    static const int numbers[] = {199, 299, 399, 499, 599};
    for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++)
        assert_string_equal(http_status_text(numbers[i]), NONE);
}

static void what_is_no_status_is_unknown(void **state)
{
    static const int numbers[] = {INT_MIN, -200, -1, 0, 1, 99, 600, 999, 1200, INT_MAX};
    for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++)
        assert_string_equal(http_status_text(numbers[i]), NONE);
}

static void no_two_statuses_have_one_name_and_each_can_stand_in_a_status_line(void **state)
{
    for (int status = 100; status <= 599; status++) {
        const char *text = http_status_text(status);
        if (!is_named(status))
            continue;
        assert_true(isupper((unsigned char)text[0]));
        for (const char *c = text; *c != '\0'; c++)
            assert_true(*c == ' ' || isalpha((unsigned char)*c));
        for (int other = 100; other < status; other++)
            assert_string_not_equal(http_status_text(other), text);
    }
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(rfc9110_15_names_of_statuses),
    cmocka_unit_test(what_the_library_answers_by_itself_is_named),
    cmocka_unit_test(a_number_without_a_name_is_unknown_in_each_class),
    cmocka_unit_test(what_is_no_status_is_unknown),
    cmocka_unit_test(no_two_statuses_have_one_name_and_each_can_stand_in_a_status_line),
};
HARNESS_MAIN(tests)
