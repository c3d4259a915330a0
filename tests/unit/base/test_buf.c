/* SPDX-License-Identifier: MIT */
/*
 * Goal: a buf holds what was appended, never passes its maximum, and survives every failure.
 * Method: append around the limit, format around the capacity, and fail each allocation in turn.
 */
#include "harness.h"

#include "base/alloc.h"
#include "base/buf.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#define MAX 1000

static char thousand_x[MAX + 1];

static void a_new_buf_is_empty_and_owns_nothing(void **state)
{
    struct buf b;
    alloc_fail_nth(1, 1);
    buf_init(&b, MAX);
    assert_int_equal(buf_reserve(&b, 0), 0);
    assert_int_equal(buf_append(&b, NULL, 0), 0);
    alloc_fail_nth(0, 0);
    assert_null(b.bytes);
    assert_int_equal(b.len, 0);
    buf_free(&b);
}

static void appended_bytes_stay_in_order(void **state)
{
    struct buf b;
    buf_init(&b, 100000);
    for (unsigned i = 0; i < 3000; i++) {
        char digits[16];
        int len = snprintf(digits, sizeof(digits), "%u,", i);
        assert_int_equal(buf_append(&b, digits, (size_t)len), 0);
    }
    assert_memory_equal(b.bytes, "0,1,2,3,", 8);
    assert_memory_equal(b.bytes + b.len - 10, "2998,2999,", 10);
    buf_free(&b);
}

static void append_stops_at_the_maximum(void **state)
{
    const struct {
        size_t first, second;
        int err;
    } cases[] = {
        {0, MAX - 1, 0}, {0, MAX, 0},         {0, MAX + 1, -ENOSPC}, {400, 599, 0},
        {400, 600, 0},   {400, 601, -ENOSPC}, {MAX, 1, -ENOSPC},     {MAX, 0, 0},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct buf b;
        buf_init(&b, MAX);
        assert_int_equal(buf_append(&b, thousand_x, cases[i].first), 0);
        assert_int_equal(buf_append(&b, thousand_x, cases[i].second), cases[i].err);
        assert_int_equal(b.len, cases[i].first + (cases[i].err == 0 ? cases[i].second : 0));
        assert_true(b.capacity <= MAX);
        buf_free(&b);
    }
}

static void a_size_that_would_wrap_is_refused(void **state)
{
    struct buf b;
    buf_init(&b, SIZE_MAX);
    assert_int_equal(buf_append(&b, "abc", 3), 0);
    assert_int_equal(buf_reserve(&b, SIZE_MAX - 2), -ENOSPC);
    assert_int_equal(b.len, 3);
    buf_free(&b);
}

static void formatting_grows_the_buf_at_each_length(void **state)
{
    for (int len = 0; len < 600; len++) {
        struct buf b;
        buf_init(&b, MAX);
        assert_int_equal(buf_append(&b, "<", 1), 0);
        assert_int_equal(buf_appendf(&b, "%.*s", len, thousand_x), 0);
        assert_int_equal(buf_append(&b, ">", 1), 0);
        assert_int_equal(b.len, len + 2);
        assert_memory_equal(b.bytes + 1, thousand_x, (size_t)len);
        assert_int_equal(b.bytes[len + 1], '>');
        buf_free(&b);
    }
}

static void formatting_past_the_maximum_changes_nothing(void **state)
{
    struct buf b;
    buf_init(&b, 10);
    assert_int_equal(buf_appendf(&b, "%s", "123456789"), 0);
    assert_int_equal(buf_appendf(&b, "%s", "ab"), -ENOSPC);
    assert_int_equal(b.len, 9);
    assert_memory_equal(b.bytes, "123456789", 9);
    buf_free(&b);
}

static void consuming_moves_the_rest_to_the_front(void **state)
{
    struct buf b;
    buf_init(&b, MAX);
    assert_int_equal(buf_append(&b, "abcdef", 6), 0);
    buf_consume(&b, 0);
    assert_int_equal(b.len, 6);
    buf_consume(&b, 2);
    assert_int_equal(b.len, 4);
    assert_memory_equal(b.bytes, "cdef", 4);
    buf_consume(&b, 4);
    assert_int_equal(b.len, 0);
    buf_free(&b);
}

static void a_freed_buf_is_ready_for_use_again(void **state)
{
    struct buf b;
    buf_init(&b, 3);
    assert_int_equal(buf_append(&b, "abc", 3), 0);
    buf_free(&b);
    assert_int_equal(buf_append(&b, "de", 2), 0);
    assert_int_equal(buf_append(&b, "fg", 2), -ENOSPC);
    assert_memory_equal(b.bytes, "de", 2);
    buf_free(&b);
}

static void append_and_format(void *closure)
{
    struct buf b;
    buf_init(&b, 1 << 16);
    size_t len = 0;
    for (unsigned i = 0; i < 4; i++) {
        int err = buf_append(&b, thousand_x, MAX);
        assert_true(err == 0 || err == -ENOMEM);
        len += err == 0 ? MAX : 0;
        assert_int_equal(b.len, len);
        err = buf_appendf(&b, "%s", thousand_x);
        assert_true(err == 0 || err == -ENOMEM);
        len += err == 0 ? MAX : 0;
        assert_int_equal(b.len, len);
    }
    buf_free(&b);
}

static void a_failed_allocation_loses_nothing(void **state)
{
    harness_fail_each_allocation(append_and_format, NULL);
}

static int fill(void **state)
{
    memset(thousand_x, 'x', MAX);
    return 0;
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(a_new_buf_is_empty_and_owns_nothing),
    cmocka_unit_test(appended_bytes_stay_in_order),
    cmocka_unit_test_setup(append_stops_at_the_maximum, fill),
    cmocka_unit_test(a_size_that_would_wrap_is_refused),
    cmocka_unit_test_setup(formatting_grows_the_buf_at_each_length, fill),
    cmocka_unit_test(formatting_past_the_maximum_changes_nothing),
    cmocka_unit_test(consuming_moves_the_rest_to_the_front),
    cmocka_unit_test(a_freed_buf_is_ready_for_use_again),
    cmocka_unit_test_setup(a_failed_allocation_loses_nothing, fill),
};
HARNESS_MAIN(tests)
