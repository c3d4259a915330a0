/* SPDX-License-Identifier: MIT */
/*
 * Goal: a dynamic buffer holds what was added, wherever it lives, and is whole after a failure.
 * Method: add around the size that lies on the stack; fail each allocation.
 */
#include "harness.h"

#include "base/alloc.h"

#include <errno.h>
#include <mtev_dyn_buffer.h>
#include <string.h>

#define SIZE MTEV_DYN_BUFFER_STATIC_SIZE

static uint8_t bytes[4 * SIZE];

static int fill(void **state)
{
    for (size_t i = 0; i < sizeof(bytes); i++)
        bytes[i] = (uint8_t)(i * 31 >> 3);
    return 0;
}

static void bytes_stay_in_order_on_the_stack_and_off_it(void **state)
{
    static const size_t cases[] = {0, 1, SIZE - 1, SIZE, SIZE + 1, 2 * SIZE, 4 * SIZE};
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        mtev_dyn_buffer_t buffer;
        mtev_dyn_buffer_init(&buffer);
        for (size_t done = 0; done < cases[i]; done += MIN(cases[i] - done, 1000))
            assert_int_equal(mtev_dyn_buffer_add(&buffer, bytes + done, MIN(cases[i] - done, 1000)),
                             0);
        assert_int_equal(mtev_dyn_buffer_used(&buffer), cases[i]);
        assert_true(mtev_dyn_buffer_size(&buffer) >= cases[i]);
        assert_memory_equal(mtev_dyn_buffer_data(&buffer), bytes, cases[i]);
        assert_int_equal(mtev_dyn_buffer_data(&buffer) == buffer.static_buffer, cases[i] <= SIZE);
        mtev_dyn_buffer_reset(&buffer);
        assert_int_equal(mtev_dyn_buffer_used(&buffer), 0);
        mtev_dyn_buffer_destroy(&buffer);
        mtev_dyn_buffer_destroy(&buffer);
    }
}

static __attribute__((format(printf, 2, 3))) int maybe_add(mtev_dyn_buffer_t *buffer,
                                                           const char *format, ...)
{
    va_list args;
    va_start(args, format);
    int len = mtev_dyn_buffer_maybe_add_vprintf(buffer, format, args);
    va_end(args);
    return len;
}

static void formatted_text_is_appended_with_a_nul_behind(void **state)
{
    mtev_dyn_buffer_t buffer;
    mtev_dyn_buffer_init(&buffer);
    assert_int_equal(mtev_dyn_buffer_add_printf(&buffer, "%d and ", 1), 6);
    assert_int_equal(mtev_dyn_buffer_add_printf(&buffer, "%s", "two"), 3);
    assert_string_equal(mtev_dyn_buffer_data(&buffer), "1 and two");
    assert_int_equal(mtev_dyn_buffer_used(&buffer), 9);
    assert_int_equal(mtev_dyn_buffer_add_printf(&buffer, "%*d", SIZE - 9, 7), SIZE - 9);
    assert_true(mtev_dyn_buffer_data(&buffer) != buffer.static_buffer); /* for the NUL */
    assert_int_equal(mtev_dyn_buffer_used(&buffer), SIZE);
    assert_memory_equal(mtev_dyn_buffer_data(&buffer) + SIZE - 2, " 7", 3);
    mtev_dyn_buffer_destroy(&buffer);
}

static void maybe_adds_only_what_fits(void **state)
{
    mtev_dyn_buffer_t buffer;
    mtev_dyn_buffer_init(&buffer);
    assert_int_equal(maybe_add(&buffer, "%*d", SIZE, 1), SIZE);
    assert_int_equal(mtev_dyn_buffer_used(&buffer), 0);
    assert_int_equal(maybe_add(&buffer, "%*d", SIZE - 1, 1), SIZE - 1);
    assert_int_equal(mtev_dyn_buffer_used(&buffer), SIZE - 1);
    assert_ptr_equal(mtev_dyn_buffer_data(&buffer), buffer.static_buffer);
    mtev_dyn_buffer_destroy(&buffer);
}

static void what_is_written_in_place_counts(void **state)
{
    mtev_dyn_buffer_t buffer;
    mtev_dyn_buffer_init(&buffer);
    assert_int_equal(mtev_dyn_buffer_ensure(&buffer, 3 * SIZE), 0);
    memcpy(mtev_dyn_buffer_write_pointer(&buffer), bytes, 3 * SIZE);
    mtev_dyn_buffer_advance(&buffer, 3 * SIZE);
    assert_int_equal(mtev_dyn_buffer_used(&buffer), 3 * SIZE);
    assert_memory_equal(mtev_dyn_buffer_data(&buffer), bytes, 3 * SIZE);
    mtev_dyn_buffer_advance(&buffer, SIZE_MAX); /* no further than there is room */
    assert_int_equal(mtev_dyn_buffer_used(&buffer), mtev_dyn_buffer_size(&buffer));
    mtev_dyn_buffer_destroy(&buffer);
}

static void without_memory_it_is_as_it_was(void **state)
{
    mtev_dyn_buffer_t buffer;
    mtev_dyn_buffer_init(&buffer);
    assert_int_equal(mtev_dyn_buffer_add(&buffer, bytes, 100), 0);
    alloc_fail_nth(1, 1);
    errno = 0;
    assert_int_equal(mtev_dyn_buffer_add(&buffer, bytes, SIZE), -1);
    assert_int_equal(errno, ENOMEM);
    assert_int_equal(mtev_dyn_buffer_add_printf(&buffer, "%*d", SIZE, 1), -1);
    alloc_fail_nth(0, 0);
    errno = 0;
    assert_int_equal(mtev_dyn_buffer_ensure(&buffer, SIZE_MAX - 50), -1);
    assert_int_equal(errno, ENOMEM);
    assert_int_equal(mtev_dyn_buffer_used(&buffer), 100);
    assert_memory_equal(mtev_dyn_buffer_data(&buffer), bytes, 100);
    mtev_dyn_buffer_destroy(&buffer);
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test_setup(bytes_stay_in_order_on_the_stack_and_off_it, fill),
    cmocka_unit_test(formatted_text_is_appended_with_a_nul_behind),
    cmocka_unit_test(maybe_adds_only_what_fits),
    cmocka_unit_test_setup(what_is_written_in_place_counts, fill),
    cmocka_unit_test_setup(without_memory_it_is_as_it_was, fill),
};

HARNESS_MAIN(tests)
