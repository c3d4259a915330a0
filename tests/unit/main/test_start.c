/* SPDX-License-Identifier: MIT */
/*
 * Goal: a configuration is applied to the whole process, or one line says what is wrong with it.
 * Method: built-in configurations; the properties of the eventer and the streams of the log are
 * read back.  Every allocation is made to fail once.
 */
#include "configured.h"

#include "eventer/props.h"
#include "main/start.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define AT "built-in configuration:"

static int start(const char *text)
{
    const struct start s = {.app_name = "app", .text = text};
    return start_configured(&s);
}

static void properties_are_set(void **state)
{
    assert_int_equal(start("<app><eventer implementation='epoll'><config>"
                           "<concurrency>3</concurrency><loop_web>2</loop_web>"
                           "</config></eventer></app>"),
                     0);
    assert_int_equal(props_get()->concurrency, 3);
    assert_int_equal(props_get()->pool_count, 1);
    assert_string_equal(props_get()->pools[0].name, "web");
    assert_int_equal(start("<app><eventer><a><b><config><concurrency>4</concurrency>"
                           "</config></b></a></eventer></app>"),
                     0);
    assert_int_equal(props_get()->concurrency, 4);
    assert_int_equal(start("<app><include><eventer><config><concurrency>5</concurrency>"
                           "</config></eventer></include></app>"),
                     0);
    assert_int_equal(props_get()->concurrency, 5);
}

static void the_last_key_counts(void **state)
{
    assert_int_equal(start("<app><eventer><config><concurrency>6</concurrency></config>"
                           "<more><config><concurrency>7</concurrency></config></more>"
                           "</eventer></app>"),
                     0);
    assert_int_equal(props_get()->concurrency, 7);
}

static void other_configs_are_not_the_eventers(void **state)
{
    assert_int_equal(start("<app><listeners><config><concurrency>8</concurrency>"
                           "</config></listeners></app>"),
                     0);
    assert_int_not_equal(props_get()->concurrency, 8);
}

static void an_unknown_key_is_named_and_ignored(void **state)
{
    assert_int_equal(start("<app><eventer><config>\n<speed>9</speed>\n"
                           "<concurrency>1</concurrency></config></eventer></app>"),
                     0);
    assert_logged_lines(AT "2: <speed> is no key of <eventer><config>; it is ignored\n");
    assert_int_equal(props_get()->concurrency, 1);
}

static void a_wrong_value_is_an_error(void **state)
{
    assert_int_equal(start("<app><eventer><config>\n<concurrency>257</concurrency>"
                           "</config></eventer></app>"),
                     -EINVAL);
    assert_logged_lines(AT "2: <concurrency> \"257\": this value is not possible\n");
    assert_int_equal(start("<app>\n<eventer implementation='select'/></app>"), -EINVAL);
    assert_logged_lines(
        AT "2: <eventer> implementation=\"select\": neither epoll nor poll nor io_uring\n");
}

static void write_file(const char *path, const char *text)
{
    FILE *file = fopen(path, "we");
    assert_non_null(file);
    assert_true(fputs(text, file) >= 0);
    assert_int_equal(fclose(file), 0);
}

static void a_wrong_value_in_another_file_is_told_of_that(void **state)
{
    char folder[] = "/tmp/test_start.XXXXXX", path[64], part[64], wanted[128];
    assert_non_null(mkdtemp(folder));
    snprintf(path, sizeof(path), "%s/app.conf", folder);
    snprintf(part, sizeof(part), "%s/part.conf", folder);
    write_file(path, "<app>\n<include file='part.conf'/></app>");
    write_file(part, "<any>\n<eventer><config>\n\n<concurrency>257</concurrency></config>"
                     "<config require_env='NO_SUCH_VARIABLE'><concurrency>x</concurrency></config>"
                     "</eventer></any>");
    assert_int_equal(start_configured(&(struct start){.app_name = "app", .path = path}), -EINVAL);
    snprintf(wanted, sizeof(wanted), "%s:4: <concurrency> \"257\": this value is not possible\n",
             part);
    assert_logged_lines(wanted);
    unlink(part);
    unlink(path);
    rmdir(folder);
}

static void another_root_is_an_error(void **state)
{
    assert_int_equal(start("\n<other/>"), -EINVAL);
    assert_logged_lines(AT "2: the root element is <other>, not <app>\n");
}

static void a_name_has_at_most_63_bytes(void **state)
{
    char text[80], name[65];
    for (size_t len = CONF_NAME_MAX - 1; len <= CONF_NAME_MAX + 1; len++) {
        memset(name, 'n', len);
        name[len] = '\0';
        snprintf(text, sizeof(text), "<%s/>", name);
        const struct start s = {.app_name = name, .text = text};
        assert_int_equal(start_configured(&s), len <= CONF_NAME_MAX ? 0 : -ENAMETOOLONG);
    }
    assert_logged_lines("the name of the program is longer than 63 bytes\n");
    const struct start nameless = {.text = "<app/>"};
    assert_int_equal(start_configured(&nameless), -EINVAL);
    assert_logged_lines("the name of the program is missing\n");
}

static void a_lock_without_a_file_is_no_lock(void **state)
{
    const struct start s = {.app_name = "app", .text = "<app/>", .lock = MTEV_LOCK_OP_LOCK};
    assert_int_equal(start_configured(&s), 0);
}

static void configure_all(void *closure)
{
    const struct start s = {
        .app_name = "app",
        .lock = MTEV_LOCK_OP_LOCK,
        .text = "<app lockfile='/nowhere/x'><logs><log name='one'/></logs>"
                "<eventer implementation='epoll'><config><concurrency>2</concurrency>"
                "</config></eventer></app>"};
    int err = start_configured(&s);
    assert_true(err == -ENOMEM || err == -EINVAL || err == -ENOENT);
    assert_string_not_equal(logged_take(), ""); /* whatever it was, it was told */
    conf_unload();
}

static void every_allocation_may_fail(void **state)
{
    harness_fail_each_allocation(configure_all, NULL);
}

/* The last of them all: what is switched stays so. */
static void there_are_128_switches_of_logs(void **state)
{
    mtev_main_enable_log(NULL);
    assert_logged_lines("mtev_main_enable_log: (null): no name was given\n");
    for (int i = 0; i < START_SWITCHES_MAX - 2; i++)
        mtev_main_disable_log("one");
    mtev_main_disable_log("debug");
    assert_nothing_logged();
    mtev_main_enable_log("last");
    assert_nothing_logged();
    mtev_main_enable_log("more");
    assert_logged_lines("mtev_main_enable_log: more: there are 128 already\n");

    const struct start s = {.app_name = "app",
                            .debug = true,
                            .text = "<app><logs><log name='last' disabled='on'/></logs></app>"};
    assert_int_equal(start_configured(&s), 0);
    unsigned on = MTEV_LOG_STREAM_ENABLED;
    assert_int_equal(mtev_log_stream_get_flags(mtev_log_stream_find("one")) & on, 0);
    assert_int_equal(mtev_log_stream_get_flags(mtev_log_stream_find("last")) & on, on);
    assert_int_equal(mtev_log_stream_get_flags(mtev_debug) & on, 0);
}

static void who_asks_stays_in_his_folder(void **state)
{
    char before[PATH_MAX], after[PATH_MAX];
    const struct start s = {.app_name = "app",
                            .mode = START_MONITORED,
                            .text = "<app workingdir='/tmp' lockfile='not.there/lock'/>"};
    pid_t pid;
    assert_non_null(getcwd(before, sizeof(before)));
    assert_int_equal(start_holder(&s, &pid), -ESRCH);
    assert_int_equal(start_stop(&s), -ESRCH);
    assert_non_null(getcwd(after, sizeof(after)));
    assert_string_equal(after, before);
}

static const struct CMUnitTest tests[] = {
    configured_test(properties_are_set),
    configured_test(the_last_key_counts),
    configured_test(other_configs_are_not_the_eventers),
    configured_test(an_unknown_key_is_named_and_ignored),
    configured_test(a_wrong_value_is_an_error),
    configured_test(a_wrong_value_in_another_file_is_told_of_that),
    configured_test(another_root_is_an_error),
    configured_test(a_name_has_at_most_63_bytes),
    configured_test(a_lock_without_a_file_is_no_lock),
    configured_test(every_allocation_may_fail),
    configured_test(there_are_128_switches_of_logs),
    configured_test(who_asks_stays_in_his_folder),
};

HARNESS_MAIN(tests)
