/* SPDX-License-Identifier: MIT */
/*
 * operator.h - somebody at a console of this process.
 *
 * Call operator_begin() in main().
 */
#ifndef EVENTER_TESTS_OPERATOR_H
#define EVENTER_TESTS_OPERATOR_H

#include "../listener/listening.h"

#include <mtev_console.h>

#include <stdlib.h>

#define OPERATOR_PROMPT "test# "

static char operator_folder[] = "/tmp/test_console.XXXXXX";
static char operator_socket[64];

static char operator_heard[1 << 20]; /* NUL-terminated: all that came since the last call */

/* Begin with two loops and a console at a unix socket. */
static inline void operator_begin(void)
{
    char stanza[128];
    listening_begin(2);
    mtev_console_init("test");
    mtev_console_init("again"); /* does nothing */
    if (mkdtemp(operator_folder) == NULL)
        exit(1);
    snprintf(operator_socket, sizeof(operator_socket), "%s/console", operator_folder);
    snprintf(stanza, sizeof(stanza), "<listener type='mtev_console' address='%s'/>",
             operator_socket);
    if (listen_to(stanza, true) != 0)
        exit(1);
    eventer_loop_return();
}

static inline int operator_end(int status)
{
    unlink(operator_socket);
    rmdir(operator_folder);
    return status;
}

/* Read until what came ends with end, or the session did; returns all of it. */
static inline const char *operator_hear(int fd, const char *end)
{
    size_t len = 0, wanted = strlen(end);
    while (
        len < sizeof(operator_heard) - 1 &&
        (wanted == 0 || len < wanted || memcmp(operator_heard + len - wanted, end, wanted) != 0)) {
        ssize_t count = recv(fd, operator_heard + len, sizeof(operator_heard) - 1 - len, 0);
        if (count <= 0)
            break;
        len += (size_t)count;
    }
    operator_heard[len] = '\0';
    return operator_heard;
}

static inline void operator_type(int fd, const char *keys)
{
    size_t len = strlen(keys);
    assert_int_equal(send(fd, keys, len, MSG_NOSIGNAL), len);
}

/* Sit down at the console: the prompt is there. */
static inline int operator_sit_down(void)
{
    int fd = connect_to(operator_socket);
    assert_string_equal(operator_hear(fd, OPERATOR_PROMPT), OPERATOR_PROMPT);
    return fd;
}

/* Give a command; returns what is said until the next prompt, without that. */
static inline const char *operator_ask(int fd, const char *line)
{
    operator_type(fd, line);
    operator_type(fd, "\n");
    operator_hear(fd, OPERATOR_PROMPT);
    size_t len = strlen(operator_heard), prompt = strlen(OPERATOR_PROMPT);
    assert_true(len >= prompt);
    assert_string_equal(operator_heard + len - prompt, OPERATOR_PROMPT);
    operator_heard[len - prompt] = '\0';
    return operator_heard;
}

static inline void assert_answer(int fd, const char *line, const char *wanted)
{
    assert_string_equal(operator_ask(fd, line), wanted);
}

static inline void assert_answer_has(int fd, const char *line, const char *part)
{
    if (strstr(operator_ask(fd, line), part) == NULL)
        fail_msg("%s: %s is not in: %s", line, part, operator_heard);
}

/* Leave; the session is at its end. */
static inline void operator_leave(int fd)
{
    operator_type(fd, "exit\n");
    assert_string_equal(operator_hear(fd, ""), "");
    close(fd);
}

#endif
