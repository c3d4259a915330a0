/* SPDX-License-Identifier: MIT */
/*
 * logged.h - what was said on mtev_error since the last look.
 *
 * Call logged_begin() in main() before harness_run(), or have each test be a logged_test(); what is
 * said goes nowhere else from then on.
 */
#ifndef EVENTER_TESTS_LOGGED_H
#define EVENTER_TESTS_LOGGED_H

#include "harness.h"

#include <mtev_log.h>

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define LOGGED_SIZE 65536

static int logged_fds[2];
static char logged_text[LOGGED_SIZE];
static size_t logged_len;

/* Listen from now on; again it does nothing. */
static inline void logged_begin(void)
{
    if (logged_fds[1] != 0)
        return;
    if (pipe2(logged_fds, O_CLOEXEC | O_NONBLOCK) != 0 ||
        mtev_log_stream_new_on_fd("error", logged_fds[1], NULL) == NULL) {
        perror("logged_begin");
        exit(1);
    }
    harness_keep_fds();
}

/* Forget what was said so far. */
static inline void logged_clear(void)
{
    while (read(logged_fds[0], logged_text, sizeof(logged_text)) > 0)
        ;
    logged_len = 0;
}

/* Return all that was said and is not forgotten; good until the next call of a function here. */
static inline const char *logged_lines(void)
{
    ssize_t count;
    while (logged_len < LOGGED_SIZE - 1 && (count = read(logged_fds[0], logged_text + logged_len,
                                                         LOGGED_SIZE - 1 - logged_len)) > 0)
        logged_len += (size_t)count;
    logged_text[logged_len] = '\0';
    return logged_text;
}

/* The same, and forget it. */
static inline const char *logged_take(void)
{
    const char *lines = logged_lines();
    logged_len = 0;
    return lines;
}

/* Return how often part occurs in what was said and is not forgotten. */
static inline unsigned logged(const char *part)
{
    unsigned found = 0;
    for (const char *at = logged_lines(); (at = strstr(at, part)) != NULL; at += strlen(part))
        found++;
    return found;
}

/* Fail the running test unless count lines were said, each of which holds part; forget them. */
static inline void assert_logged(unsigned count, const char *part)
{
    unsigned with_part = logged(part), lines = logged("\n");
    if (with_part != count || lines != count)
        print_message("said:\n%s", logged_text);
    logged_clear();
    assert_int_equal(with_part, count);
    assert_int_equal(lines, count);
}

static inline void assert_nothing_logged(void)
{
    assert_logged(0, "\n");
}

/* Fail the running test unless exactly these lines were said; forget them. */
static inline void assert_logged_lines(const char *lines)
{
    assert_string_equal(logged_take(), lines);
}

/* Fail the running test unless one line was said, which begins with start; forget it. */
static inline void assert_logged_one_line(const char *start)
{
    const char *said = logged_take();
    assert_int_equal(strncmp(said, start, strlen(start)), 0);
    assert_ptr_equal(strchr(said, '\n'), said + strlen(said) - 1);
}

static inline int logged_set_up(void **state)
{
    logged_begin();
    logged_clear();
    return 0;
}

static inline int logged_tear_down(void **state)
{
    assert_nothing_logged();
    return 0;
}

/* A test that looks at each line that it causes. */
#define logged_test(test) cmocka_unit_test_setup_teardown(test, logged_set_up, logged_tear_down)

#endif
