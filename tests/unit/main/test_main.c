/* SPDX-License-Identifier: MIT */
/*
 * Goal: mtev_main() runs the child of a configuration that is right and returns what it returned;
 * what is wrong it refuses with one line and status 2.
 * Method: each call in a process of its own.
 */
#include "child.h"
#include "harness.h"

#include <mtev_main.h>
#include <mtev_memory.h>

#include <signal.h>
#include <stdlib.h>

static char path[32];

static int set_up(void **state)
{
    static const char text[] = "<app/>";
    snprintf(path, sizeof(path), "/tmp/test_main.XXXXXX");
    int fd = mkstemp(path);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, text, sizeof(text) - 1), sizeof(text) - 1);
    close(fd);
    return 0;
}

static int tear_down(void **state)
{
    unlink(path);
    return 0;
}

static int child(void)
{
    puts("child");
    return 9;
}

static int run(const char *user, const char *group)
{
    mtev_memory_init();
    mtev_memory_init();
    return mtev_main("app", path, 0, 1, MTEV_LOCK_OP_NONE, NULL, user, group, child);
}

static int run_child(void)
{
    int status = run(NULL, NULL);
    raise(SIGTERM); /* is nobody's concern any more, and kills */
    return status;
}

static int run_without_a_file(void)
{
    return mtev_main("app", NULL, 0, 1, MTEV_LOCK_OP_NONE, NULL, NULL, NULL, child);
}

static int run_without_a_name(void)
{
    return mtev_main(NULL, path, 0, 1, MTEV_LOCK_OP_NONE, NULL, NULL, NULL, child);
}

static int run_normally(void)
{
    return run(NULL, NULL);
}

static int run_as_nobody_known(void)
{
    return run("no such user", NULL);
}

static int run_in_no_group_known(void)
{
    return run(NULL, "no such group");
}

static void a_user_or_group_that_nobody_knows_is_one_line(void **state)
{
    assert_refused(run_as_nobody_known, "user no such user: there is none of that name\n");
    assert_refused(run_in_no_group_known, "group no such group: there is none of that name\n");
}

static void the_child_runs_and_its_value_is_returned(void **state)
{
    assert_int_equal(child_status(run_normally), 9);
    assert_string_equal(child_said, "child\n");
}

static void signals_are_as_they_were_after_the_child(void **state)
{
    assert_int_equal(child_status(run_child), 128 + SIGTERM);
}

static void a_name_and_a_file_are_needed(void **state)
{
    assert_refused(run_without_a_file, "no configuration file was named\n");
    assert_refused(run_without_a_name, "the name of the program is missing\n");
}

#define MAIN_TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

static const struct CMUnitTest tests[] = {
    MAIN_TEST(the_child_runs_and_its_value_is_returned),
    MAIN_TEST(signals_are_as_they_were_after_the_child),
    MAIN_TEST(a_user_or_group_that_nobody_knows_is_one_line),
    MAIN_TEST(a_name_and_a_file_are_needed),
};

HARNESS_MAIN(tests)
