/* SPDX-License-Identifier: MIT */
/*
 * Goal: format_text() writes and returns what vsnprintf(3) does.
 * Method: both are given the same, with room for all, for none, and for every length between.
 */
#include "harness.h"

#include "base/format.h"

#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>

static __attribute__((format(printf, 1, 2))) void same(const char *format, ...)
{
    char ours[512], theirs[512];
    va_list args;
    va_start(args, format);
    va_list first;
    va_copy(first, args);
    const int whole = vsnprintf(theirs, sizeof(theirs), format, first);
    va_end(first);
    assert_in_range(whole, 0, sizeof(theirs) - 2);
    for (size_t size = 0; size <= (size_t)whole + 2; size++) {
        va_list mine, its;
        memset(ours, '#', sizeof(ours));
        memset(theirs, '#', sizeof(theirs));
        va_copy(mine, args);
        va_copy(its, args);
        assert_int_equal(format_text(ours, size, format, mine), whole);
        assert_int_equal(vsnprintf(theirs, size, format, its), whole);
        va_end(mine);
        va_end(its);
        size_t written = size < (size_t)whole + 1 ? size : (size_t)whole + 1;
        assert_memory_equal(ours, theirs, written);
        assert_int_equal(ours[size], '#');
    }
    va_end(args);
}

static void numbers_of_every_width_and_sign(void **state)
{
    static const int64_t values[] = {0,       1,       -1,        9,         10,
                                     -10,     99,      100,       101,       -999,
                                     1000,    65535,   INT_MAX,   INT_MIN,   12345,
                                     9999999, 1234567, INT64_MAX, INT64_MIN, INT64_MIN + 1};
    for (size_t i = 0; i < sizeof(values) / sizeof(values[0]); i++) {
        const int64_t value = values[i];
        same("%d|%i|%u", (int)value, (int)value, (unsigned)value);
        same("%ld|%li|%lu", (long)value, (long)value, (unsigned long)value);
        same("%lld %lli %llu", (long long)value, (long long)value, (unsigned long long)value);
        same("%zd,%zu", (ssize_t)value, (size_t)value);
        same("%" PRId64 " %" PRIu64, value, (uint64_t)value);
    }
}

static void texts_and_characters(void **state)
{
    same("nothing but text");
    same("%s", "");
    same("%s%s", "one", "two");
    same("[%c%c] 100%% of %s\n", 'a', '\0', "it");
    same("%s", "p\xc3\xa4ys");
}

static void what_is_left_to_vsnprintf(void **state)
{
    const char *volatile none = NULL;
    same("<%s> %d", none, 1);
    same("%d %5d|%-5d|%05d|%+d|% d", 1, 2, 3, 4, 5, 6);
    same("%x %X %#x %o %p", 255u, 255u, 255u, 8u, (void *)state);
    same("%hd %hhu %jd", (short)-3, (unsigned char)200, (intmax_t)-1);
    same("%.3s|%*d|%.*s", "abcdef", 6, 42, 2, "xyz");
    same("%s %.3f %g %e", "of", 3.14159, 0.5, 1e9);
    errno = ENOENT;
    same("%d: %m", 7);
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(numbers_of_every_width_and_sign),
    cmocka_unit_test(texts_and_characters),
    cmocka_unit_test(what_is_left_to_vsnprintf),
};

int main(void)
{
    return harness_run(__FILE__, tests, sizeof(tests) / sizeof(tests[0]));
}
