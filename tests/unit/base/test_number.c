/* SPDX-License-Identifier: MIT */
/*
 * Goal: only plain decimal numbers inside their range are taken, and *out is else untouched.
 * Method: tables of texts with what must come out, around each limit.
 */
#include "harness.h"

#include "base/number.h"

#include <errno.h>
#include <string.h>

#define UNTOUCHED 424242

static void unsigned_numbers_are_read_strictly(void **state)
{
    const struct {
        const char *text;
        uint64_t max;
        int err;
        uint64_t value;
    } cases[] = {
        {"0", 0, 0, 0},
        {"1", 0, -ERANGE, 0},
        {"007", 7, 0, 7},
        {"000000000000000000000000000000", 0, 0, 0},
        {"65534", 65535, 0, 65534},
        {"65535", 65535, 0, 65535},
        {"65536", 65535, -ERANGE, 0},
        {"15", 5, -ERANGE, 0},
        {"9", 5, -ERANGE, 0},
        {"18446744073709551614", UINT64_MAX, 0, UINT64_MAX - 1},
        {"18446744073709551615", UINT64_MAX, 0, UINT64_MAX},
        {"18446744073709551616", UINT64_MAX, -ERANGE, 0},
        {"99999999999999999999999999999999", UINT64_MAX, -ERANGE, 0},
        {"99999999999999999999999999999999x", UINT64_MAX, -EINVAL, 0},
        {"", 10, -EINVAL, 0},
        {"+1", 10, -EINVAL, 0},
        {"-1", 10, -EINVAL, 0},
        {" 1", 10, -EINVAL, 0},
        {"1 ", 10, -EINVAL, 0},
        {"1\n", 10, -EINVAL, 0},
        {"0x1", 10, -EINVAL, 0},
        {"1e1", 10, -EINVAL, 0},
        {"1.0", 10, -EINVAL, 0},
        {"\xd9\xa1", 10, -EINVAL, 0}, /* a digit, but no ASCII one */
        {"/", 10, -EINVAL, 0},        /* the byte before '0' */
        {":", 10, -EINVAL, 0},        /* the byte after '9' */
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        uint64_t value = UNTOUCHED;
        int err = number_u64(cases[i].text, strlen(cases[i].text), cases[i].max, &value);
        if (err != cases[i].err)
            fail_msg("'%s': %d instead of %d", cases[i].text, err, cases[i].err);
        assert_int_equal(value, err == 0 ? cases[i].value : UNTOUCHED);
    }
}

static void signed_numbers_are_read_strictly(void **state)
{
    const struct {
        const char *text;
        int64_t min, max;
        int err;
        int64_t value;
    } cases[] = {
        {"-0", 0, 0, 0, 0},
        {"-6", -5, 5, -ERANGE, 0},
        {"-5", -5, 5, 0, -5},
        {"-4", -5, 5, 0, -4},
        {"4", -5, 5, 0, 4},
        {"5", -5, 5, 0, 5},
        {"6", -5, 5, -ERANGE, 0},
        {"1", 2, 5, -ERANGE, 0},
        {"-9223372036854775807", INT64_MIN, INT64_MAX, 0, INT64_MIN + 1},
        {"-9223372036854775808", INT64_MIN, INT64_MAX, 0, INT64_MIN},
        {"-9223372036854775809", INT64_MIN, INT64_MAX, -ERANGE, 0},
        {"9223372036854775806", INT64_MIN, INT64_MAX, 0, INT64_MAX - 1},
        {"9223372036854775807", INT64_MIN, INT64_MAX, 0, INT64_MAX},
        {"9223372036854775808", INT64_MIN, INT64_MAX, -ERANGE, 0},
        {"", -5, 5, -EINVAL, 0},
        {"-", -5, 5, -EINVAL, 0},
        {"--1", -5, 5, -EINVAL, 0},
        {"- 1", -5, 5, -EINVAL, 0},
        {"+1", -5, 5, -EINVAL, 0},
        {"1-", -5, 5, -EINVAL, 0},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        int64_t value = UNTOUCHED;
        int err =
            number_i64(cases[i].text, strlen(cases[i].text), cases[i].min, cases[i].max, &value);
        if (err != cases[i].err)
            fail_msg("'%s': %d instead of %d", cases[i].text, err, cases[i].err);
        assert_int_equal(value, err == 0 ? cases[i].value : UNTOUCHED);
    }
}

static void only_len_bytes_are_read(void **state)
{
    uint64_t value = 0;
    assert_int_equal(number_u64("123x", 3, 1000, &value), 0);
    assert_int_equal(value, 123);
    assert_int_equal(number_u64("1\0", 2, 1000, &value), -EINVAL);
}

static void numbers_are_written_without_more(void **state)
{
    const struct {
        uint64_t value;
        const char *text;
    } cases[] = {
        {0, "0"},       {9, "9"},         {10, "10"},
        {99, "99"},     {100, "100"},     {101, "101"},
        {1000, "1000"}, {98765, "98765"}, {UINT64_MAX, "18446744073709551615"},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        char room[NUMBER_DIGITS_MAX + 2] = "", *const end = room + sizeof(room) - 1;
        *end = '!';
        char *first = number_put_before(end, cases[i].value);
        assert_int_equal(end - first, strlen(cases[i].text));
        assert_memory_equal(first, cases[i].text, strlen(cases[i].text));
        assert_true(*end == '!' && first[-1] == '\0');
    }
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(unsigned_numbers_are_read_strictly),
    cmocka_unit_test(signed_numbers_are_read_strictly),
    cmocka_unit_test(only_len_bytes_are_read),
    cmocka_unit_test(numbers_are_written_without_more),
};
HARNESS_MAIN(tests)
