/* SPDX-License-Identifier: MIT */
/*
 * Goal: the process that was started ends when the one in the background is ready or has failed,
 * with its status; and that one has neither a terminal nor a way to get one.
 * Method: child_status() waits for the one that was started; what the other prints is read too,
 * until it has no output any more.
 */
#include "child.h"
#include "harness.h"

#include "main/daemon.h"

#include <sys/stat.h>

static int be_ready(void)
{
    const pid_t before = getpid();
    if (daemon_begin() != 0)
        return 9;
    printf("%d %d %d %03o\n", getpid() != before, getsid(0) != getsid(before),
           getsid(0) != getpid(), (unsigned)umask(0));
    daemon_is_ready();
    puts("which nobody sees");
    daemon_is_ready(); /* once is enough */
    return 7;
}

static void one_that_is_ready_ends_the_start_well(void **state)
{
    assert_int_equal(child_status(be_ready), 0);
    assert_string_equal(child_said, "1 1 1 027\n");
}

static int fail_to_start(void)
{
    if (daemon_begin() != 0)
        return 9;
    puts("why");
    daemon_has_failed(5);
    return 7;
}

static void one_that_fails_ends_the_start_with_its_status(void **state)
{
    assert_int_equal(child_status(fail_to_start), 5);
    assert_string_equal(child_said, "why\n");
}

static int die(void)
{
    return daemon_begin() != 0 ? 9 : 7;
}

static void one_that_dies_without_a_word_is_a_failed_start(void **state)
{
    assert_int_equal(child_status(die), 1);
}

static int goes_on[2]; /* a pipe: open while a test goes on */

static int die_before_child(void)
{
    char byte;
    if (daemon_begin() != 0)
        return 9;
    pid_t pid = fork();
    if (pid != 0)
        return 7;
    daemon_is_child();
    for (int fd = 0; fd < 32; fd++) /* what child_status() waits for, and the write end */
        if (fd != goes_on[0])
            close(fd);
    (void)!read(goes_on[0], &byte, 1);
    _exit(0);
}

static void a_child_that_lives_on_does_not_hold_the_start_up(void **state)
{
    assert_int_equal(pipe(goes_on), 0);
    assert_int_equal(child_status(die_before_child), 1);
    close(goes_on[0]);
    close(goes_on[1]);
}

static int serve_in_the_foreground(void)
{
    daemon_is_ready();
    daemon_has_failed(5);
    puts("seen");
    return 7;
}

static void without_a_background_nothing_is_said(void **state)
{
    assert_int_equal(child_status(serve_in_the_foreground), 7);
    assert_string_equal(child_said, "seen\n");
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(one_that_is_ready_ends_the_start_well),
    cmocka_unit_test(one_that_fails_ends_the_start_with_its_status),
    cmocka_unit_test(one_that_dies_without_a_word_is_a_failed_start),
    cmocka_unit_test(a_child_that_lives_on_does_not_hold_the_start_up),
    cmocka_unit_test(without_a_background_nothing_is_said),
};

HARNESS_MAIN(tests)
