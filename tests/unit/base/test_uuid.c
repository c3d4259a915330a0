/* SPDX-License-Identifier: MIT */
/*
 * Goal: identifiers are read and written as RFC 9562 says, and new ones are of version 4.
 * Method: its example, every text that is one byte off, and a thousand new ones.
 */
#include "harness.h"

#include <errno.h>
#include <mtev_uuid.h>
#include <string.h>

static const char known[] = "f81d4fae-7dec-11d0-a765-00a0c91e6bf6"; /* RFC 9562, section 4 */
static const uuid_t known_bytes = {0xf8, 0x1d, 0x4f, 0xae, 0x7d, 0xec, 0x11, 0xd0,
                                   0xa7, 0x65, 0x00, 0xa0, 0xc9, 0x1e, 0x6b, 0xf6};

static void text_becomes_bytes_and_text_again(void **state)
{
    uuid_t uuid;
    char text[UUID_STR_LEN], upper[UUID_STR_LEN];
    assert_int_equal(mtev_uuid_parse(known, uuid), 0);
    assert_memory_equal(uuid, known_bytes, sizeof(uuid));
    mtev_uuid_unparse(uuid, text);
    assert_string_equal(text, known);
    mtev_uuid_unparse_upper(uuid, upper);
    assert_string_equal(upper, "F81D4FAE-7DEC-11D0-A765-00A0C91E6BF6");
    mtev_uuid_unparse_lower(uuid, text);
    assert_string_equal(text, known);
    mtev_uuid_clear(uuid);
    assert_int_equal(mtev_uuid_parse(upper, uuid), 0);
    assert_memory_equal(uuid, known_bytes, sizeof(uuid));
}

static void assert_refused(const char *text)
{
    uuid_t uuid = {7};
    errno = 0;
    assert_int_equal(mtev_uuid_parse(text, uuid), -1);
    assert_int_equal(errno, EINVAL);
    assert_int_equal(uuid[0], 7);
}

static void what_is_no_identifier_is_refused(void **state)
{
    char text[UUID_STR_LEN + 1];
    for (size_t at = 0; at < strlen(known); at++)
        for (int byte = 1; byte < 256; byte++) {
            uuid_t uuid;
            memcpy(text, known, sizeof(known));
            text[at] = (char)byte;
            if (known[at] == '-' ? byte == '-' : strchr("0123456789abcdefABCDEF", byte) != NULL)
                assert_int_equal(mtev_uuid_parse(text, uuid), 0);
            else
                assert_refused(text);
        }
    for (size_t len = 0; len < strlen(known); len++) {
        memcpy(text, known, sizeof(known));
        text[len] = '\0';
        assert_refused(text);
    }
    assert_refused("f81d4fae-7dec-11d0-a765-00a0c91e6bf60");
    assert_refused("{f81d4fae-7dec-11d0-a765-00a0c91e6bf6}");
    assert_refused(NULL);
}

static void copies_and_comparisons_look_at_all_bytes(void **state)
{
    uuid_t a, b;
    mtev_uuid_copy(a, known_bytes);
    assert_int_equal(mtev_uuid_compare(a, known_bytes), 0);
    assert_int_equal(mtev_uuid_is_null(a), 0);
    for (size_t i = 0; i < sizeof(a); i++) {
        mtev_uuid_copy(b, a);
        b[i]++;
        assert_true(mtev_uuid_compare(a, b) < 0);
        assert_true(mtev_uuid_compare(b, a) > 0);
        mtev_uuid_clear(b);
        assert_int_equal(mtev_uuid_is_null(b), 1);
        b[i] = 1;
        assert_int_equal(mtev_uuid_is_null(b), 0);
    }
}

static void new_ones_are_of_version_4_and_differ(void **state)
{
    uuid_t before, uuid;
    mtev_uuid_clear(before);
    for (int i = 0; i < 1000; i++) {
        mtev_uuid_generate(uuid);
        assert_int_equal(uuid[6] >> 4, 4);
        assert_int_equal(uuid[8] >> 6, 2);
        assert_int_not_equal(mtev_uuid_compare(before, uuid), 0);
        mtev_uuid_copy(before, uuid);
    }
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(text_becomes_bytes_and_text_again),
    cmocka_unit_test(what_is_no_identifier_is_refused),
    cmocka_unit_test(copies_and_comparisons_look_at_all_bytes),
    cmocka_unit_test(new_ones_are_of_version_4_and_differ),
};

HARNESS_MAIN(tests)
