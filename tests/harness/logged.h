/* SPDX-License-Identifier: MIT */
/*
 * logged.h - what was said on mtev_error since the last look.
 *
 * Call logged_begin() in main() before harness_run(); what is said goes nowhere else from then on.
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

static inline void logged_begin(void)
{
    if (pipe2(logged_fds, O_CLOEXEC | O_NONBLOCK) != 0 ||
        mtev_log_stream_new_on_fd("error", logged_fds[1], NULL) == NULL) {
        perror("logged_begin");
        exit(1);
    }
}

/* Forget what was said so far. */
static inline void logged_clear(void)
{
    while (read(logged_fds[0], logged_text, sizeof(logged_text)) > 0)
        ;
    logged_len = 0;
}

/* Return how often part occurs in what was said since the last logged_clear(). */
static inline unsigned logged(const char *part)
{
    ssize_t count;
    while (logged_len < LOGGED_SIZE - 1 && (count = read(logged_fds[0], logged_text + logged_len,
                                                         LOGGED_SIZE - 1 - logged_len)) > 0)
        logged_len += (size_t)count;
    logged_text[logged_len] = '\0';
    unsigned found = 0;
    for (const char *at = logged_text; (at = strstr(at, part)) != NULL; at += strlen(part))
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

#endif
