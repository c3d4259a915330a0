/* SPDX-License-Identifier: MIT */
/*
 * Goal: a program is executed again as it was called, from the folder where that was.
 * Method: this test executes itself; the second time, which the environment tells, it only says
 * what it was called with.
 */
#include "child.h"
#include "harness.h"

#include "base/alloc.h"
#include "main/program.h"

#include <errno.h>
#include <limits.h>
#include <stdlib.h>

#define AGAIN "TEST_PROGRAM_AGAIN"

static char folder[PATH_MAX];

static void a_relative_path_begins_where_the_program_was_called(void **state)
{
    char wanted[PATH_MAX + 8];
    assert_int_equal(program_remember(), 0);
    snprintf(wanted, sizeof(wanted), "%s/x/y", folder);
    assert_int_equal(chdir("/"), 0);
    assert_int_equal(program_remember(), 0); /* the first time counts */
    char *path = program_absolute("x/y");
    assert_string_equal(path, wanted);
    alloc_free(path);
    path = program_absolute("/x");
    assert_string_equal(path, "/x");
    alloc_free(path);
    assert_int_equal(chdir(folder), 0);
}

static int execute(void)
{
    if (program_remember() != 0 || chdir("/") != 0)
        return 1;
    setenv(AGAIN, "1", 1);
    return -program_execute();
}

static void it_is_called_again_with_its_arguments_in_its_folder(void **state)
{
    char wanted[2 * PATH_MAX];
    snprintf(wanted, sizeof(wanted), "%s %s\n", program_path(), folder);
    assert_int_equal(child_status(execute), 7);
    assert_string_equal(child_said, wanted);
}

static int execute_nothing(void)
{
    return -program_execute();
}

static void what_was_not_noted_cannot_be_executed(void **state)
{
    assert_int_equal(child_status(execute_nothing), ENOENT);
    assert_string_equal(program_path(), "what was called, without /proc,");
}

static int remember_without_folder(void)
{
    char gone[] = "/tmp/test_program.XXXXXX";
    if (mkdtemp(gone) == NULL || chdir(gone) != 0 || rmdir(gone) != 0)
        return 1;
    return -program_remember();
}

static void a_folder_that_is_gone_is_told(void **state)
{
    assert_int_equal(child_status(remember_without_folder), ENOENT);
}

/* In a process of its own: what is noted stays. */
static int fail_each_allocation(void)
{
    int err = -1;
    for (unsigned nth = 1; err != 0; nth++) {
        alloc_fail_nth(nth, 0);
        err = program_remember();
        alloc_fail_nth(0, 0);
        if (err != 0 && err != -ENOMEM)
            return 1;
    }
    return strcmp(program_path(), "what was called, without /proc,") == 0;
}

static void without_memory_it_may_be_tried_again(void **state)
{
    assert_int_equal(child_status(fail_each_allocation), 0);
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(what_was_not_noted_cannot_be_executed),
    cmocka_unit_test(a_folder_that_is_gone_is_told),
    cmocka_unit_test(without_memory_it_may_be_tried_again),
    cmocka_unit_test(a_relative_path_begins_where_the_program_was_called),
    cmocka_unit_test(it_is_called_again_with_its_arguments_in_its_folder),
};

int main(int argc, char **argv)
{
    assert_non_null(getcwd(folder, sizeof(folder)));
    if (getenv(AGAIN) == NULL)
        return harness_run(__FILE__, tests, sizeof(tests) / sizeof(tests[0]));
    printf("%s %s\n", argv[argc - 1], folder);
    return 7;
}
