/* SPDX-License-Identifier: MIT */
#include "main/daemon.h"

#include "base/clock.h"
#include "log/log.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define STATUS_LOST 1 /* of a process that ended without a word */

static int starter = -1; /* to the one that waits; -1: nobody does */
static bool has_terminal_still;

static void tell(int status)
{
    const uint8_t byte = (uint8_t)status;
    if (starter == -1)
        return;
    (void)!write(starter, &byte, 1);
    close(starter);
    starter = -1;
}

/* In the process that was started: wait for what the other end says, and end. */
static void wait_and_end(int fd, pid_t between)
{
    uint8_t status = STATUS_LOST;
    while (waitpid(between, NULL, 0) == -1 && errno == EINTR)
        ;
    while (read(fd, &status, 1) == -1 && errno == EINTR)
        ;
    (void)log_flush(CLOCK_NS_PER_S);
    _exit(status);
}

int daemon_begin(void)
{
    int ends[2];
    fflush(NULL); /* what is not written yet would be written twice */
    if (pipe2(ends, O_CLOEXEC) != 0)
        return -errno;
    pid_t pid = fork();
    if (pid < 0) {
        int err = -errno;
        close(ends[0]);
        close(ends[1]);
        return err;
    }
    if (pid > 0) {
        close(ends[1]);
        wait_and_end(ends[0], pid);
    }
    close(ends[0]);
    starter = ends[1];
    setsid();
    pid = fork(); /* who leads no session gets no terminal by opening one */
    if (pid < 0)
        tell(STATUS_LOST);
    if (pid != 0)
        _exit(0);
    umask(027);
    has_terminal_still = true;
    return 0;
}

void daemon_is_child(void)
{
    if (starter != -1)
        close(starter);
    starter = -1;
}

void daemon_is_ready(void)
{
    tell(0);
    if (!has_terminal_still)
        return;
    has_terminal_still = false;
    fflush(NULL);
    int fd = open("/dev/null", O_RDWR | O_CLOEXEC);
    for (int i = 0; i <= STDERR_FILENO && fd >= 0; i++)
        dup2(fd, i);
    if (fd > STDERR_FILENO)
        close(fd);
}

void daemon_has_failed(int status)
{
    tell(status);
}
