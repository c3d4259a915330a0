/* SPDX-License-Identifier: MIT */
/*
 * Goal: <watchdog> and the environment say how a monitor works, within limits, and what is wrong
 * with them is said.
 * Method: built-in configurations; the settings are read back.
 */
#include "configured.h"

#include "base/clock.h"
#include "main/crash.h"
#include "main/watch.h"

#include <mtev_watchdog.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#define AT "built-in configuration:1: <watchdog> "

static int configure(const char *attributes)
{
    char text[2048];
    snprintf(text, sizeof(text), "<app><watchdog %s/></app>", attributes);
    assert_int_equal(conf_load_text("built-in configuration", text), 0);
    return watch_configure();
}

static void all_of_it_can_be_set(void **state)
{
    const struct watch_settings *settings = watch_settings();
    assert_int_equal(configure(""), 0);
    assert_int_equal(settings->retries, 5);
    assert_int_equal(settings->span_s, 60);
    assert_int_equal(settings->ready_s, 60);
    assert_true(settings->has_traces);
    assert_int_equal(configure("retries='7' span='8' ready_seconds='9' glider='/g' tracedir='/t' "
                               "save_trace_output='off' core='on'"),
                     0);
    assert_int_equal(settings->retries, 7);
    assert_int_equal(settings->span_s, 8);
    assert_int_equal(settings->ready_s, 9);
    assert_string_equal(settings->glider, "/g");
    assert_string_equal(settings->trace_folder, "/t");
    assert_true(settings->dumps_core && !settings->has_traces);
}

static void numbers_have_limits(void **state)
{
    assert_int_equal(configure("retries='0' span='1' ready_seconds='1'"), 0);
    assert_int_equal(configure("retries='1000' span='86400' ready_seconds='86400'"), 0);
    assert_int_equal(configure("retries='1001'"), -EINVAL);
    assert_logged_lines(AT "retries=\"1001\": not a number between 0 and 1000\n");
    assert_int_equal(configure("retries='-1'"), -EINVAL);
    assert_logged_lines(AT "retries=\"-1\": not a number between 0 and 1000\n");
    assert_int_equal(configure("span='0'"), -EINVAL);
    assert_logged_lines(AT "span=\"0\": not a number between 1 and 86400\n");
    assert_int_equal(configure("span='86401'"), -EINVAL);
    assert_logged_lines(AT "span=\"86401\": not a number between 1 and 86400\n");
    assert_int_equal(configure("ready_seconds='0'"), -EINVAL);
    assert_logged_lines(AT "ready_seconds=\"0\": not a number between 1 and 86400\n");
    assert_int_equal(configure("ready_seconds='86401'"), -EINVAL);
    assert_logged_lines(AT "ready_seconds=\"86401\": not a number between 1 and 86400\n");
    assert_int_equal(configure("core='maybe'"), -EINVAL);
    assert_non_null(strstr(logged_take(), AT "core=\"maybe\": "));
    assert_int_equal(configure("save_trace_output='maybe'"), -EINVAL);
    assert_non_null(strstr(logged_take(), AT "save_trace_output=\"maybe\": "));
}

static void a_path_has_at_most_1023_bytes(void **state)
{
    char attribute[1200], path[1100];
    for (int len = WATCH_PATH_MAX - 1; len <= WATCH_PATH_MAX + 1; len++) {
        memset(path, 'p', (size_t)len);
        path[len] = '\0';
        snprintf(attribute, sizeof(attribute), "glider='%s'", path);
        assert_int_equal(configure(attribute), len <= WATCH_PATH_MAX ? 0 : -ENAMETOOLONG);
        assert_int_equal(mtev_watchdog_glider_trace_dir(path), len <= WATCH_PATH_MAX ? 0 : -1);
    }
    assert_int_equal(errno, ENAMETOOLONG);
    assert_non_null(strstr(logged_take(), ": longer than 1023 bytes\n"));
    assert_int_equal(mtev_watchdog_glider(NULL), 0);
    assert_string_equal(watch_settings()->glider, "");
}

static void the_environment_counts_more(void **state)
{
    const struct watch_settings *settings = watch_settings();
    setenv("WATCHDOG_TIMEOUT", "7", 1);
    assert_int_equal(configure(""), 0);
    assert_int_equal(settings->limit_ns, 7 * CLOCK_NS_PER_S);
    setenv("MTEV_WATCHDOG_TIMEOUT", "0.25", 1);
    assert_int_equal(configure(""), 0);
    assert_int_equal(settings->limit_ns, CLOCK_NS_PER_S / 4);
    setenv("MTEV_WATCHDOG_TIMEOUT", "0", 1);
    assert_int_equal(configure(""), 0);
    assert_int_equal(settings->limit_ns, 0);
    static const char *const wrong[] = {"", "x", "1s", "-1", "86401", "nan", "inf"};
    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
        setenv("MTEV_WATCHDOG_TIMEOUT", wrong[i], 1);
        assert_int_equal(configure(""), -EINVAL);
        assert_non_null(strstr(logged_take(), "in the environment: not 0 to 86400 seconds\n"));
    }
    unsetenv("MTEV_WATCHDOG_TIMEOUT");
    unsetenv("WATCHDOG_TIMEOUT");
}

static void the_program_may_say_it_too(void **state)
{
    const struct watch_settings *settings = watch_settings();
    mtev_watchdog_ratelimit(3, 4);
    assert_int_equal(settings->retries, 3);
    assert_int_equal(settings->span_s, 4);
    mtev_watchdog_ratelimit(-1, 1000000);
    assert_int_equal(settings->retries, 0);
    assert_int_equal(settings->span_s, WATCH_SPAN_S_MAX);
    mtev_watchdog_disable_trace_output();
    assert_false(settings->has_traces);
    mtev_watchdog_disable_asynch_core_dump();
    assert_int_equal(configure("core='on'"), 0);
    assert_false(settings->dumps_core);
}

static void there_are_64_fds_to_close(void **state)
{
    assert_int_equal(mtev_watchdog_on_crash_close_add_fd(-1), -1);
    assert_int_equal(errno, EINVAL);
    for (int fd = 100; fd < 164; fd++)
        assert_int_equal(mtev_watchdog_on_crash_close_add_fd(fd), 0);
    assert_int_equal(mtev_watchdog_on_crash_close_add_fd(164), -1);
    assert_int_equal(errno, ENOSPC);
    assert_int_equal(mtev_watchdog_on_crash_close_remove_fd(164), -1);
    assert_int_equal(errno, ENOENT);
    for (int fd = 100; fd < 164; fd++)
        assert_int_equal(mtev_watchdog_on_crash_close_remove_fd(fd), 0);
    assert_int_equal(mtev_watchdog_shutdown_handler(NULL), -1);
    assert_int_equal(errno, EINVAL);
}

static const struct CMUnitTest tests[] = {
    configured_test(all_of_it_can_be_set),
    configured_test(numbers_have_limits),
    configured_test(a_path_has_at_most_1023_bytes),
    configured_test(the_environment_counts_more),
    configured_test(there_are_64_fds_to_close),
    configured_test(the_program_may_say_it_too), /* the last one: it stays so */
};

HARNESS_MAIN(tests)
