/* SPDX-License-Identifier: MIT */
/*
 * Goal: the handlers do what signals.h says, and what was before them comes back.
 * Method: processes that send signals to themselves; the loops of some of them run.
 */
#include "child.h"
#include "harness.h"

#include "eventer/pool.h"
#include "main/signals.h"

#include <eventer/eventer.h>

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>

static const int numbers[] = {SIGTERM, SIGINT, SIGQUIT, SIGHUP, SIGUSR1};

static char log_path[64];

/* Begin, send the signal, and tell whether anything is left to return. */
static int run_without_loop(int number)
{
    if (signals_begin() != 0)
        return 3;
    raise(number);
    return 4;
}

static int term_without_loop(void)
{
    return run_without_loop(SIGTERM);
}

static int interrupt_without_loop(void)
{
    return run_without_loop(SIGINT);
}

static int quit_without_loop(void)
{
    return run_without_loop(SIGQUIT);
}

static int hangup_without_loop(void)
{
    errno = 77;
    return run_without_loop(SIGHUP) == 4 && errno == 77 ? 4 : 5;
}

static int dump_without_loop(void)
{
    errno = 77;
    return run_without_loop(SIGUSR1) == 4 && errno == 77 ? 4 : 5;
}

static void a_signal_outside_the_loop_ends_the_process(void **state)
{
    assert_int_equal(child_status(term_without_loop), 0);
    assert_int_equal(child_status(interrupt_without_loop), 0);
    assert_int_equal(child_status(quit_without_loop), 0);
    assert_int_equal(child_status(hangup_without_loop), 4);
    assert_int_equal(child_status(dump_without_loop), 4);
}

static int number_to_send;

/* Called by eventer_loop(), so that it is certain that somebody is in it. */
static void send_signal(void)
{
    raise(number_to_send);
}

static int run_in_loop(int number)
{
    number_to_send = number;
    eventer_propset("concurrency", "1");
    if (signals_begin() != 0 || eventer_init() != 0 || pool_at_start(send_signal) != 0)
        return 3;
    eventer_loop();
    return 4;
}

static int term_in_loop(void)
{
    return run_in_loop(SIGTERM);
}

static int twice_in_loop(void)
{
    int status = run_in_loop(SIGINT);
    raise(SIGTERM);
    return status;
}

static int quit_in_loop(void)
{
    return run_in_loop(SIGQUIT);
}

static void a_signal_in_the_loop_ends_the_loop_and_a_second_the_process(void **state)
{
    assert_int_equal(child_status(term_in_loop), 4);
    assert_int_equal(child_status(twice_in_loop), 0);
    assert_int_equal(child_status(quit_in_loop), 0);
}

/* Once the renamed log is there again, end the loop. */
static int look(eventer_t e, int mask, void *closure, struct timeval *now)
{
    if (access(log_path, F_OK) != 0) {
        eventer_add_in_s_us(look, NULL, 0, 1000);
        return 0;
    }
    kill(getpid(), SIGTERM);
    return 0;
}

static void look_soon(void)
{
    eventer_add_in_s_us(look, NULL, 0, 0);
}

static int reopen(void)
{
    char moved[80];
    snprintf(moved, sizeof(moved), "%s.1", log_path);
    eventer_propset("concurrency", "1");
    if (mtev_log_stream_new("file", "file", log_path, NULL, NULL) == NULL || signals_begin() != 0)
        return 3;
    rename(log_path, moved);
    unlink(moved);
    raise(SIGHUP); /* before the loop: it is remembered */
    if (eventer_init() != 0 || pool_at_start(look_soon) != 0)
        return 3;
    eventer_loop();
    return 4;
}

static void a_hangup_opens_the_logs_anew_in_the_loop(void **state)
{
    char folder[] = "/tmp/test_signals.XXXXXX";
    assert_non_null(mkdtemp(folder));
    snprintf(log_path, sizeof(log_path), "%s/log", folder);
    assert_int_equal(child_status(reopen), 4);
    assert_int_equal(unlink(log_path), 0);
    assert_int_equal(rmdir(folder), 0);
}

static void sleep_long(void)
{
    eventer_aco_set_name("shown");
    eventer_aco_sleep(&(struct timeval){1000, 0});
}

/* Once the log has all of the dump, end the loop. */
static int look_for_dump(eventer_t e, int mask, void *closure, struct timeval *now)
{
    char said[4096] = "";
    int fd = open(log_path, O_RDONLY | O_CLOEXEC);
    ssize_t len = read(fd, said, sizeof(said) - 1);
    close(fd);
    if (len > 0 && strstr(said, "1 coroutines, at 1 different places\n1 x ") != NULL &&
        strstr(said, ": shown; parked, waiting for: time; ") != NULL)
        kill(getpid(), SIGTERM);
    else
        eventer_add_in_s_us(look_for_dump, NULL, 0, 1000);
    return 0;
}

static int begin_sleep_and_look(eventer_t e, int mask, void *closure, struct timeval *now)
{
    eventer_aco_start(sleep_long, NULL);
    raise(SIGUSR1);
    return look_for_dump(e, mask, closure, now);
}

static void begin_soon(void)
{
    eventer_add_in_s_us(begin_sleep_and_look, NULL, 0, 0);
}

static int dump(void)
{
    eventer_propset("concurrency", "2");
    if (mtev_log_stream_new("notice", "file", log_path, NULL, NULL) == NULL ||
        signals_begin() != 0 || eventer_init() != 0 || pool_at_start(begin_soon) != 0)
        return 3;
    eventer_loop();
    return 4;
}

static void usr1_shows_the_coroutines(void **state)
{
    char folder[] = "/tmp/test_signals.XXXXXX";
    assert_non_null(mkdtemp(folder));
    snprintf(log_path, sizeof(log_path), "%s/log", folder);
    assert_int_equal(child_status(dump), 4);
    assert_int_equal(unlink(log_path), 0);
    assert_int_equal(rmdir(folder), 0);
}

static void nobody(int number)
{
}

static int begin_and_end(void)
{
    for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++)
        signal(numbers[i], nobody);
    if (signals_begin() != 0)
        return 3;
    signals_end();
    for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++) {
        struct sigaction action;
        if (sigaction(numbers[i], NULL, &action) != 0 || action.sa_handler != nobody)
            return 5;
    }
    return 4;
}

static void the_handlers_of_before_come_back(void **state)
{
    assert_int_equal(child_status(begin_and_end), 4);
}

static int begin_without_fds(void)
{
    while (open("/dev/null", O_RDONLY | O_CLOEXEC) >= 0)
        ;
    return signals_begin() == -EMFILE ? 4 : 5;
}

static void no_fd_is_an_error(void **state)
{
    assert_int_equal(child_status(begin_without_fds), 4);
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(a_signal_outside_the_loop_ends_the_process),
    cmocka_unit_test(a_signal_in_the_loop_ends_the_loop_and_a_second_the_process),
    cmocka_unit_test(a_hangup_opens_the_logs_anew_in_the_loop),
    cmocka_unit_test(usr1_shows_the_coroutines),
    cmocka_unit_test(the_handlers_of_before_come_back),
    cmocka_unit_test(no_fd_is_an_error),
};

HARNESS_MAIN(tests)
