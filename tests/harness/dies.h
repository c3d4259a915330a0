/* SPDX-License-Identifier: MIT */
/*
 * dies.h - tests of what must end the process: done in a child.
 *
 * For programs without other threads, which a child would lack.
 */
#ifndef EVENTER_TESTS_DIES_H
#define EVENTER_TESTS_DIES_H

#include "harness.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

/* Run fn in a child.  Returns the signal that ended it, or 0; text gets what it said on stderr. */
static inline int dies_run(void (*fn)(void), char *text, size_t size)
{
    int fds[2], status = 0;
    size_t len = 0;
    ssize_t count;
    fflush(NULL);
    assert_int_equal(pipe(fds), 0);
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        setrlimit(RLIMIT_CORE, &(struct rlimit){0, 0});
        signal(SIGSEGV, SIG_DFL); /* a sanitizer's handler would exit instead */
        signal(SIGABRT, SIG_DFL);
        dup2(fds[1], STDERR_FILENO);
        fn();
        _exit(0);
    }
    close(fds[1]);
    while (len < size - 1 && (count = read(fds[0], text + len, size - 1 - len)) > 0)
        len += (size_t)count;
    text[len] = '\0';
    close(fds[0]);
    assert_int_equal(waitpid(pid, &status, 0), pid);
    return WIFSIGNALED(status) ? WTERMSIG(status) : 0;
}

/* Fail the running test unless fn, in a child, is ended by the signal and says message. */
static inline void assert_dies(void (*fn)(void), int signal_number, const char *message)
{
    char text[1024];
    int ended_by = dies_run(fn, text, sizeof(text));
    if (ended_by != signal_number || strstr(text, message) == NULL)
        fail_msg("ended by signal %d, said: %s", ended_by, text);
}

#endif
