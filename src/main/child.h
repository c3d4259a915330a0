/* SPDX-License-Identifier: MIT */
/*
 * child.h - a process that serves: what it knows of the monitor that looks after it, if there is
 * one, and of the process that served before it.
 *
 * Layer: main.
 */
#ifndef EVENTER_MAIN_CHILD_H
#define EVENTER_MAIN_CHILD_H

#include "main/pulse.h"

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#define CHILD_SOCKETS_MAX 1024 /* that one process hands on to the next */

struct child {
    pid_t monitor;                  /* 0: there is none */
    int channel;                    /* to it */
    int sockets[CHILD_SOCKETS_MAX]; /* that somebody has bound for this process; owned */
    int socket_count;
};

/* This process's; written before it has threads. */
extern struct child child_self __attribute__((visibility("hidden")));

/*
 * The environment in which a monitor executes a program anew: set it (close-on-exec is taken off
 * the fds), with the table's fd; 0 or -errno.  And read it, and take it away: true if this process
 * was executed so, and child_self says by whom.
 */
int child_write_environment(const struct child *child, int table_fd);
bool child_read_environment(void);

/*
 * Call run() as what serves, and return what it returned: with the sockets of child_self offered to
 * listeners, signals handled, faults explained, and whoever waits for it told when it is ready.
 */
int child_serve(int (*run)(void));

/* Tell the monitor of the sockets anew, as listeners have changed.  Any thread but a loop's. */
void child_say_ready(void);

/* Tell whoever wants to know that the configuration was loaded anew, or with err that it was not.
 */
void child_say_reloaded(int err);

#endif
