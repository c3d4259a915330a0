/* SPDX-License-Identifier: MIT */
/*
 * Goal: callbacks are found by their names and shown by them.
 * Method: name, ask, and let each allocation fail.
 */
#include "harness.h"

#include "base/alloc.h"

#include <eventer/eventer.h>

#include <errno.h>
#include <string.h>

static int one(eventer_t e, int mask, void *closure, struct timeval *now)
{
    return 1;
}

static int two(eventer_t e, int mask, void *closure, struct timeval *now)
{
    return 2;
}

static int nameless(eventer_t e, int mask, void *closure, struct timeval *now)
{
    return 3;
}

static void a_named_callback_is_found_and_shown(void **state)
{
    assert_null(eventer_callback_for_name("one"));
    assert_int_equal(eventer_name_callback("one", one), 0);
    assert_ptr_equal(eventer_callback_for_name("one"), one);
    assert_string_equal(eventer_name_for_callback(one), "one");
    assert_null(eventer_callback_for_name("on"));
    assert_null(eventer_callback_for_name(""));
    assert_null(eventer_callback_for_name(NULL));
    assert_int_equal(eventer_name_callback(NULL, one), -1);
    assert_int_equal(errno, EINVAL);
    assert_int_equal(eventer_name_callback("none", NULL), -1);
    assert_int_equal(errno, EINVAL);
}

static void the_first_function_keeps_a_name(void **state)
{
    assert_int_equal(eventer_name_callback("shared", one), 0);
    assert_int_equal(eventer_name_callback("shared", two), 0);
    assert_ptr_equal(eventer_callback_for_name("shared"), one);
}

static void the_last_name_of_a_function_is_shown(void **state)
{
    assert_int_equal(eventer_name_callback("early", two), 0);
    assert_int_equal(eventer_name_callback("late", two), 0);
    assert_string_equal(eventer_name_for_callback(two), "late");
    assert_ptr_equal(eventer_callback_for_name("early"), two);
}

static void describe(char *text, int size, eventer_t e, void *closure)
{
    snprintf(text, (size_t)size, "%s of fd %d", (const char *)closure, eventer_get_fd(e));
}

static int described(eventer_t e, int mask, void *closure, struct timeval *now)
{
    return 4;
}

static void overflow(char *text, int size, eventer_t e, void *closure)
{
    memset(text, 'x', (size_t)size);
}

static void events_of_a_callback_are_told_apart(void **state)
{
    static char word[] = "end";
    eventer_t e = eventer_alloc_fd(described, NULL, 7, EVENTER_READ);
    assert_int_equal(eventer_name_callback_ext("described", described, describe, word), 0);
    assert_string_equal(eventer_name_for_callback_e(described, e), "end of fd 7");
    assert_string_equal(eventer_name_for_callback_e(described, NULL), "described");
    assert_string_equal(eventer_name_for_callback(described), "described");
    assert_string_equal(eventer_name_for_callback_e(one, e), eventer_name_for_callback(one));
    assert_ptr_equal(eventer_callback_for_name("described"), described);

    errno = 0;
    assert_int_equal(eventer_name_callback_ext("described", two, describe, NULL), -1);
    assert_int_equal(errno, EEXIST);
    assert_ptr_equal(eventer_callback_for_name("described"), described);
    assert_int_equal(eventer_name_callback_ext(NULL, two, describe, NULL), -1);
    assert_int_equal(errno, EINVAL);
    assert_int_equal(eventer_name_callback_ext("no function", NULL, describe, NULL), -1);
    assert_int_equal(errno, EINVAL);

    assert_int_equal(eventer_name_callback_ext("overflowing", described, overflow, NULL), 0);
    assert_int_equal(strlen(eventer_name_for_callback_e(described, e)), 127);
    assert_int_equal(eventer_name_callback_ext("plain", described, NULL, NULL), 0);
    assert_string_equal(eventer_name_for_callback_e(described, e), "plain");
    eventer_free(e);
}

static void a_name_is_copied(void **state)
{
    char name[] = "copied";
    assert_int_equal(eventer_name_callback(name, one), 0);
    memset(name, 'x', sizeof(name) - 1);
    assert_ptr_equal(eventer_callback_for_name("copied"), one);
}

static void a_callback_without_a_name_is_shown_all_the_same(void **state)
{
    const char *shown = eventer_name_for_callback(nameless); /* its symbol, or its address */
    assert_non_null(shown);
    assert_true(strlen(shown) > 0);
    assert_non_null(eventer_name_for_callback(NULL));
}

static void a_name_that_cannot_be_kept_leaves_nothing(void **state)
{
    for (unsigned nth = 1; nth <= 2; nth++) {
        alloc_fail_nth(nth, 0);
        errno = 0;
        assert_int_equal(eventer_name_callback("lost", one), -1);
        alloc_fail_nth(0, 0);
        assert_int_equal(errno, ENOMEM);
        assert_null(eventer_callback_for_name("lost"));
    }
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(a_named_callback_is_found_and_shown),
    cmocka_unit_test(the_first_function_keeps_a_name),
    cmocka_unit_test(the_last_name_of_a_function_is_shown),
    cmocka_unit_test(events_of_a_callback_are_told_apart),
    cmocka_unit_test(a_name_is_copied),
    cmocka_unit_test(a_callback_without_a_name_is_shown_all_the_same),
    cmocka_unit_test(a_name_that_cannot_be_kept_leaves_nothing),
};
HARNESS_MAIN(tests)
