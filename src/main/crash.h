/* SPDX-License-Identifier: MIT */
/*
 * crash.h - what is said when the process faults, or stalls, before it ends.
 *
 * Layer: main.
 *
 *   a fault, or the monitor's word that a thread stalls
 *     --> this thread says what it does, then each other one in turn, and stops there
 *     --> all coroutines are said
 *     --> the monitor is told, runs the glider, and answers
 *     --> the default action: the process ends, maybe with a core
 *
 * A fault on that way, and CRASH_SECONDS_MAX, end it at once.
 */
#ifndef EVENTER_MAIN_CRASH_H
#define EVENTER_MAIN_CRASH_H

#include "base/thread.h"

#include <signal.h>

#define CRASH_STALL_SIGNAL THREAD_REPORT_SIGNAL /* the monitor's; tgkill(2) to the thread */
#define CRASH_SECONDS_MAX  20

/* Handle faults from now on, unless the environment says MTEV_DIAGNOSE_CRASH=0.  0 or -errno. */
int crash_begin(void);

/* Leave them to who handled them before. */
void crash_end(void);

/* Let the system write a core of this process.  Before threads start. */
void crash_allow_core(void);

/* These fds are closed before the report; see mtev_watchdog.h.  0, -ENOSPC or -ENOENT. */
int crash_add_fd(int fd);
int crash_remove_fd(int fd);

#endif
