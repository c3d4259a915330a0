/* SPDX-License-Identifier: MIT */
/*
 * child.h - a function run in a process of its own, for what ends a process.
 */
#ifndef EVENTER_TESTS_MAIN_CHILD_H
#define EVENTER_TESTS_MAIN_CHILD_H

#include "harness.h"

#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define CHILD_SAID_SIZE 4096

static char child_said[CHILD_SAID_SIZE];

/*
 * Run run() in a child, which _exit()s with what it returns.  Returns the exit status (128 and the
 * number of a signal that killed it); what it wrote to stdout and stderr is in child_said.
 */
static inline int child_status(int (*run)(void))
{
    int fds[2], status;
    size_t len = 0;
    ssize_t more;
    assert_int_equal(pipe(fds), 0);
    fflush(NULL);
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        dup2(fds[1], STDOUT_FILENO);
        dup2(fds[1], STDERR_FILENO);
        int result = run();
        fflush(NULL);
        _exit(result);
    }
    close(fds[1]);
    while ((more = read(fds[0], child_said + len, sizeof(child_said) - 1 - len)) > 0)
        len += (size_t)more;
    child_said[len] = '\0';
    close(fds[0]);
    assert_int_equal(waitpid(pid, &status, 0), pid);
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

/* Assert that run() ends its process with status 2 and these lines. */
static inline void assert_refused(int (*run)(void), const char *lines)
{
    int status = child_status(run);
    assert_string_equal(child_said, lines);
    assert_int_equal(status, 2);
}

#endif
