/* SPDX-License-Identifier: MIT */
/*
 * Goal: memory is what alloc.h promises, and the hook makes exactly the nth allocation fail.
 * Method: ask each function with and without the hook, and with sizes that cannot be had.
 */
#include "harness.h"

#include "base/alloc.h"

#include <errno.h>
#include <pthread.h>
#include <string.h>

/* Sizes that the compiler must not see through, or it warns that they cannot be had. */
static volatile size_t too_much = SIZE_MAX / 2 + 1;

static void zeroed_memory_is_zero(void **state)
{
    unsigned char *bytes = alloc_zeroed(7, 9);
    assert_non_null(bytes);
    for (size_t i = 0; i < 63; i++)
        assert_int_equal(bytes[i], 0);
    alloc_free(bytes);
}

static void nothing_asked_is_a_block_all_the_same(void **state)
{
    void *blocks[] = {alloc_bytes(0), alloc_zeroed(0, 8), alloc_zeroed(8, 0), alloc_resize(NULL, 0),
                      alloc_aligned(64, 0)};
    for (size_t i = 0; i < sizeof(blocks) / sizeof(blocks[0]); i++) {
        assert_non_null(blocks[i]);
        alloc_free(blocks[i]);
    }
    alloc_free(NULL);
}

static void a_product_that_overflows_is_refused(void **state)
{
    errno = 0;
    assert_null(alloc_zeroed(too_much, 2));
    assert_int_equal(errno, ENOMEM);
}

static void a_copy_too_long_to_end_is_refused(void **state)
{
    assert_null(alloc_text_n("", too_much * 2 - 1));
}

static void resizing_keeps_the_bytes(void **state)
{
    char *bytes = alloc_resize(NULL, 4);
    assert_non_null(bytes);
    memcpy(bytes, "four", 4);
    char *more = alloc_resize(bytes, 4096);
    assert_non_null(more);
    assert_memory_equal(more, "four", 4);
    alloc_free(more);
}

static void aligned_memory_starts_where_it_should(void **state)
{
    for (size_t alignment = sizeof(void *); alignment <= 4096; alignment *= 2) {
        void *bytes = alloc_aligned(alignment, 100);
        assert_non_null(bytes);
        assert_int_equal((uintptr_t)bytes % alignment, 0);
        alloc_free(bytes);
    }
    errno = 0;
    assert_null(alloc_aligned(24, 100)); /* no power of two */
    assert_int_equal(errno, EINVAL);
}

static void copies_of_text_end_with_a_nul(void **state)
{
    char *whole = alloc_text("hello");
    char *part = alloc_text_n("a\0b-not-this", 3);
    char *none = alloc_text_n(NULL, 0);
    assert_string_equal(whole, "hello");
    assert_memory_equal(part, "a\0b", 4);
    assert_string_equal(none, "");
    alloc_free(whole);
    alloc_free(part);
    alloc_free(none);
}

/* Ask once with each function; bit i of the result is set when the ith one failed with ENOMEM. */
static unsigned ask_each_function(void)
{
    unsigned failed = 0;
    for (unsigned i = 0; i < 6; i++) {
        void *block = NULL;
        errno = 0;
        switch (i) {
        case 0:
            block = alloc_bytes(8);
            break;
        case 1:
            block = alloc_zeroed(1, 8);
            break;
        case 2:
            block = alloc_resize(NULL, 8);
            break;
        case 3:
            block = alloc_aligned(16, 8);
            break;
        case 4:
            block = alloc_text("text");
            break;
        default:
            block = alloc_text_n("text", 4);
            break;
        }
        if (block == NULL && errno == ENOMEM)
            failed |= 1u << i;
        alloc_free(block);
    }
    return failed;
}

static void only_the_nth_allocation_fails(void **state)
{
    for (unsigned nth = 1; nth <= 6; nth++) {
        alloc_fail_nth(nth, 0);
        unsigned failed = ask_each_function();
        alloc_fail_nth(0, 0);
        assert_int_equal(failed, 1u << (nth - 1));
        assert_int_equal(alloc_asked(), 6);
    }
}

static void the_nth_allocation_and_all_after_it_fail(void **state)
{
    for (unsigned nth = 1; nth <= 6; nth++) {
        alloc_fail_nth(nth, 1);
        unsigned failed = ask_each_function();
        alloc_fail_nth(0, 0);
        assert_int_equal(failed, 0x3fu & ~((1u << (nth - 1)) - 1));
    }
}

static void nothing_fails_once_the_hook_is_off(void **state)
{
    alloc_fail_nth(1, 1);
    alloc_fail_nth(0, 0);
    assert_int_equal(ask_each_function(), 0);
    assert_int_equal(alloc_asked(), 0);
}

static void a_failed_resize_leaves_the_block(void **state)
{
    char *bytes = alloc_text("kept");
    assert_non_null(bytes);
    alloc_fail_nth(1, 0);
    void *more = alloc_resize(bytes, 1 << 20);
    alloc_fail_nth(0, 0);
    assert_null(more);
    assert_string_equal(bytes, "kept");
    alloc_free(bytes);
}

#define PER_THREAD 1000

static void *ask_many(void *closure)
{
    size_t *failed = closure;
    for (size_t i = 0; i < PER_THREAD; i++) {
        void *block = alloc_bytes(1);
        *failed += block == NULL;
        alloc_free(block);
    }
    return NULL;
}

static void allocations_of_all_threads_are_counted(void **state)
{
    pthread_t threads[2];
    size_t failed[2] = {0, 0};
    alloc_fail_nth(PER_THREAD, 0);
    for (size_t i = 0; i < 2; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, ask_many, &failed[i]), 0);
    for (size_t i = 0; i < 2; i++)
        pthread_join(threads[i], NULL);
    uint64_t asked = alloc_asked();
    alloc_fail_nth(0, 0);
    assert_int_equal(asked, 2 * PER_THREAD);
    assert_int_equal(failed[0] + failed[1], 1);
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(zeroed_memory_is_zero),
    cmocka_unit_test(nothing_asked_is_a_block_all_the_same),
    cmocka_unit_test(a_product_that_overflows_is_refused),
    cmocka_unit_test(a_copy_too_long_to_end_is_refused),
    cmocka_unit_test(resizing_keeps_the_bytes),
    cmocka_unit_test(aligned_memory_starts_where_it_should),
    cmocka_unit_test(copies_of_text_end_with_a_nul),
    cmocka_unit_test(only_the_nth_allocation_fails),
    cmocka_unit_test(the_nth_allocation_and_all_after_it_fail),
    cmocka_unit_test(nothing_fails_once_the_hook_is_off),
    cmocka_unit_test(a_failed_resize_leaves_the_block),
    cmocka_unit_test(allocations_of_all_threads_are_counted),
};
HARNESS_MAIN(tests)
