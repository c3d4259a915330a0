/* SPDX-License-Identifier: MIT */
/*
 * Goal: copies are cut where the room ends, and searches stop where they are told to.
 * Method: every size around the length of a text, with a guard behind it.
 */
#include "harness.h"

#include "base/alloc.h"

#include <mtev_str.h>
#include <stdlib.h>
#include <string.h>

static void a_copy_is_cut_and_says_so(void **state)
{
    for (size_t size = 0; size < 9; size++) {
        char to[10];
        memset(to, '#', sizeof(to));
        assert_int_equal(mtev_strlcpy(to, "seven..", size), 7);
        if (size > 0) {
            assert_int_equal(strlen(to), size > 7 ? 7 : size - 1);
            assert_memory_equal(to, "seven..", strlen(to));
        }
        assert_int_equal(to[size], '#');
    }
}

static void what_is_appended_is_cut_and_says_so(void **state)
{
    for (size_t size = 0; size < 9; size++) {
        char to[10] = "abc";
        memset(to + 4, '#', sizeof(to) - 4);
        assert_int_equal(mtev_strlcat(to, "defg", size), size < 3 ? size + 4 : 7);
        if (size > 4) {
            assert_int_equal(strlen(to), size > 7 ? 7 : size - 1);
            assert_memory_equal(to, "abcdefg", strlen(to));
        } else {
            assert_string_equal(to, "abc");
        }
        assert_int_equal(to[MAX(size, 4)], '#');
    }
}

static void the_needle_is_found_only_in_the_bytes_given(void **state)
{
    static const char hay[] = "one\0two two";
    assert_ptr_equal(mtev_strnstrn("two", 3, hay, 11), hay + 4);
    assert_ptr_equal(mtev_strnstrn("two", 3, hay, 7), hay + 4);
    assert_null(mtev_strnstrn("two", 3, hay, 6));
    assert_ptr_equal(mtev_strnstrn("", 0, hay, 0), hay);
    assert_null(mtev_strnstrn("x", -1, hay, 11));
    assert_null(mtev_strnstrn("x", 1, hay, -1));
    assert_ptr_equal(mtev_memmem(hay, 11, "e\0t", 3), hay + 2);
    assert_null(mtev_memmem(hay, 2, "one", 3));
}

static void a_copy_of_a_part_ends_with_free(void **state)
{
    char *copy = mtev_strndup("abcdef", 3);
    assert_string_equal(copy, "abc");
    free(copy);
    copy = mtev_strndup("abc", 100);
    assert_string_equal(copy, "abc");
    free(copy);
    alloc_fail_nth(1, 0);
    assert_null(mtev_strndup("abc", 3));
    alloc_fail_nth(0, 0);
}

static void the_helpers_of_defines_do_as_they_say(void **state)
{
    const uint64_t number = UINT64_C(0x0102030405060708);
    const uint64_t sent = htonll(number);
    assert_memory_equal(&sent, "\1\2\3\4\5\6\7\10", 8);
    assert_int_equal(ntohll(sent), number);
    assert_int_equal(IFS_CH, '/');
    assert_int_equal(UUID_SIZE, 16);
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(a_copy_is_cut_and_says_so),
    cmocka_unit_test(what_is_appended_is_cut_and_says_so),
    cmocka_unit_test(the_needle_is_found_only_in_the_bytes_given),
    cmocka_unit_test(a_copy_of_a_part_ends_with_free),
    cmocka_unit_test(the_helpers_of_defines_do_as_they_say),
};

HARNESS_MAIN(tests)
