/* SPDX-License-Identifier: MIT */
/*
 * Goal: show that the harness fails a program whose tests pass but leave an fd open.
 * Method: leave one open; Meson takes the failure for the success.
 */
#include "harness.h"

#include <fcntl.h>

static void an_fd_is_left_open(void **state)
{
    assert_true(open("/dev/null", O_RDONLY | O_CLOEXEC) >= 0);
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(an_fd_is_left_open),
};
HARNESS_MAIN(tests)
