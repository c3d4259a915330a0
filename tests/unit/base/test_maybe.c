/* SPDX-License-Identifier: MIT */
/*
 * Goal: an array of mtev_maybe_alloc.h keeps what it holds when it moves off the stack and grows.
 * Method: grow it in steps; fail the allocation; ask for more than there can be.
 */
#include "harness.h"

#include "base/alloc.h"

#include <errno.h>
#include <mtev_maybe_alloc.h>
#include <string.h>

static void it_grows_and_keeps_what_it_holds(void **state)
{
    MTEV_MAYBE_DECL(uint32_t, numbers, 4);
    const uint32_t *on_stack = numbers;
    size_t count = 4;
    assert_int_equal(MTEV_MAYBE_SIZE(numbers), 16);
    for (uint32_t i = 0; i < 1000; i++) {
        if (i == count) {
            count *= 2;
            assert_true(MTEV_MAYBE_REALLOC(numbers, count));
        }
        numbers[i] = i;
    }
    for (uint32_t i = 0; i < 1000; i++)
        assert_int_equal(numbers[i], i);
    assert_true(MTEV_MAYBE_REALLOC(numbers, 1)); /* it never shrinks */
    assert_int_equal(MTEV_MAYBE_SIZE(numbers), count * 4);
    MTEV_MAYBE_FREE(numbers);
    assert_ptr_equal(numbers, on_stack);
    assert_int_equal(MTEV_MAYBE_SIZE(numbers), 16);
    MTEV_MAYBE_FREE(numbers);
}

static void without_memory_it_is_as_it_was(void **state)
{
    MTEV_MAYBE_DECL(char, text, 8);
    const char *on_stack = text;
    memcpy(text, "seven..", 8);
    alloc_fail_nth(1, 0);
    errno = 0;
    assert_false(MTEV_MAYBE_REALLOC(text, 9));
    assert_int_equal(errno, ENOMEM);
    alloc_fail_nth(0, 0);
    assert_ptr_equal(text, on_stack);
    assert_int_equal(MTEV_MAYBE_SIZE(text), 8);
    assert_string_equal(text, "seven..");
    MTEV_MAYBE_DECL(uint64_t, many, 1);
    errno = 0;
    assert_false(MTEV_MAYBE_REALLOC(many, SIZE_MAX / 8 + 1));
    assert_int_equal(errno, ENOMEM);
    MTEV_MAYBE_FREE(many);
    MTEV_MAYBE_FREE(text);
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(it_grows_and_keeps_what_it_holds),
    cmocka_unit_test(without_memory_it_is_as_it_was),
};

HARNESS_MAIN(tests)
