/* SPDX-License-Identifier: MIT */
/*
 * operator.h - somebody at a console of this process.
 *
 * Call operator_begin() in main().
 */
#ifndef EVENTER_TESTS_OPERATOR_H
#define EVENTER_TESTS_OPERATOR_H

#include "../listener/listening.h"
#include "clean.h"

#include <mtev_console.h>

#include <stdlib.h>
#include <time.h>

#define OPERATOR_PROMPT "test# "

static char operator_folder[] = "/tmp/test_console.XXXXXX";
static char operator_socket[64], operator_telnet[64], operator_past[64];

static char operator_heard[1 << 20]; /* NUL-terminated: all that came since the last call */

/*
 * Remember what lives as long as the process, also where nobody else does any more, such as a
 * command that another one has replaced.  Returns it.
 */
static inline void *operator_keep(void *kept)
{
    static void *all[4096];
    static size_t count;
    assert_true(count < sizeof(all) / sizeof(all[0]));
    return all[count++] = kept;
}

/* Begin with two loops and consoles at unix sockets: one of lines, and one of telnet. */
static inline void operator_begin(void)
{
    char stanza[512];
    listening_begin(2);
    mtev_console_init("test");
    mtev_console_init("again"); /* does nothing */
    if (mkdtemp(operator_folder) == NULL)
        exit(1);
    snprintf(operator_socket, sizeof(operator_socket), "%s/console", operator_folder);
    snprintf(operator_telnet, sizeof(operator_telnet), "%s/telnet", operator_folder);
    snprintf(operator_past, sizeof(operator_past), "%s/past", operator_folder);
    snprintf(stanza, sizeof(stanza),
             "<listener type='mtev_console' address='%s'/>"
             "<listener type='mtev_console' address='%s'><config>"
             "<line_protocol>telnet</line_protocol><history_file>%s</history_file></config>"
             "</listener>",
             operator_socket, operator_telnet, operator_past);
    if (listen_to(stanza, true) != 0)
        exit(1);
    eventer_loop_return();
}

static inline int operator_end(int status)
{
    unlink(operator_socket);
    unlink(operator_telnet);
    unlink(operator_past);
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

/*
 * A test after which all sessions are at their end, which may be a moment after the operator has
 * left.
 */
static inline int operator_tear_down(void **state)
{
    time_t until = time(NULL) + 30;
    while (eventer_allocations_current() != clean_events && time(NULL) < until)
        sched_yield();
    return clean_tear_down(state);
}

#define operator_test(test) cmocka_unit_test_setup_teardown(test, clean_set_up, operator_tear_down)

/* Come, say all of text, and go, whatever becomes of it: there may be no memory for a session. */
static inline void operator_visit(void *text)
{
    int fd = connect_to(operator_socket);
    (void)!send(fd, text, strlen(text), MSG_NOSIGNAL); /* it may be closed already */
    operator_hear(fd, "");
    close(fd);
    settle_all();
    logged_clear();
}

/* Leave; the session is at its end. */
static inline void operator_leave(int fd)
{
    operator_type(fd, "exit\n");
    assert_string_equal(operator_hear(fd, ""), "");
    close(fd);
}

#endif
