/* SPDX-License-Identifier: MIT */
/*
 * said.h - what was said on mtev_error since the last look, for the tests of conf.
 *
 * said_begin() redirects mtev_error into a pipe; said_end() gives it back to stderr.
 */
#ifndef EVENTER_TESTS_CONF_SAID_H
#define EVENTER_TESTS_CONF_SAID_H

#include "harness.h"

#include "mtev_log.h"

#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#define SAID_SIZE 16384

static int said_fds[2] = {-1, -1};
static char said_text[SAID_SIZE];

static inline void said_begin(void)
{
    assert_int_equal(pipe2(said_fds, O_CLOEXEC | O_NONBLOCK), 0);
    assert_non_null(mtev_log_stream_new_on_fd("error", said_fds[1], NULL));
}

/* Return the text; it is forgotten. */
static inline const char *said(void)
{
    ssize_t len = read(said_fds[0], said_text, sizeof(said_text) - 1);
    said_text[len > 0 ? len : 0] = '\0';
    return said_text;
}

/* Assert that exactly these lines were said. */
static inline void assert_said(const char *wanted)
{
    assert_string_equal(said(), wanted);
}

/* Assert that one line was said, and that it begins so. */
static inline void assert_said_one_line(const char *start)
{
    const char *text = said();
    assert_int_equal(strncmp(text, start, strlen(start)), 0);
    assert_ptr_equal(strchr(text, '\n'), text + strlen(text) - 1);
}

static inline void said_end(void)
{
    mtev_log_stream_close(mtev_error);
    mtev_log_stream_add_stream(mtev_error, mtev_stderr);
    close(said_fds[0]);
    close(said_fds[1]);
}

#endif
