/* SPDX-License-Identifier: MIT */
/*
 * Goal: eventer_run() understands its arguments, serves the configuration it is given or makes, and
 * returns a status that tells how it went.
 * Method: each call in a process of its own, which ends itself from a coroutine.
 */
#include "child.h"
#include "harness.h"

#include <eventer_run.h>

#include <signal.h>

#define CONF                                                                                       \
    "<app><listeners><listener type='none' address='127.0.0.1' port='0'/></listeners></app>"
#define ACL "<rest><acl><rule type='allow'/></acl></rest>"

static int say_setup(void)
{
    puts("setup");
    return 0;
}

static int refuse(void)
{
    return -1;
}

static void stop(void)
{
    kill(getpid(), SIGTERM);
}

/* Begun in a loop; the signal that it sends is handled once eventer_loop() was entered, or ends us.
 */
static int stop_soon(void)
{
    eventer_aco_start(stop, NULL);
    return 0;
}

/* Run with the words of arguments, which are separated by one blank each. */
static int run(const char *arguments, const struct eventer_run_options *options)
{
    char text[64], *rest = text, *word;
    char *argv[8];
    int argc = 0;
    snprintf(text, sizeof(text), "%s", arguments);
    while ((word = strsep(&rest, " ")) != NULL)
        argv[argc++] = word;
    argv[argc] = NULL;
    return eventer_run(argc, argv, options);
}

#define RUNNER(name, arguments, ...)                                                               \
    static int name(void)                                                                          \
    {                                                                                              \
        return run(arguments, &(struct eventer_run_options){__VA_ARGS__});                         \
    }

RUNNER(run_help, "app -h", .name = "app")
RUNNER(run_no_file, "app -c", .name = "app")
RUNNER(run_unknown, "app -Dz", .name = "app")
RUNNER(run_more, "app -d x", .name = "app")
RUNNER(run_both, "app -D -d -c /nowhere", .name = "app", .configuration = "<app/>")
RUNNER(run_nameless, "app", .configuration = "<app/>")
RUNNER(run_odd_name, "app", .name = "a b")
RUNNER(run_wrong_text, "app", .name = "app", .configuration = "<app>\n<b></app>")
RUNNER(run_other_root, "app", .name = "app", .configuration = "<other/>")
RUNNER(run_refused, "app", .name = "app", .setup = refuse, .configuration = "<app>" ACL "</app>",
       .greeting = "never\n")
RUNNER(run_bad_listener, "app", .name = "app", .setup = say_setup, .configuration = CONF,
       .greeting = "never\n")
RUNNER(run_well, "app", .name = "app", .setup = stop_soon, .configuration = "<app>" ACL "</app>",
       .greeting = "welcome\n")

static int run_nothing(void)
{
    return run("app", NULL);
}

static void the_usage_is_printed_when_asked_for(void **state)
{
    assert_int_equal(child_status(run_help), 0);
    assert_memory_equal(child_said, "usage: app [OPTION]...\n  -c FILE ", 33);
}

static void wrong_arguments_are_one_line(void **state)
{
    assert_refused(run_no_file, "app: nothing follows -c (see app -h)\n");
    assert_refused(run_unknown, "app: unknown option -z (see app -h)\n");
    assert_refused(run_more, "app: more than options was given (see app -h)\n");
}

static void a_file_goes_before_the_built_in_text(void **state)
{
    assert_refused(run_both, "/nowhere: cannot be read: No such file or directory\n");
}

static void a_name_is_needed(void **state)
{
    assert_refused(run_nameless, "eventer_run: the name of the program is missing\n");
    assert_refused(run_nothing, "eventer_run: the name of the program is missing\n");
}

static void a_wrong_configuration_is_one_line(void **state)
{
    assert_int_equal(child_status(run_odd_name), 2);
    assert_memory_equal(child_said, "built-in configuration:1: ", 26);
    assert_int_equal(child_status(run_wrong_text), 2);
    assert_memory_equal(child_said, "built-in configuration:2: ", 26);
    assert_refused(run_other_root,
                   "built-in configuration:1: the root element is <other>, not <app>\n");
}

static void a_setup_that_refuses_ends_it_silently(void **state)
{
    assert_refused(run_refused, "");
}

static void a_listener_that_is_wrong_ends_it(void **state)
{
    assert_int_equal(child_status(run_bad_listener), 2);
    assert_non_null(strstr(child_said, "setup\n"));
    assert_non_null(strstr(child_said, "built-in configuration:1: <listener> type=\"none\": "));
    assert_null(strstr(child_said, "never"));
}

static void it_serves_until_it_is_told_to_stop(void **state)
{
    assert_int_equal(child_status(run_well), 0);
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(the_usage_is_printed_when_asked_for),
    cmocka_unit_test(wrong_arguments_are_one_line),
    cmocka_unit_test(a_file_goes_before_the_built_in_text),
    cmocka_unit_test(a_name_is_needed),
    cmocka_unit_test(a_wrong_configuration_is_one_line),
    cmocka_unit_test(a_setup_that_refuses_ends_it_silently),
    cmocka_unit_test(a_listener_that_is_wrong_ends_it),
    cmocka_unit_test(it_serves_until_it_is_told_to_stop),
};

HARNESS_MAIN(tests)
