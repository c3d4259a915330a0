/* SPDX-License-Identifier: MIT */
/*
 * daemon.h - from a process that somebody started to one in the background.
 *
 * Layer: main.  Main thread, before there are others.  Source: daemon(7).
 */
#ifndef EVENTER_MAIN_DAEMON_H
#define EVENTER_MAIN_DAEMON_H

/*
 * Go on in a process of a session of its own; the calling one waits until that is ready, or has
 * ended without, and ends with its status.  Returns 0 in the new one, or -errno in the old.
 */
int daemon_begin(void);

/* The same, in a child of that process: it does not speak for it. */
void daemon_is_child(void);

/*
 * The process is ready: say so to the one that was started, if it waits, and use its input and
 * outputs no longer.  Without daemon_begin(), and the second time: nothing.
 */
void daemon_is_ready(void);

/* It will not be ready: the one that was started ends with status. */
void daemon_has_failed(int status);

#endif
